package restcatalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestTransactionIsAtomic(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, kind)
			a, b := e.create(table.Identifier{"n", "a"}), e.create(table.Identifier{"n", "b"})
			change := func(t *table.Table, snap int64) table.TableCommit {
				return table.TableCommit{Identifier: t.Identifier(), Requirements: expectHead(t), Updates: snapshot(t, snap)}
			}
			heads := func(wantA, wantB int64) {
				t.Helper()
				a, b = e.load(a.Identifier()), e.load(b.Identifier())
				if head(a) != wantA || head(b) != wantB {
					t.Fatalf("heads %d, %d, want %d, %d", head(a), head(b), wantA, wantB)
				}
			}
			e.must(e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 1), change(b, 2)}))
			oldB := b
			heads(1, 2)
			err := e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 3), change(oldB, 4)})
			if !errors.Is(err, table.ErrCommitFailed) {
				t.Errorf("one stale requirement: %v, want commit failed", err)
			}
			heads(1, 2)
			gone := table.TableCommit{Identifier: table.Identifier{"n", "none"}, Updates: snapshot(a, 5)}
			if err := e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 3), gone}); !errors.Is(err, catalog.ErrNoSuchTable) {
				t.Errorf("one unknown table: %v", err)
			}
			heads(1, 2)
			wrong := table.TableCommit{Identifier: b.Identifier(), Requirements: []table.Requirement{table.AssertTableUUID(uuid.New())}}
			if err := e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 3), wrong}); !errors.Is(err, table.ErrCommitFailed) {
				t.Errorf("another table's uuid: %v", err)
			}
			heads(1, 2)
			// A change without updates is a condition on another table.
			held := table.TableCommit{Identifier: b.Identifier(), Requirements: expectHead(b)}
			e.must(e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 6), held}))
			heads(6, 2)
			if n := e.metadataFiles(b); n != 2 {
				t.Errorf("table b has %d metadata files, want 2", n)
			}
			// A table can be made in the same moment.
			made := table.TableCommit{Identifier: table.Identifier{"n", "c"}, Requirements: []table.Requirement{table.AssertCreate()}, Updates: []table.Update{
				table.NewAddSchemaUpdate(testSchema), table.NewSetCurrentSchemaUpdate(-1), table.NewAddPartitionSpecUpdate(iceberggo.UnpartitionedSpec, true),
				table.NewSetDefaultSpecUpdate(-1), table.NewAddSortOrderUpdate(&table.UnsortedSortOrder), table.NewSetDefaultSortOrderUpdate(-1),
				table.NewSetLocationUpdate(e.warehouse + "/n/c"),
			}}
			e.must(e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 7), made}))
			heads(7, 2)
			if got := e.load(made.Identifier).Schema(); !got.Equals(testSchema) {
				t.Errorf("schema of the new table is %v", got)
			}
			if err := e.client.CommitTransaction(ctx, []table.TableCommit{change(a, 8), made}); !errors.Is(err, table.ErrCommitFailed) {
				t.Errorf("create it again: %v", err)
			}
			heads(7, 2)
		})
	}
}

// Of transactions that race over common tables, each wins completely or not at all: the winners share no table, every loser
// shares one with a winner, and every table is at its winner's snapshot or where it was.
func TestTransactionsRace(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			e := newEnv(t, kind)
			const tables = 4
			var ids []table.Identifier
			for i := range tables {
				ids = append(ids, e.create(table.Identifier{"n", fmt.Sprint("t", i)}).Identifier())
			}
			next := int64(1)
			rapid.Check(t, func(rt *rapid.T) {
				sets := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.IntRange(0, tables-1), 1, tables, rapid.ID), 2, 4).Draw(rt, "transactions")
				before := make([]*table.Table, tables)
				for i, id := range ids {
					before[i] = e.load(id)
				}
				start := make(chan struct{})
				errs := make([]chan error, len(sets))
				snaps := make([]int64, len(sets))
				for w, set := range sets {
					snaps[w], errs[w] = next, make(chan error, 1)
					next++
					var commits []table.TableCommit
					for _, i := range set {
						commits = append(commits, table.TableCommit{Identifier: ids[i], Requirements: expectHead(before[i]), Updates: snapshot(before[i], snaps[w])})
					}
					go func() {
						<-start
						errs[w] <- e.client.CommitTransaction(context.Background(), commits)
					}()
				}
				close(start)
				want := make([]int64, tables)
				for i := range want {
					want[i] = head(before[i])
				}
				owner := map[int]int{}
				var losers []int
				for w, set := range sets {
					err := <-errs[w]
					if err != nil {
						if !errors.Is(err, table.ErrCommitFailed) {
							rt.Fatalf("transaction %d: %v", w, err)
						}
						losers = append(losers, w)
						continue
					}
					for _, i := range set {
						if o, ok := owner[i]; ok {
							rt.Fatalf("transactions %d and %d both won table %d", o, w, i)
						}
						owner[i], want[i] = w, snaps[w]
					}
				}
				for _, w := range losers {
					if !slices.ContainsFunc(sets[w], func(i int) bool { _, ok := owner[i]; return ok }) {
						rt.Fatalf("transaction %d over %v lost to nobody; winners %v", w, sets[w], owner)
					}
				}
				for i, id := range ids {
					if got := head(e.load(id)); got != want[i] {
						rt.Fatalf("table %d is at %d, want %d", i, got, want[i])
					}
				}
			})
		})
	}
}
