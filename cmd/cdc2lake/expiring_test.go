package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/telemetry"
	"github.com/cdc2lake/cdc2lake/stream"
)

// fakeLog goes back to every position but these.
type fakeLog map[cdc.Position]string

func (f fakeLog) Expiring(_ context.Context, at []cdc.Position) (map[cdc.Position]string, error) {
	if f == nil {
		return nil, errors.New("the server is away")
	}
	out := map[cdc.Position]string{}
	for _, p := range at {
		if f[p] != "" {
			out[p] = f[p]
		}
	}
	return out, nil
}

// TestExpiryWarning: of a table whose position is about to be lost it is said once an hour, in the status and in the metrics, until it has
// gone on.
func TestExpiryWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := telemetry.New("p")
		obs := &observation{metrics: m, board: newBoard("p"), log: slog.New(slog.NewTextHandler(&log, nil))}
		obs.progress = &lines{last: map[string]time.Time{}, states: map[string]string{}, log: slog.New(slog.DiscardHandler)}
		slow, quick := cdc.TableID{Database: "d", Name: "slow"}, cdc.TableID{Database: "d", Name: "quick"}
		place := func(id cdc.TableID, p cdc.Position, pause *cdc.Pause) {
			state := "live"
			if pause != nil {
				state = "paused"
			}
			obs.table(stream.TableStatus{Table: id, State: state, Position: p, Paused: pause})
		}
		place(slow, "1", &cdc.Pause{Code: "PAUSED_BY_USER"})
		place(quick, "7", nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			obs.watchExpiry(ctx, fakeLog{"1": "it is old"})
		}()
		after := func(d time.Duration, warnings int, field string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := strings.Count(log.String(), "about to be lost"); n != warnings {
				t.Fatalf("%d warnings, want %d: %s", n, warnings, log.String())
			}
			for _, s := range obs.board.snapshot().Tables {
				want := ""
				if s.Table == "d.slow" {
					want = field
				}
				if s.Expiring != want {
					t.Fatalf("%s is expiring %q, want %q", s.Table, s.Expiring, want)
				}
			}
			families, err := m.Registry().Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if v := f.Metric[0].GetGauge().GetValue(); f.GetName() == "cdc2lake_expiring_tables" && (v == 1) != (field != "") {
					t.Fatalf("the metric is %v", v)
				}
			}
		}
		after(61*time.Second, 1, "it is old")
		after(58*time.Minute, 1, "it is old")
		after(3*time.Minute, 2, "it is old")
		place(slow, "7", nil)
		after(2*time.Hour, 2, "")
		cancel()
		<-done
	})
}
