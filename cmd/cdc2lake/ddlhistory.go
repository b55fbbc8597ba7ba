package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

func (a *app) ddlHistoryCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ddl-history [TABLE]",
		Short: "Show the statements of MySQL's log that changed tables, and what was done about them",
		Long: "Shows the statements that changed the definition of tables, in the order in which they were acted on, as the table iceberg.ddl_history\n" +
			"and the newest checkpoint record have them. TABLE is DATABASE.TABLE with * and ?, or a /regular expression/.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one pattern is expected, as DATABASE.TABLE"), cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			match := func(string) bool { return true }
			if len(args) == 1 {
				p, err := config.CompilePattern(args[0])
				if err != nil {
					return usageError{fmt.Errorf("%q: %w", args[0], err), cmd.CommandPath()}
				}
				match = p.Match
			}
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			v, err := openView(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer v.close()
			ss, err := v.statements(cmd.Context())
			if err != nil {
				return err
			}
			ss = slices.DeleteFunc(ss, func(s cdc.Statement) bool { return !match(s.Table.String()) })
			if asJSON {
				e := json.NewEncoder(a.stdout)
				e.SetIndent("", "  ")
				return e.Encode(ss)
			}
			return printStatements(a.stdout, ss)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statements returns the history: that of the table, and what the newest record has that the table does not have yet.
func (v *view) statements(ctx context.Context) ([]cdc.Statement, error) {
	rec, err := v.records.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if v.sink == nil {
		if v.sink, err = openSink(ctx, v.cfg, v.objs, budget{slots: 1}, nil, slog.New(slog.DiscardHandler)); err != nil {
			return nil, err
		}
	}
	out, err := v.sink.Statements(ctx)
	if err != nil || rec == nil {
		return out, err
	}
	type key struct {
		table    cdc.TableID
		position string
		ordinal  int
	}
	have := map[key]bool{}
	for _, s := range out {
		have[key{s.Table, s.Position, s.Ordinal}] = true
	}
	for _, s := range rec.Statements {
		if k := (key{s.Table, s.Position, s.Ordinal}); !have[k] {
			have[k] = true
			out = append(out, s)
		}
	}
	cdc.SortStatements(out)
	return out, nil
}

func printStatements(w io.Writer, ss []cdc.Statement) error {
	if len(ss) == 0 {
		_, err := fmt.Fprintln(w, "no statement yet")
		return err
	}
	for _, s := range ss {
		what := string(s.Action)
		if s.Code != "" {
			what += " (" + s.Code + ")"
		}
		if s.Before != nil && s.After != nil && *s.Before != *s.After {
			what += fmt.Sprintf(", schema %d to %d", *s.Before, *s.After)
		}
		sql := "–"
		if s.SQL != "" {
			sql = strings.Join(strings.Fields(s.SQL), " ")
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s  checkpoint %d  %s\n    %s\n", time.UnixMicro(s.Micros).UTC().Format(time.RFC3339), s.Table, what, s.Checkpoint, s.Position, sql); err != nil {
			return err
		}
	}
	return nil
}
