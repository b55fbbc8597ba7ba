package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg/verify"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	verify.Options
	repair, json bool
	limit        int
	rate         int64
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [DATABASE.TABLE…]",
		Short: "Compare MySQL with Iceberg, row by row, also while both change",
		Long: "Compares every row of the tables (all, if none is named) with MySQL. The service may run and rows may change meanwhile: a row that\n" +
			"differs is looked at again once the Iceberg table has caught up with MySQL. Without a running service it compares what is there.\n" +
			"Columns that are left out are not compared, hashed ones by their hash.\n\n" +
			"With --repair the service is asked to bring the rows that differ over from MySQL, while it goes on, and they are compared again.\n\n" +
			"Exit status: 0 all rows are equal, or were repaired; 1 rows differ; 75 rows could not be decided: they changed all the time, or the service does not run.",
		Args: func(cmd *cobra.Command, args []string) error {
			for _, s := range args {
				if db, name, ok := strings.Cut(s, "."); !ok || db == "" || name == "" {
					return usageError{fmt.Errorf("%q is not DATABASE.TABLE", s), cmd.CommandPath()}
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			if o.rate >= 0 {
				cfg.MySQL.Load.RowsPerSecond = o.rate
			}
			// Longer than any pause between two commits of a running service.
			o.Patience = max(o.Patience, 3*time.Duration(cfg.Checkpoints.Interval))
			return a.verify(cmd.Context(), cfg, args, o)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().DurationVar(&o.Patience, "patience", 30*time.Second, "how long an Iceberg table may stand still before the service is taken not to run")
	cmd.Flags().BoolVar(&o.repair, "repair", false, "bring the rows that differ over from MySQL; the service does it")
	cmd.Flags().IntVar(&o.limit, "repair-limit", 100_000, "most rows of a table to repair; reload a table with more")
	cmd.Flags().Int64Var(&o.rate, "rows-per-second", -1, "most rows to read from MySQL in a second; 0: no limit (default: mysql.load.rows_per_second)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().IntVar(&o.MaxShown, "show", 10, "rows to print that differ, of each table")
	cmd.Flags().StringVar(&o.Keep, "state", "", "`DIRECTORY` that keeps what was read until it is done: the same command goes on where it was interrupted")
	cmd.Flags().StringVar(&o.Dir, "tmp", "", "`DIRECTORY` for some 50 bytes a row while comparing (default: the system's)")
	return cmd
}

// verify compares tables one by one: each has MySQL and the storage to itself.
func (a *app) verify(ctx context.Context, cfg *config.Config, names []string, o verifyOptions) error {
	src, err := newSource(cfg, mysql.Observer{}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	v, err := openView(ctx, cfg)
	if err != nil {
		return err
	}
	defer v.close()
	if rec, err := v.records.Newest(ctx); err != nil {
		return err
	} else if rec == nil {
		return &cdc.Error{Code: verify.CodeNotComparable, Msg: "the pipeline has never run: " + cfg.Checkpoints.Store + " holds no records", Fix: "start the service with cdc2lake run"}
	}
	if v.sink, err = openSink(ctx, cfg, v.objs, budget{slots: 1}, nil, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	found, err := src.Discover(ctx)
	if err != nil {
		return err
	}
	if found, err = choose(found, names); err != nil {
		return err
	}
	p := newComparing(a.stderr)
	o.Source, o.Target, o.State, o.Progress = src, v.sink, v.state, p.progress
	if o.Keep != "" {
		o.Keep = filepath.Join(o.Keep, cfg.Pipeline)
	}
	before, err := openVerifyState(o.Keep)
	if err != nil {
		return err
	}
	var sum verifySummary
	var failed error
	for _, d := range found {
		if d.Err != nil {
			p.say("%s is not replicated: %v", d.Table, d.Err)
			if len(names) > 0 {
				failed = errors.Join(failed, d.Err)
			}
			continue
		}
		if rows, ok := before.equal[d.Table.String()]; ok {
			p.say("%s was found equal before the interruption, with %d rows", d.Table, rows)
			sum.add(verifiedTable{Result: &verify.Result{Table: d.Table, Rows: rows}})
			continue
		}
		r, err := verify.Table(ctx, o.Options, d.Schema)
		p.done()
		t := verifiedTable{Result: r}
		if err == nil && o.repair && r.Different > 0 {
			t, err = a.repair(ctx, v, o, d.Schema, r, p)
			p.done()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.say("%s could not be compared: %v", d.Table, err)
			failed = errors.Join(failed, err)
			continue
		}
		sum.add(t)
		if !o.json {
			printResult(a.stdout, t)
		}
		if t.Equal() {
			if err := before.add(t.Table.String(), t.Rows); err != nil {
				return err
			}
		}
	}
	if err := before.done(); err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(&sum); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.stdout, &sum)
	}
	switch {
	case sum.Different > 0:
		return &cdc.Error{Code: verify.CodeDifferent, Msg: fmt.Sprintf("%d rows differ", sum.Different)}
	case failed != nil:
		return failed
	case sum.Undecided > 0:
		return &cdc.Error{Code: verify.CodeUndecided, Msg: fmt.Sprintf("%d rows", sum.Undecided)}
	}
	return nil
}

// choose picks the named tables, or all.
func choose(found []cdc.Discovered, names []string) ([]cdc.Discovered, error) {
	if len(names) == 0 {
		return found, nil
	}
	var out []cdc.Discovered
	for _, n := range names {
		i := slices.IndexFunc(found, func(d cdc.Discovered) bool { return d.Table.String() == n })
		if i < 0 {
			return nil, &cdc.Error{Code: codeUnknownTable, Msg: n + " is not among the tables that the configuration selects"}
		}
		out = append(out, found[i])
	}
	return out, nil
}

// state says how far a table has come: to its marker, or to the newest record that changed nothing in it.
func (v *view) state(ctx context.Context, id cdc.TableID) (verify.State, error) {
	// The record first: a part of it that is committed is seen below.
	rec, err := v.records.Newest(ctx)
	if err != nil {
		return verify.State{}, err
	}
	info, err := v.sink.Info(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return verify.State{}, &cdc.Error{Code: verify.CodeNotComparable, Table: id, Msg: "it has no Iceberg table yet", Fix: "start the service with cdc2lake run"}
	}
	if err != nil {
		return verify.State{}, err
	}
	m := info.Markers.Ancestry
	if m == nil {
		return verify.State{}, &cdc.Error{Code: verify.CodeNotComparable, Table: id, Msg: "its Iceberg table is not one of this pipeline"}
	}
	st := verify.State{Snapshot: info.Snapshot, Position: m.Position, Loaded: m.Load.Phase == cdc.LoadDone, Rows: info.Records - info.Deleted}
	if rec != nil {
		if e, ok := rec.Tables[id]; ok {
			st.Paused = e.Paused
			if e.ID == m.ID && e.Position != "" {
				st.Position = e.Position
			}
		}
	}
	return st, nil
}

// comparing prints what a comparison is doing: one line that is overwritten on a terminal, a line every ten seconds elsewhere.
type comparing struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex // guards the rest
	last time.Time
	open bool // a line is to be overwritten
}

func newComparing(w io.Writer) *comparing {
	return &comparing{w: w, terminal: isTerminal(w), last: time.Now()}
}

var stages = map[string]string{"source": "%d rows of MySQL", "wait": "waiting for Iceberg to catch up", "iceberg": "%d rows of Iceberg", "again": "%d rows differ, looking again",
	"repair": "waiting for the service to repair (%d requests)"}

func (c *comparing) progress(p verify.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	every := lineEvery
	if c.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(c.last) < every {
		return
	}
	c.last = time.Now()
	text := stages[p.Stage]
	if strings.Contains(text, "%d") {
		text = fmt.Sprintf(text, p.Rows)
	}
	if c.terminal {
		fmt.Fprintf(c.w, "\r\x1b[K%s: %s", p.Table, text)
		c.open = true
	} else {
		fmt.Fprintf(c.w, "%s: %s\n", p.Table, text)
	}
}

// done removes the line.
func (c *comparing) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		fmt.Fprint(c.w, "\r\x1b[K")
		c.open = false
	}
}

func (c *comparing) say(format string, args ...any) {
	c.done()
	fmt.Fprintf(c.w, format+"\n", args...)
}
