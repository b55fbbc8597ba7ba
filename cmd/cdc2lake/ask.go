package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func (a *app) pauseCommand() *cobra.Command {
	return a.askCommand(checkpoint.Pause, "Let tables stand still, without stopping the others",
		"Asks the service to let tables stand still at the next checkpoint; the others notice nothing of it. cdc2lake resume lets them go on\n"+
			"from there, as long as the server keeps its log since; after that only cdc2lake reload does.")
}

func (a *app) resumeCommand() *cobra.Command {
	return a.askCommand(checkpoint.Resume, "Let tables that were paused go on from where they stand",
		"Asks the service to let tables go on that cdc2lake pause has let stand still. The log is read again from there on, so the others wait\n"+
			"that long; after a long pause cdc2lake reload may be quicker. If the server's log does not go back that far the table stays paused.")
}

// askCommand is a command that asks the same for several tables.
func (a *app) askCommand(v checkpoint.Verb, short, long string) *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:   string(v) + " TABLE…",
		Short: short,
		Long:  long + "\nTABLE is DATABASE.TABLE with * and ?, or a /regular expression/. A service that is not running does it at its next start.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("the names of tables are expected, as DATABASE.TABLE"), cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var ps []config.Pattern
			for _, s := range args {
				p, err := config.CompilePattern(s)
				if err != nil {
					return usageError{fmt.Errorf("%q: %w", s, err), cmd.CommandPath()}
				}
				ps = append(ps, p)
			}
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), cfg, v, args, ps, !noWait)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until the service has done it")
	return cmd
}

func (a *app) ask(ctx context.Context, cfg *config.Config, verb checkpoint.Verb, args []string, ps []config.Pattern, wait bool) error {
	v, err := openView(ctx, cfg)
	if err != nil {
		return err
	}
	defer v.close()
	rec, err := v.records.Newest(ctx)
	if err != nil {
		return err
	}
	if rec == nil {
		return &cdc.Error{Code: codeUnknownTable, Msg: "the pipeline has never run: " + cfg.Checkpoints.Store + " holds no records"}
	}
	var tables []cdc.TableID
	for i, p := range ps {
		n := len(tables)
		for id := range rec.Tables {
			if p.Match(id.String()) {
				tables = append(tables, id)
			}
		}
		if n == len(tables) {
			var known []string
			for id := range rec.Tables {
				known = append(known, id.String())
			}
			slices.Sort(known)
			return &cdc.Error{Code: codeUnknownTable, Msg: "the pipeline has none that matches " + args[i] + "; known are: " + strings.Join(known, ", ")}
		}
	}
	slices.SortFunc(tables, func(x, y cdc.TableID) int { return strings.Compare(x.String(), y.String()) })
	tables = slices.Compact(tables)
	for _, t := range tables {
		if err := v.records.Ask(ctx, verb, t); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "asked to %s %s\n", verb, t)
	}
	if !wait {
		return nil
	}
	if err := a.awaitAnswers(ctx, v, verb, tables); err != nil {
		return err
	}
	if verb != checkpoint.Reload {
		return a.sayAnswers(ctx, v, verb, tables)
	}
	var failed error
	for _, t := range tables {
		if err := a.awaitLoad(ctx, v, t); err != nil {
			if e := cdc.AsError(err); e == nil || e.Code != codePaused {
				return err
			}
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// awaitAnswers waits until the requests are gone.
func (a *app) awaitAnswers(ctx context.Context, v *view, verb checkpoint.Verb, tables []cdc.TableID) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for said := false; ; {
		reqs, err := v.records.Requests(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(reqs, func(r checkpoint.Request) bool { return r.Verb == verb && slices.Contains(tables, r.Table) }) {
			return nil
		}
		if !said {
			said = true
			fmt.Fprintln(a.stdout, "waiting for the service (if none is running, start it: cdc2lake run; Ctrl-C stops only the waiting)")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// sayAnswers says what came of requests to pause or resume.
func (a *app) sayAnswers(ctx context.Context, v *view, verb checkpoint.Verb, tables []cdc.TableID) error {
	rec, err := v.records.Newest(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, t := range tables {
		p := rec.Tables[t].Paused
		switch {
		case p == nil && verb == checkpoint.Resume:
			fmt.Fprintf(a.stdout, "%s goes on\n", t)
		case p == nil:
			fmt.Fprintf(a.stdout, "%s goes on: somebody has asked for that meanwhile\n", t)
		case verb == checkpoint.Pause:
			fmt.Fprintf(a.stdout, "%s is paused: %s\n", t, p.Msg)
		default:
			failed = &cdc.Error{Code: codePaused, Table: t, Msg: p.Msg, Fix: p.Remedy}
		}
	}
	return failed
}
