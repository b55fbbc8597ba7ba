package cdc

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
)

// Class says what the pipeline does about an error.
type Class uint8

const (
	// Retryable: try again with backoff; the pipeline restarts from its last checkpoint if need be.
	Retryable Class = iota
	// TablePaused: one table stops, with its data as of its last good checkpoint; the others go on.
	TablePaused
	// Fatal: the process stops; somebody has to change something.
	Fatal
	// Fenced: a newer process of the same pipeline has taken over; this one stops.
	Fenced
)

func (c Class) String() string {
	return [...]string{"retryable", "table paused", "fatal", "fenced"}[c]
}

// ExitCode is the status with which the process ends on an error of the class.
func (c Class) ExitCode() int { return [...]int{75, 3, 1, 4}[c] }

// Code is the stable name of an error, the same in logs, metrics, exit messages and docs/errors.md.
type Code struct {
	Name    string
	Class   Class
	Summary string // what happened
	Remedy  string // what to do
	// Mend is what ends the pause of a table without anybody's help.
	Mend Mend
}

// Mend says whether loading a paused table anew mends it. If so the pipeline does that by itself, unless it is told not to.
type Mend uint8

const (
	// MendNone: something else has to be done first.
	MendNone Mend = iota
	// MendReload: its rows are of use until others have taken their place.
	MendReload
	// MendReconcile: most of its rows are right. It goes on with them, and is compared with the source; what differs is brought over.
	MendReconcile
	// MendReplace: what it holds is of no use; it is another table now, or was emptied.
	MendReplace
)

// Mended sets Mend.
func (c *Code) Mended(m Mend) *Code {
	c.Mend = m
	return c
}

var (
	codesMu sync.Mutex // guards codes
	codes   = map[string]*Code{}
)

// NewCode registers a code. Call it from package variables only; a name can be registered once.
func NewCode(name string, class Class, summary, remedy string) *Code {
	codesMu.Lock()
	defer codesMu.Unlock()
	if codes[name] != nil {
		panic("cdc: error code registered twice: " + name)
	}
	c := &Code{Name: name, Class: class, Summary: summary, Remedy: remedy}
	codes[name] = c
	return c
}

// Codes returns all registered codes by name.
func Codes() []*Code {
	codesMu.Lock()
	defer codesMu.Unlock()
	out := make([]*Code, 0, len(codes))
	for _, c := range codes {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// LookupCode returns the code with this name, or nil.
func LookupCode(name string) *Code {
	codesMu.Lock()
	defer codesMu.Unlock()
	return codes[name]
}

// Codes of the vocabulary itself. Other packages register theirs beside the code that returns them.
var (
	CodeCorrupt     = NewCode("CORRUPT", Fatal, "something cdc2lake wrote cannot be read back", "restore it from a backup, or remove it so that it is rebuilt from the tables; the message names it")
	CodeKeyType     = NewCode("KEY_TYPE", TablePaused, "a key column has a type whose values cannot be told apart exactly", "leave the table out, or give it a key of another type")
	CodeUnsupported = NewCode("UNSUPPORTED_TYPE", TablePaused, "a column has a type that cannot be represented exactly yet", "leave the column out with columns.exclude, or leave the table out")
	CodeLoadBroken  = NewCode("LOAD_BROKEN", Retryable, "the initial load of a table without a key was interrupted", "none: the table is emptied and its load starts over; a primary key would let it go on where it stood")
	CodeInternal    = NewCode("INTERNAL", Fatal, "an invariant of cdc2lake does not hold", "report it with the log; nothing that is committed is affected")
)

// Error is an error with a stable code. Wrap the cause in Err.
type Error struct {
	Code  *Code
	Table TableID // zero if no single table is concerned
	Msg   string  // what happened, where
	Fix   string  // what to do in this very case; empty: the code's remedy
	Err   error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code.Name)
	if e.Table != (TableID{}) {
		b.WriteString(" " + e.Table.String())
	}
	if e.Msg != "" {
		b.WriteString(": " + e.Msg)
	}
	if e.Err != nil {
		if s := e.Err.Error(); s != "" {
			b.WriteString(": " + s)
		}
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Remedy returns what to do.
func (e *Error) Remedy() string {
	if e.Fix != "" {
		return e.Fix
	}
	return e.Code.Remedy
}

// Errorf returns an Error with the code; %w in the format wraps a cause.
func Errorf(c *Code, t TableID, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: c, Table: t, Msg: err.Error(), Err: hidden{errors.Unwrap(err)}.orNil()}
}

// hidden keeps a cause reachable for errors.Is and As without printing it twice.
type hidden struct{ error }

func (h hidden) orNil() error {
	if h.error == nil {
		return nil
	}
	return h
}
func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.error }

// AsError returns the Error in err's chain, or nil if err has no code.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// ClassOf returns the class of err: that of the Error in its chain, otherwise Retryable.
func ClassOf(err error) Class {
	if e := AsError(err); e != nil {
		return e.Code.Class
	}
	return Retryable
}
