package model

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	secs   = flag.Int("model.secs", 60, "time limit of a scenario in seconds, with CDC2LAKE_TEST_ALL")
	traces = flag.Bool("model.traces", false, "show the traces of controls, too")
)

// outcome is what a scenario has to show.
type outcome int

const (
	holds   outcome = iota // nothing breaks
	breaks                 // something does
	covered                // another rule stands in for the one that is missing; what is found is only shown
)

type scenario struct {
	name    string
	without string // the rules that are taken away
	bounds  Bounds
	want    outcome
	big     bool // not explored to the end
	slow    bool
}

// Small worlds, each with the faults that a rule is there for.
var (
	zombies    = Bounds{Starts: 2, Timeouts: 1, Cleans: 1, Records: 7}
	timeouts   = Bounds{Starts: 1, Timeouts: 2, Records: 7}
	foreigners = Bounds{Starts: 2, Rewrites: 1, Deletes: 1, Cleans: 1, Records: 6}
	unanswered = Bounds{Starts: 1, Timeouts: 1, Rewrites: 1, Deletes: 1, Records: 7}
	rollbacks  = Bounds{Starts: 2, Rewrites: 1, Rolls: 1, Cleans: 1, Records: 6}
	pauses     = Bounds{Starts: 2, Pauses: 1, Cleans: 1, Records: 6}
	compacts   = Bounds{Starts: 2, Compacts: 1, Rewrites: 1, Cleans: 1, Records: 6}
	losses     = Bounds{Starts: 2, Lost: 1, Cleans: 1, Records: 6}
	ddl        = Bounds{Starts: 2, Timeouts: 1, Records: 6, DDL: true}
	loading    = Bounds{Starts: 2, Records: 4, Load: true}
	loadingDDL = Bounds{Starts: 2, Records: 4, Load: true, DDL: true}
	sharded    = Bounds{Starts: 2, Timeouts: 1, Records: 6, Shards: true}
	expiries   = Bounds{Starts: 2, Rewrites: 1, Rolls: 1, Expiries: 1, Records: 5}
)

