package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/iceberg/verify"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

var (
	codeRepairTooLarge = cdc.NewCode("REPAIR_TOO_LARGE", cdc.Fatal, "more rows differ than are repaired one by one",
		"load the table anew with cdc2lake reload TABLE, or raise --repair-limit")
	codeRepairWaits = cdc.NewCode("REPAIR_WAITS", cdc.Retryable, "no service has taken the request for a repair",
		"start the service with cdc2lake run: it repairs the rows when it is up; then compare again")
)

// repair has the service bring the rows that differ over, and compares them again.
func (a *app) repair(ctx context.Context, v *view, o verifyOptions, schema *cdc.Schema, r *verify.Result, p *comparing) (verifiedTable, error) {
	t := verifiedTable{Result: r}
	if schema.Keyless() {
		printResult(a.stdout, t)
		return t, &cdc.Error{Code: codeRepairTooLarge, Table: r.Table, Msg: "rows of a table without a key cannot be read one by one", Fix: "load the table anew with cdc2lake reload TABLE"}
	}
	if r.Different > int64(o.limit) {
		printResult(a.stdout, t)
		return t, &cdc.Error{Code: codeRepairTooLarge, Table: r.Table, Msg: fmt.Sprintf("%d rows differ, and no more than %d are repaired", r.Different, o.limit)}
	}
	for _, q := range repairRequests(schema, r) {
		if err := v.records.RequestRepair(ctx, q); err != nil {
			return t, err
		}
	}
	if err := a.awaitRepairs(ctx, v, o, r.Table, p); err != nil {
		return t, err
	}
	again, err := verify.Keys(ctx, o.Options, schema, slices.Concat(r.Present, r.Gone))
	if err != nil {
		return t, err
	}
	t.found, t.repaired = r.Differences, r.Different-again.Different-again.Undecided
	again.Rows, again.Undecided = r.Rows, again.Undecided+r.Undecided
	t.Result = again
	return t, nil
}

// repairRequests splits the keys into requests.
func repairRequests(schema *cdc.Schema, r *verify.Result) []checkpoint.Repair {
	var out []checkpoint.Repair
	present, gone := r.Present, r.Gone
	for len(present)+len(gone) > 0 {
		q := checkpoint.Repair{Table: r.Table, Columns: checkpoint.KeyColumns(schema)}
		n := min(len(present), checkpoint.RepairKeys)
		q.Rows, present = present[:n], present[n:]
		n = min(len(gone), checkpoint.RepairKeys-n)
		q.Gone, gone = gone[:n], gone[n:]
		out = append(out, q)
	}
	return out
}

// awaitRepairs waits until the table's requests have been answered. While anything moves, the service runs.
func (a *app) awaitRepairs(ctx context.Context, v *view, o verifyOptions, t cdc.TableID, p *comparing) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	last, moved := "", time.Now()
	for {
		n, err := v.records.PendingRepairs(ctx, t)
		if err != nil || n == 0 {
			return err
		}
		p.progress(verify.Progress{Table: t, Stage: "repair", Rows: int64(n)})
		rec, err := v.records.Newest(ctx)
		if err != nil {
			return err
		}
		now := fmt.Sprint(n, rec.ID(), rec.Tables[t].Position)
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > o.Patience {
			return &cdc.Error{Code: codeRepairWaits, Table: t, Msg: fmt.Sprintf("nothing has happened for %s", o.Patience)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
