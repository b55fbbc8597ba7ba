package model

const (
	maxProcs   = 3
	maxRecords = 9
	maxFiles   = 32
	maxEntries = 7 // files of a snapshot
)

// State is everything that there is, processes and the world. It holds bytes only, without pointers or padding, so that it can be
// compared and hashed as it lies in memory. 0 means none in every reference.
type State struct {
	Tables  [tables]Table
	Records [maxRecords]Record // ascending by (Epoch, N)
	Files   [maxFiles]File
	Procs   [maxProcs]Proc
	Flying  [2]Request // requests that timed out and have not landed yet
	Left    Bounds
	Server  uint8        // transactions that MySQL has committed
	Nonces  uint8        // given out so far
	Broken  uint8        // the first invariant that did not hold
	Decided [3][16]uint8 // [epoch][number]: the first nonce that was written under it
}

// Loc is a row of a file.
type Loc struct{ File, Row uint8 }

// Load is the progress of an initial load: a bit for each chunk that is done, then 1<<keys once its end is known, 1<<(keys+1) once
// it is passed. End is the position from which on the table is consistent.
type Load struct{ Bits, End uint8 }

const (
	loadRead  = 1<<keys - 1 // all chunks are done
	loadEnded = 1 << keys
	loadDone  = 1 << (keys + 1)
)

// Marker stands in every snapshot of ours and in the table's property. Nonce is the record's.
type Marker struct {
	Epoch, Generation, K, Nonce, Position, Definition uint8
	Load                                              Load
}

// Entry is a data file in a snapshot, with the rows of it that are deleted.
type Entry struct{ File, Deleted, DeleteFile uint8 }

// Snapshot is a version of a table's rows.
type Snapshot struct {
	ID, Ours uint8 // Ours is the newest snapshot of ours in the ancestry, which carries Marker
	Marker   Marker
	Entries  [maxEntries]Entry
	Foreign  [2]uint8 // rows that somebody else deleted, for the invariants
}

// Table is an Iceberg table.
type Table struct {
	Version    uint8 // of the metadata
	Definition uint8
	Head       Snapshot
	Before     [2]Snapshot // what a rollback can go to
	Property   Marker
	Rolled     bool
}

// Tells is what a record says of a table: its newest part, the position covered, and whether it is paused (1) or cannot go on (2).
type Tells struct{ Epoch, K, Nonce, Position, Paused uint8 }

// Part is what a record does to a table.
type Part struct {
	On                           bool
	Parent, Position, Definition uint8
	Load                         Load
	Add                          [keys]uint8 // data files, by shard; without shards the first has all rows
	Delete                       [6]Loc
	Compacted                    uint8 // a compaction's file, in place of
	Out                          [maxEntries]uint8
}

// Record is a link of the chain; a fence has no parts.
type Record struct {
	Epoch, N, Generation, Nonce uint8
	Data                        bool
	Last, LastNonce             uint8
	Position                    uint8 // of the stream; only a control looks at it
	Tells                       [tables]Tells
	Parts                       [tables]Part
}

// File is a data or delete file.
type File struct {
	Epoch, Generation, Table uint8
	Gone, Used               bool  // Used: a snapshot has referred to it
	Listed                   uint8 // processes that will delete it, a bit each
	Rows                     [keys]uint8
}

// View is what a process knows of a table.
type View struct {
	Parent, Definition uint8
	Tells              Tells
	Load               Load
	Index              [keys]Loc
}

// Proc is a process. Record is the one in hand: being written, or being committed.
type Proc struct {
	Step                                 step
	Nonce, Epoch, Generation, N          uint8
	Table, Version, Parent, DeleteFile   uint8 // of the commit under way
	Unknown, Finishing, Resuming, Pruned bool
	Pausing                              uint8 // tables to pause, a bit each
	Back                                 step  // where cleaning returns to
	Views                                [tables]View
	Record                               Record
	Compaction                           Compaction
	Barrier                              Barrier
	Loading                              Loading
}

