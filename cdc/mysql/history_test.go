package mysql

import (
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestIdleProgress: after a restart on a silent server, the last transaction is verified and progress reported.
func TestIdleProgress(t *testing.T) {
	db := testenv.NeedMySQL(t)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	db.Exec("CREATE TABLE t (id INT PRIMARY KEY)")
	src := newSource(t, config(db.MySQLServer, db.Name))
	p, _ := startAll(t, src, false)
	p.sink.keep = true
	db.Exec("INSERT INTO t VALUES (1)")
	p.catchUp(ctx)
	at := p.sink.at.Position
	p.stop()
	q := resume(t, p, src)
	q.sink.await(ctx, "progress without a barrier", func() bool { return q.sink.at.Position != "" })
	if c, err := src.Compare(q.sink.at.Position, at); c != 0 || err != nil || q.sink.barriers > 0 {
		t.Fatalf("%s after %s: %d %v", q.sink.at.Position, at, c, err)
	}
	q.stop()
	_ = src.Close()
}

// TestSilentHistory: a server that stands at its log's end and has not sent the last transaction again does not have it. One
// that steps over other transactions is given time.
func TestSilentHistory(t *testing.T) {
	for _, gtids := range []bool{true, false} {
		sink := &mapSink{due: make(chan uint64, 1)}
		f := &follower{out: sink, verify: true, fresh: true}
		if gtids {
			f.gtids = newGTIDTracker(mustSet(t, ""), &newDelivered().mu)
		}
		beat := func(file string, pos uint64) error {
			return f.Event(&binlog.Event{Type: binlog.HeartbeatV2Event, Flags: binlog.FlagArtificial, File: []byte(file), Position: pos})
		}
		for i := range uint64(5) {
			must(t, beat("binlog.000001", 100+i))
			must(t, beat("binlog.000002", 100+i))
		}
		must(t, beat("binlog.000002", 900))
		wantCode(t, beat("binlog.000002", 900), codeHistory, "did not send")
		f.verify = false
		must(t, beat("binlog.000002", 900))
	}
}

// TestVerifiedLate: another server may have our last transaction behind others that we lack, even right behind a run that
// ends just before it; it is still not delivered again.
func TestVerifiedLate(t *testing.T) {
	const sid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	last, err := parseGTID(sid+":105", false)
	must(t, err)
	f := &follower{verify: true, last: lastTxn{id: last, known: true, micros: 7}, gtids: newGTIDTracker(mustSet(t, sid+":1-100:105"), &newDelivered().mu)}
	for gno := int64(101); gno <= 106; gno++ {
		f.txn = txnState{id: gtid{sid: last.sid, gno: gno}, origin: 7}
		must(t, f.decideSkips())
		if f.txn.skipAll != (gno == 105) {
			t.Fatalf("skip of %d: %t", gno, f.txn.skipAll)
		}
		if !f.txn.skipAll {
			f.gtids.add(f.txn.id)
		}
	}
	if got := f.gtids.text(); f.verify || got != sid+":1-106" {
		t.Fatal(got)
	}
}
