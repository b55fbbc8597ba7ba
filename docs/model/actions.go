package model

import (
	"fmt"
	"strings"
)

// action is a kind of step, as it is shown and as traces name it.
type action int

const (
	actStarts   action = 1
	actLands    action = 2
	actLost     action = 3
	actRewrites action = 4
	actDeletes  action = 5
	actRolls    action = 6
	actExpires  action = 7
	actServer   action = 8

	actReads action = 10
	actFence action = 12 // and the three that follow, see put
	actAgain action = 16

	actWill    action = 20
	actStops   action = 21
	actHas     action = 22
	actVoid    action = 23
	actForeign action = 24
	actDrops   action = 25

	actCommits     action = 30
	actCommitLands action = 31
	actCommitFlies action = 32

	actCatchesUp action = 40

	actPrepares action = 50
	actResumes  action = 51
	actCompacts action = 52
	actPauses   action = 53
	actRecord   action = 54 // and the three that follow
	actMoved    action = 58
	actLists    action = 60
	actRemoves  action = 61

	actReadsChunk action = 70
	actChunk      action = 71
	actLoadEnds   action = 72
	actDelivers   action = 73
	actBarrier    action = 74
	actSeals      action = 75
)

// The outcomes of a PUT, added to its kind.
const (
	putResolves action = 1
	putLands    action = 2
	putFlies    action = 3
)

var texts = map[action]string{
	actStarts: "P%d starts", actLands: "a late request of process %d (record %d) lands", actLost: "the record store is lost",
	actRewrites: "somebody rewrites table %d", actDeletes: "somebody deletes from table %d key %d", actRolls: "somebody rolls table %d back by %d+1 snapshots",
	actExpires: "somebody expires the snapshots of table %d", actServer: "MySQL commits%.0s transaction %d",
	actReads: "P%d reads the newest record, will fence %d",
	actFence: "P%d PUTs fence %d", actFence + putResolves: "P%d resolves fence %d", actFence + putLands: "P%d PUTs fence %d, the answer is lost",
	actFence + putFlies: "P%d PUTs fence %d, times out, in flight", actAgain: "P%d reads the store again",
	actWill: "P%d reads table %d: will commit", actStops: "P%d reads table %d: a newer generation, stops", actHas: "P%d reads table %d: has it",
	actVoid: "P%d reads table %d: the part is void", actForeign: "P%d reads table %d: somebody else's, begins again", actDrops: "P%d pauses table %d, its part is dropped",
	actCommits: "P%d commits to table %d", actCommitLands: "P%d commits to table %d, the answer is lost", actCommitFlies: "P%d commits to table %d, times out, in flight",
	actCatchesUp: "P%d catches up", actPrepares: "P%d prepares up to position %d (+16: with a compaction)", actResumes: "P%d resumes table 0",
	actCompacts: "P%d compacts table 0", actPauses: "P%d pauses table 0",
	actRecord: "P%d PUTs record %d", actRecord + putResolves: "P%d resolves record %d", actRecord + putLands: "P%d PUTs record %d, the answer is lost",
	actRecord + putFlies: "P%d PUTs record %d, times out, in flight", actMoved: "P%d sees that an idle table has moved, begins again",
	actLists: "P%d lists abandoned files", actRemoves: "P%d deletes the listed files",
	actReadsChunk: "P%d begins to read the chunk of key %d", actChunk: "P%d: the chunk comes, as of transaction %d", actLoadEnds: "P%d: the load will be consistent at %d",
	actDelivers: "P%d: the log delivers transaction %d", actBarrier: "P%d: barrier at %d", actSeals: "P%d: shard %d seals",
}

func does(kind action, who, arg int) uint32 { return uint32(kind)<<16 | uint32(who)<<8 | uint32(arg) } // #nosec G115 -- small numbers

// show writes a trace, a line for each action.
func show(trace []uint32) string {
	var b strings.Builder
	for i, a := range trace {
		kind, who, arg := action(a>>16), int(a>>8&255), int(a&255)
		if kind < actRewrites || kind > actExpires {
			who++ // processes are counted from 1
		}
		f := texts[kind]
		switch strings.Count(f, "%") {
		case 2:
			f = fmt.Sprintf(f, who, arg)
		case 1:
			f = fmt.Sprintf(f, who)
		}
		fmt.Fprintf(&b, "%4d %s\n", i+1, f)
	}
	return b.String()
}
