package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func (a *app) tablesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "Show each table's state, rows, lag, snapshot and files",
		Long: "Shows the tables as the checkpoint records and the Iceberg tables themselves tell it, whether the service runs or not.\n" +
			"AGE is the time since the table was last known to be equal to MySQL: while the service works it stays below the checkpoint interval.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			v, err := openView(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer v.close()
			ts, err := v.all(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(a.stdout)
				e.SetIndent("", "  ")
				return e.Encode(ts)
			}
			return printTables(a.stdout, ts, time.Now())
		},
	}
	a.configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// tableInfo is what is known of a table without the service.
type tableInfo struct {
	Table    string       `json:"table"`
	Iceberg  string       `json:"iceberg"` // name in the catalog; empty: not there yet
	State    string       `json:"state"`   // loading, catching-up, reconciling, live, paused
	Rows     int64        `json:"rows"`
	RowsRead int64        `json:"load_rows_read"`
	Files    int64        `json:"data_files"`
	Deleted  int64        `json:"deleted_positions"` // rows of data files that are marked as deleted
	Bytes    int64        `json:"bytes"`
	Format   int          `json:"format_version"`
	Snapshot int64        `json:"snapshot"`
	Position cdc.Position `json:"position"`
	// Micros is the time up to which the table is known to be equal to MySQL, microseconds since the epoch; 0: unknown.
	Micros     int64      `json:"as_of_micros"`
	Checkpoint uint64     `json:"checkpoint"`
	Paused     *cdc.Pause `json:"paused,omitempty"`
}

func printTables(w io.Writer, ts []tableInfo, now time.Time) error {
	if len(ts) == 0 {
		_, err := fmt.Fprintln(w, "no tables yet: start the pipeline with cdc2lake run")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TABLE\tSTATE\tROWS\tAGE\tFILES\tDELETED\tFORMAT\tCHECKPOINT\tSNAPSHOT\tICEBERG")
	for _, t := range ts {
		state := t.State
		if t.State == "loading" {
			state = fmt.Sprintf("loading (%d rows read)", t.RowsRead)
		}
		name, snapshot := "–", "–"
		if t.Iceberg != "" {
			name = t.Iceberg
		}
		if t.Snapshot != 0 {
			snapshot = strconv.FormatInt(t.Snapshot, 10)
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%d\t%d\tv%d\t%d\t%s\t%s\n", t.Table, state, t.Rows, age(t.Micros, now), t.Files, t.Deleted, t.Format, t.Checkpoint, snapshot, name)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, t := range ts {
		if t.Paused != nil {
			fmt.Fprintf(w, "\n%s is paused since %s: %s\nfix: %s\n", t.Table, time.UnixMicro(t.Paused.Since).UTC().Format(time.RFC3339), t.Paused.Msg, t.Paused.Remedy)
		}
	}
	return nil
}

func age(micros int64, now time.Time) string {
	if micros == 0 {
		return "–"
	}
	d := max(0, now.Sub(time.UnixMicro(micros)))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// all lists the tables that a record or the catalog names.
func (v *view) all(ctx context.Context) ([]tableInfo, error) { return v.tables(ctx, nil) }

// table returns one table.
func (v *view) table(ctx context.Context, t cdc.TableID) (tableInfo, error) {
	ts, err := v.tables(ctx, &t)
	if err != nil {
		return tableInfo{}, err
	}
	if len(ts) == 0 {
		return tableInfo{}, &cdc.Error{Code: codeUnknownTable, Table: t, Msg: "no record names it"}
	}
	return ts[0], nil
}
