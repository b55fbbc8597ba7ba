package mysql

import (
	"fmt"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func mustSet(t testing.TB, s string) uuidSet {
	t.Helper()
	set, err := parseGTIDs(s, false)
	must(t, err)
	return set.(uuidSet)
}

// TestGTIDTracker compares the tracker with a set of single transactions, in any order, tagged and not.
func TestGTIDTracker(t *testing.T) {
	sids := []uuid.UUID{uuid.MustParse("3e11fa47-71ca-11e1-9e33-c80aa9429562"), uuid.MustParse("4350f323-7565-4e59-8763-4b1b83a0ce0e")}
	rapid.Check(t, func(t *rapid.T) {
		tr := newGTIDTracker(uuidSet{&gomysql.MysqlGTIDSet{}}, &sync.Mutex{})
		model := map[gtid]bool{}
		last := gtid{}
		check := func() {
			set, err := parseGTIDs(tr.text(), false)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for sid, tags := range *set.(uuidSet).MysqlGTIDSet {
				for tag, ins := range tags {
					for i, in := range ins {
						if i > 0 && ins[i-1].Stop >= in.Start {
							t.Fatalf("not normal: %s", tr.text())
						}
						for g := in.Start; g < in.Stop; g++ {
							n++
							if !model[gtid{sid: sid, tag: tag.String(), gno: g}] {
								t.Fatalf("%s has %d of %s", tr.text(), g, sid)
							}
						}
					}
				}
			}
			if n != len(model) {
				t.Fatalf("%d transactions in %s, want %d", n, tr.text(), len(model))
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			g := gtid{sid: sids[rapid.IntRange(0, 1).Draw(t, "sid")], tag: rapid.SampledFrom([]string{"", "a", "tag_2"}).Draw(t, "tag"), gno: int64(rapid.IntRange(1, 30).Draw(t, "gno"))}
			if last.gno > 0 && rapid.IntRange(0, 3).Draw(t, "follow") > 0 {
				g = last
				g.gno++
			}
			if got := tr.contains(g); got != model[g] {
				// The server never sends what follows a run twice: the tracker relies on it.
				if !(g == tr.run.numbered(g.gno) && g.gno == tr.stop) {
					t.Fatalf("contains(%s) = %t with %s", g, got, tr.text())
				}
			}
			if !model[g] {
				tr.add(g)
				model[g] = true
				last = g
			}
			switch rapid.IntRange(0, 9).Draw(t, "then") {
			case 0:
				check()
			case 1:
				less := mustParse(t, tr.text()).without(g)
				if less.has(g) {
					t.Fatalf("%s still has %s", less, g)
				}
				less.add(g, g.gno+1)
				if less.String() != tr.text() {
					t.Fatalf("without and with again: %s, was %s", less, tr.text())
				}
				back, err := parseGTID(g.String(), false)
				if err != nil || back != g {
					t.Fatalf("%s is read as %s: %v", g, back, err)
				}
			}
		}
		check()
	})
}

func mustParse(t *rapid.T, s string) uuidSet {
	set, err := parseGTIDs(s, false)
	if err != nil {
		t.Fatal(err)
	}
	return set.(uuidSet)
}

// TestPositionsBeyond4GiB: event headers have 32 bits of the offset; the rest is counted.
func TestPositionsBeyond4GiB(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := logPos{file: "binlog.000001", pos: 4, reading: 4}
		want := uint64(4)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			want += rapid.OneOf(rapid.Uint64Range(19, 1000), rapid.Uint64Range(1<<20, 1<<30)).Draw(t, "size")
			if uint32(want) == 0 {
				want += 19
			}
			if rapid.IntRange(0, 9).Draw(t, "artificial") == 0 {
				p.advance(0)
			}
			p.advance(uint32(want))
			if p.reading != want {
				t.Fatalf("at %d, want %d", p.reading, want)
			}
		}
	})
	// Positions are kept and compared whole, and a start there is refused by those who cannot ask for it.
	a := position{Server: "s", File: "binlog.000001", Pos: 5 << 32}
	b := position{Server: "s", File: "binlog.000001", Pos: 5<<32 + 1}
	for _, c := range []struct {
		x, y position
		want int
	}{{a, b, -1}, {b, a, 1}, {a, a, 0}, {position{Server: "s", File: "binlog.999999", Pos: 9 << 32}, position{Server: "s", File: "binlog.1000000", Pos: 4}, -1}} {
		x, err := decodePosition(c.x.encode())
		must(t, err)
		y, err := decodePosition(c.y.encode())
		must(t, err)
		if got, err := comparePositions(x, y); got != c.want || err != nil {
			t.Errorf("%s, %s: %d %v", x.label(), y.label(), got, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"v":2}`, "x", `{"v":1,"gtid":true,"gtids":"nonsense"}`, fmt.Sprintf(`{"v":1,"pos":%d}`, -1)} {
		if _, err := decodePosition(cdc.Position(bad)); err == nil {
			t.Errorf("position %q was read", bad)
		}
	}
}
