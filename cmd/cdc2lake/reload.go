package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func (a *app) reloadCommand() *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:   "reload DATABASE.TABLE",
		Short: "Load a table anew; this ends a pause",
		Long: "Asks the service to load a table anew. A running service does it within seconds, one that is not running at its next start.\n" +
			"Readers see the old rows until the new ones have taken their place; if the key changed the table is emptied first. The command waits\n" +
			"until the load is complete.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("the name of one table is expected, as DATABASE.TABLE"), cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			db, name, ok := strings.Cut(args[0], ".")
			if !ok || db == "" || name == "" {
				return usageError{fmt.Errorf("%q is not DATABASE.TABLE", args[0]), cmd.CommandPath()}
			}
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			return a.reload(cmd.Context(), cfg, cdc.TableID{Database: db, Name: name}, !noWait)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until the load is complete")
	return cmd
}

var codeUnknownTable = cdc.NewCode("UNKNOWN_TABLE", cdc.Fatal, "the pipeline has no such table",
	"cdc2lake tables lists them; database and table are written as in MySQL")

func (a *app) reload(ctx context.Context, cfg *config.Config, t cdc.TableID, wait bool) error {
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
		return &cdc.Error{Code: codeUnknownTable, Table: t, Msg: "the pipeline has never run: " + cfg.Checkpoints.Store + " holds no records"}
	}
	if _, ok := rec.Tables[t]; !ok {
		var known []string
		for id := range rec.Tables {
			known = append(known, id.String())
		}
		slices.Sort(known)
		return &cdc.Error{Code: codeUnknownTable, Table: t, Msg: "known are: " + strings.Join(known, ", ")}
	}
	if err := v.records.Ask(ctx, checkpoint.Reload, t); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "asked to load %s anew\n", t)
	if !wait {
		return nil
	}
	return a.awaitReload(ctx, v, t)
}

// awaitReload follows a reload by what the store and the table say: the request goes away once its first part is
// committed, and the table's marker tells the rest.
func (a *app) awaitReload(ctx context.Context, v *view, t cdc.TableID) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	begun, shown := false, ""
	say := func(s string) {
		if s != shown {
			fmt.Fprintln(a.stdout, s)
			shown = s
		}
	}
	for {
		if !begun {
			reqs, err := v.records.Requests(ctx)
			if err != nil {
				return err
			}
			begun = !slices.ContainsFunc(reqs, func(r checkpoint.Request) bool { return r.Verb == checkpoint.Reload && r.Table == t })
			if !begun {
				say("waiting for the service to begin (if none is running, start it: cdc2lake run; Ctrl-C stops only the waiting)")
			}
		}
		if begun {
			i, err := v.table(ctx, t)
			if err != nil {
				return err
			}
			switch i.State {
			case "live":
				say(fmt.Sprintf("%s is complete again, with %d rows", t, i.Rows))
				return nil
			case "paused":
				return &cdc.Error{Code: codePaused, Table: t, Msg: i.Paused.Code + ": " + i.Paused.Msg, Fix: i.Paused.Remedy}
			default:
				say(fmt.Sprintf("%s: %d rows", i.State, i.RowsRead))
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

var codePaused = cdc.NewCode("PAUSED", cdc.TablePaused, "a table stands still", "the message names the reason and what to do")