// Compaction is a file that was rewritten, to be put in place of others with the next part of table Table-1.
type Compaction struct {
	Table, File uint8
	From        [keys]Loc
	Out         [maxEntries]uint8
}

// Barrier is the checkpoint that shards are sealing.
type Barrier struct {
	To     uint8 // position+1
	Sealed uint8 // shards, a bit each
	Files  [tables][keys]uint8
}

// Loading is the load of table 1 as it goes on in memory.
type Loading struct {
	Load      Load
	Delivered uint8       // by the log
	Chunk     uint8       // key+1 of the chunk that is open
	Since     uint8       // what had been delivered when it began
	Rows      [keys]uint8 // rows of chunks since the last checkpoint
	At        [keys]uint8 // position+1 of the stream when they came
}

// Request is a PUT of a record, or a commit if Table is not 0.
type Request struct {
	On                                 bool
	Table, Version, Parent, DeleteFile uint8
	Record                             Record
}

// step is where a process stands.
type step uint8

const (
	dead step = iota
	starting
	fencing
	readingAgain
	committing
	sending
	catchingUp
	running
	cleaning
	deciding
)

func less(epoch1, n1, epoch2, n2 uint8) bool { return epoch1 < epoch2 || epoch1 == epoch2 && n1 < n2 }

// breaks notes that an invariant does not hold.
func (s *State) breaks(invariant uint8) {
	if s.Broken == 0 {
		s.Broken = invariant
	}
}

// full says that the bounds of the model itself are too small: the state is not gone on with.
const full = 99

// file makes a file.
func (s *State) file(f File) uint8 {
	for i := uint8(1); i < maxFiles; i++ {
		if s.Files[i] == (File{}) {
			s.Files[i] = f
			return i
		}
	}
	s.Broken = full
	return 0
}

// references visits every reference to a file, in a fixed order.
func (s *State) references(visit func(*uint8)) {
	snapshot := func(p *Snapshot) {
		for i := range p.Entries {
			visit(&p.Entries[i].File)
			visit(&p.Entries[i].DeleteFile)
		}
	}
	record := func(r *Record) {
		for t := range r.Parts {
			p := &r.Parts[t]
			if !p.On {
				continue
			}
			visit(&p.Compacted)
			for i := range p.Add {
				visit(&p.Add[i])
			}
			for i := range p.Delete {
				visit(&p.Delete[i].File)
			}
			for i := range p.Out {
				visit(&p.Out[i])
			}
		}
	}
	for t := range s.Tables {
		snapshot(&s.Tables[t].Head)
		snapshot(&s.Tables[t].Before[0])
		snapshot(&s.Tables[t].Before[1])
	}
	for i := range s.Records {
		record(&s.Records[i])
	}
	for i := range s.Procs {
		p := &s.Procs[i]
		if p.Step == dead {
			continue
		}
		record(&p.Record)
		visit(&p.DeleteFile)
		visit(&p.Compaction.File)
		for t := range p.Views {
			for k := range p.Views[t].Index {
				visit(&p.Views[t].Index[k].File)
			}
		}
		for k := range p.Compaction.From {
			visit(&p.Compaction.From[k].File)
		}
		for k := range p.Compaction.Out {
			visit(&p.Compaction.Out[k])
		}
		for t := range p.Barrier.Files {
			for k := range p.Barrier.Files[t] {
				visit(&p.Barrier.Files[t][k])
			}
		}
	}
	for i := range s.Flying {
		record(&s.Flying[i].Record)
		visit(&s.Flying[i].DeleteFile)
	}
}

// canonical numbers the files in the order of their references and forgets those that nothing refers to, so that states that
// differ in names only are one.
func (s *State) canonical() {
	var to [maxFiles]uint8
	var files [maxFiles]File
	n := uint8(0)
	s.references(func(p *uint8) {
		if *p == 0 {
			return
		}
		if to[*p] == 0 {
			n++
			to[*p] = n
			files[n] = s.Files[*p]
		}
		*p = to[*p]
	})
	s.Files = files
}