var scenarios = []scenario{
	{name: "one process", bounds: timeouts},
	{name: "zombie", bounds: zombies, slow: true},
	{name: "foreign", bounds: foreigners, slow: true},
	{name: "foreign, timeouts", bounds: unanswered, slow: true},
	{name: "rollback", bounds: rollbacks, slow: true},
	{name: "pause", bounds: pauses},
	{name: "compaction", bounds: compacts, slow: true},
	{name: "lost store", bounds: losses, slow: true},
	{name: "ddl", bounds: ddl, slow: true},
	{name: "load", bounds: loading, slow: true},
	{name: "load, ddl", bounds: loadingDDL, slow: true},
	{name: "shards", bounds: sharded, slow: true},
	{name: "expiry", bounds: expiries, slow: true},

	{name: "big: 3 processes", bounds: Bounds{Starts: 3, Timeouts: 1, Cleans: 1, Records: 6}, big: true},
	{name: "big: 3 processes, foreign", bounds: Bounds{Starts: 3, Rewrites: 1, Deletes: 1, Records: 5}, big: true},
	{name: "big: timeouts, foreign, rollback", bounds: Bounds{Starts: 2, Timeouts: 1, Rewrites: 1, Deletes: 1, Rolls: 1, Cleans: 1, Records: 6}, big: true},
	{name: "big: timeouts, pause, foreign", bounds: Bounds{Starts: 2, Timeouts: 1, Pauses: 1, Deletes: 1, Cleans: 1, Records: 6}, big: true},
	{name: "big: timeouts, compaction, foreign", bounds: Bounds{Starts: 2, Timeouts: 1, Compacts: 1, Rewrites: 1, Deletes: 1, Records: 6}, big: true},
	{name: "big: timeouts, lost store, foreign", bounds: Bounds{Starts: 2, Timeouts: 1, Lost: 1, Rewrites: 1, Cleans: 1, Records: 6}, big: true},
	{name: "big: 3 processes, lost store", bounds: Bounds{Starts: 3, Lost: 1, Cleans: 1, Records: 5}, big: true},
	{name: "big: load", bounds: Bounds{Starts: 2, Records: 6, Load: true}, big: true},
	{name: "big: load, ddl, timeouts, foreign", bounds: Bounds{Starts: 2, Timeouts: 1, Rewrites: 1, Records: 6, Load: true, DDL: true}, big: true},
	{name: "big: shards, pause, foreign, ddl", bounds: Bounds{Starts: 2, Timeouts: 1, Pauses: 1, Rewrites: 1, Records: 6, Shards: true, DDL: true}, big: true},
	{name: "big: everything", bounds: Bounds{Starts: 2, Timeouts: 1, Lost: 1, Rewrites: 1, Deletes: 1, Rolls: 1, Expiries: 1, Pauses: 1, Compacts: 1, Cleans: 1, Records: 6, DDL: true}, big: true},

	{without: "ConditionalPut", bounds: zombies, want: breaks},
	{without: "ResolveByNonce", bounds: zombies, want: covered, slow: true},
	{without: "ResolveByNonce AgainData AgainFence", bounds: zombies, want: breaks},
	{without: "FenceFirst", bounds: zombies, want: covered, slow: true},
	{without: "FenceFirst CleanOwn", bounds: zombies, want: breaks},
	{without: "AgainFence", bounds: zombies, want: breaks},
	{without: "AgainData", bounds: Bounds{Starts: 2, Timeouts: 1, Records: 7}, want: breaks},
	{without: "Epoch", bounds: losses, want: breaks},
	{without: "FinishFirst", bounds: zombies, want: covered, slow: true},
	{without: "StopNewer", bounds: rollbacks, want: breaks, slow: true},
	// What breaks without it needs more than half a minute to be found.
	{without: "NumbersBelow", bounds: Bounds{Starts: 2, Timeouts: 1, Lost: 1, Records: 6}, want: breaks, slow: true},
	{without: "PositionEach", bounds: pauses, want: breaks},
	{without: "ReplayResumed", bounds: pauses, want: breaks},
	{without: "MarkerExpired", bounds: expiries, want: breaks},
	{without: "CleanOwn", bounds: rollbacks, want: breaks, slow: true},
	{without: "CleanOwn", bounds: pauses, want: breaks},
	{without: "CleanOwn", bounds: losses, want: breaks},
	{without: "CleanOwn CleanLate", bounds: zombies, want: breaks},
	{without: "CleanNamed", bounds: rollbacks, want: covered, slow: true},
	{without: "CleanNamed CleanOwn", bounds: zombies, want: covered, slow: true},
	{without: "CleanNamed CleanOwn CleanLate", bounds: zombies, want: breaks},
	{without: "SkipCovered", bounds: foreigners, want: breaks},
	{without: "AnyEvent", bounds: Bounds{Starts: 2, Deletes: 1, Rolls: 1, Records: 6}, want: breaks, slow: true},
	{without: "AnyEvent", bounds: ddl, want: breaks},
	{without: "MapDeletes", bounds: compacts, want: breaks},
	{without: "AllAcks", bounds: sharded, want: breaks},
	{without: "VoidForeign", bounds: foreigners, want: breaks},
	{without: "VoidUndone", bounds: expiries, want: breaks},
	{without: "ByAncestry", bounds: rollbacks, want: breaks},
	{without: "OwnParent", bounds: unanswered, want: breaks},
	{without: "SwapVersion", bounds: rollbacks, want: breaks, slow: true},
	{without: "DDLInPart", bounds: ddl, want: breaks},
	{without: "DDLFromMarker", bounds: ddl, want: breaks},
	{without: "ChunkVisible", bounds: loading, want: breaks},
	{without: "ChunkRemember", bounds: loading, want: breaks},
	{without: "ChunkUnknown", bounds: loading, want: breaks},
	{without: "ChunkDDL", bounds: loadingDDL, want: breaks},
	{without: "LoadProgress", bounds: Bounds{Starts: 2, Records: 6, Load: true}, want: breaks},
	{without: "LoadEnd", bounds: loading, want: breaks},
}

// TestProtocol explores the protocol as it stands, and without each of its rules. The slow ones need CDC2LAKE_TEST_ALL; one alone,
// with its trace: go test ./docs/model -run 'TestProtocol/without_Epoch' -v -model.traces.
func TestProtocol(t *testing.T) {
	all := os.Getenv("CDC2LAKE_TEST_ALL") != ""
	for _, sc := range scenarios {
		name := sc.name
		if name == "" {
			name = "without " + sc.without
		}
		t.Run(name, func(t *testing.T) {
			if (sc.slow || sc.big) && !all {
				t.Skip("CDC2LAKE_TEST_ALL is not set")
			}
			m := &model{Protocol(), sc.bounds, 2}
			for rule := range strings.FieldsSeq(sc.without) {
				m.r.drop(t, rule)
			}
			most := time.Duration(*secs) * time.Second
			found := m.explore(12_000_000, most, sc.want != holds)
			var line strings.Builder
			fmt.Fprintf(&line, "%d states, depth %d, %v", found.States, found.Depth, found.Took.Round(100*time.Millisecond))
			for i := range uint8(7) {
				if trace := found.Broken[i]; trace != nil {
					fmt.Fprintf(&line, ", I%d breaks in %d steps", i, len(trace))
					if sc.want == holds || *traces {
						fmt.Fprintf(&line, "\n%s", show(trace))
					}
				}
			}
			t.Log(line.String())
			switch {
			case sc.want == holds && len(found.Broken) > 0:
				t.Error("the protocol does not hold")
			case sc.want == breaks && len(found.Broken) == 0:
				t.Error("nothing breaks without the rule")
			case sc.want == holds && !sc.big && !found.Whole:
				t.Errorf("not explored to the end within %v", most)
			}
		})
	}
}
