package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cdc2lake/cdc2lake/iceberg/verify"
)

// verifiedTable is the outcome of comparing one table: after its repair, if there was one.
type verifiedTable struct {
	*verify.Result
	found    []verify.Difference // what differed before the repair
	repaired int64
}

// verifySummary is the outcome of all tables.
type verifySummary struct {
	Tables    []verifiedTable `json:"tables"`
	Rows      int64           `json:"rows"`
	Different int64           `json:"different"`
	Repaired  int64           `json:"repaired"`
	Undecided int64           `json:"undecided"`
}

func (s *verifySummary) add(t verifiedTable) {
	s.Tables = append(s.Tables, t)
	s.Rows += t.Rows
	s.Different += t.Different
	s.Repaired += t.repaired
	s.Undecided += t.Undecided
}

func (s *verifySummary) String() string {
	text := fmt.Sprintf("verify: %d tables, %d rows, %d differences", len(s.Tables), s.Rows, s.Different)
	if s.Repaired > 0 {
		text += fmt.Sprintf(", %d repaired", s.Repaired)
	}
	return text
}

type jsonDifference struct {
	Key     string  `json:"key"`
	MySQL   *string `json:"mysql"` // null: no such row
	Iceberg *string `json:"iceberg"`
}

func jsonDifferences(ds []verify.Difference) []jsonDifference {
	out := make([]jsonDifference, len(ds))
	for i, d := range ds {
		out[i].Key = d.Key
		if d.Source != "" {
			out[i].MySQL = &d.Source
		}
		if d.Iceberg != "" {
			out[i].Iceberg = &d.Iceberg
		}
	}
	return out
}

// MarshalJSON implements json.Marshaler.
func (t verifiedTable) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Table       string           `json:"table"`
		Rows        int64            `json:"rows"`
		Different   int64            `json:"different"`
		Repaired    int64            `json:"repaired"`
		Undecided   int64            `json:"undecided"`
		Changing    int64            `json:"changing"`
		Behind      bool             `json:"behind"`
		Differences []jsonDifference `json:"differences"` // the first of them
		Found       []jsonDifference `json:"found_before_repair,omitempty"`
	}{t.Table.String(), t.Rows, t.Different, t.repaired, t.Undecided, t.Changing, t.Ahead, jsonDifferences(t.Differences), jsonDifferences(t.found)})
}

func printResult(w io.Writer, t verifiedTable) {
	show := func(ds []verify.Difference, n int64) {
		for _, d := range ds {
			fmt.Fprintf(w, "  %s\n    mysql:   %s\n    iceberg: %s\n", d.Key, orNone(d.Source), orNone(d.Iceberg))
		}
		if n -= int64(len(ds)); n > 0 {
			fmt.Fprintf(w, "  … and %d more\n", n)
		}
	}
	if t.repaired > 0 {
		fmt.Fprintf(w, "%s: %d rows repaired\n", t.Table, t.repaired)
		show(t.found, t.repaired)
	}
	fmt.Fprintln(w, t.Result)
	show(t.Differences, t.Different)
	if t.Ahead {
		fmt.Fprintln(w, "  MySQL is ahead of the Iceberg table, which does not move: the undecided rows may still come when the service runs")
	}
}

func orNone(s string) string {
	if s == "" {
		return "no such row"
	}
	return s
}
