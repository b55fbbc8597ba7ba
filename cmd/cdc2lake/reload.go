package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func (a *app) reloadCommand() *cobra.Command {
	return a.askCommand(checkpoint.Reload, "Load tables anew; this ends a pause",
		"Asks the service to load tables anew. A running service does it within seconds. Readers see the old rows until the new ones have taken\n"+
			"their place; if the key changed the table is emptied first. The command waits until the loads are complete.")
}

var (
	codeUnknownTable = cdc.NewCode("UNKNOWN_TABLE", cdc.Fatal, "the pipeline has no such table",
		"cdc2lake tables lists them; database and table are written as in MySQL")
	codePaused = cdc.NewCode("PAUSED", cdc.TablePaused, "a table stands still", "the message names the reason and what to do")
)

// awaitLoad follows a load that has begun, by what the table's marker says.
func (a *app) awaitLoad(ctx context.Context, v *view, t cdc.TableID) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for shown := ""; ; {
		i, err := v.table(ctx, t)
		if err != nil {
			return err
		}
		switch i.State {
		case "live":
			fmt.Fprintf(a.stdout, "%s is complete again, with %d rows\n", t, i.Rows)
			return nil
		case "paused":
			return &cdc.Error{Code: codePaused, Table: t, Msg: i.Paused.Code + ": " + i.Paused.Msg, Fix: i.Paused.Remedy}
		}
		if s := fmt.Sprintf("%s is %s: %d rows", t, i.State, i.RowsRead); s != shown {
			fmt.Fprintln(a.stdout, s)
			shown = s
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
