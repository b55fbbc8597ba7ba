package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// verifyState remembers, for a comparison that may be interrupted, which tables were found equal, with their rows.
type verifyState struct {
	file  string // empty: nothing is remembered
	equal map[string]int64
}

func openVerifyState(dir string) (*verifyState, error) {
	s := &verifyState{equal: map[string]int64{}}
	if dir == "" {
		return s, nil
	}
	s.file = filepath.Join(dir, "equal.json")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if json.Unmarshal(text, &s.equal) != nil {
		s.equal = map[string]int64{} // cut off: the tables are compared again
	}
	return s, nil
}

// add takes note of a table.
func (s *verifyState) add(table string, rows int64) error {
	if s.file == "" {
		return nil
	}
	s.equal[table] = rows
	text, err := json.Marshal(s.equal)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file, text, 0o600); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}

// done forgets everything: the next comparison begins anew.
func (s *verifyState) done() error {
	if s.file == "" {
		return nil
	}
	if err := os.Remove(s.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}
