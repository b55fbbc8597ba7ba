package cdc

// MaxBatchRows is the largest number of rows of a Batch. 16,384 rows keep a batch of ten columns inside the L2/L3 cache
// and make the cost per batch vanish; measured in DESIGN 2.
const MaxBatchRows = 16384

// MaxBatchBytes is the size of variable-length data at which a source should hand a batch on, however few rows it has.
// One single row may be larger (MySQL allows 1 GiB); offsets are int32, so a batch never reaches 2 GiB.
const MaxBatchBytes = 4 << 20

// Op says what happened to a row.
type Op uint8

const (
	// OpInsert: the row is new; the after image is in the columns.
	OpInsert Op = iota
	// OpUpdate: the row with the same key has a new version; the after image is in the columns.
	OpUpdate
	// OpDelete: the row with this key is gone; only key columns (and Meta columns) are meaningful. In a table without a key one of the
	// rows that are equal to this one is gone.
	OpDelete
	// OpRead: the row was read by a chunk of the initial load (Batch.Chunk is set).
	OpRead
)

// An update that changes the key is two rows: OpDelete with the old key, then OpInsert with the new row. So is every update in a
// table without a key.

// Txn is the end of a source transaction within a batch.
type Txn struct {
	// End is the index of the first row after the transaction's rows in this batch.
	End int32
	// CommitMicros is the source's commit time, microseconds since the epoch.
	CommitMicros int64
}

// Vec is one column's values in Arrow's layout: a value slot per row, and a validity bitmap (least significant bit first).
// Only the buffers of the type's Layout are used. The slot of a NULL row holds anything, but with LayoutBytes an empty range.
type Vec struct {
	Layout Layout
	U8     []byte
	I32    []int32
	I64    []int64 // LayoutI128: two words a row, low first
	F32    []float32
	F64    []float64
	Off    []int32 // LayoutBytes: row i is Data[Off[i]:Off[i+1]]
	Data   []byte
	// Valid has a bit per row, set if the value is not NULL; nil if the column is not nullable.
	// OpDelete rows may leave non-key slots unset; their bits mean nothing.
	Valid []byte
	Nulls int // number of rows whose bit is not set
}

// IsNull reports whether row i is NULL.
func (v *Vec) IsNull(i int) bool { return v.Valid != nil && v.Valid[i>>3]>>(uint(i)&7)&1 == 0 }

// SetValid marks row i as not NULL. The vector must be nullable.
func (v *Vec) SetValid(i int) { v.Valid[i>>3] |= 1 << (uint(i) & 7) }

// Bytes returns row i of a LayoutBytes vector. It aliases the vector's memory.
func (v *Vec) Bytes(i int) []byte { return v.Data[v.Off[i]:v.Off[i+1]] }

// ChunkRef ties an OpRead batch to the chunk of the initial load that read it.
type ChunkRef struct {
	// StartSeq is the log sequence (Batch.Seq) that had been delivered when the chunk's SELECT started.
	StartSeq uint64
	// OldestSeq is the smallest StartSeq of all chunks of this table that are open or still to come: deletes
	// remembered from before it may be forgotten.
	OldestSeq uint64
	// Truncates is the table's truncate count when the chunk started. A chunk whose schema version or count differs
	// from the stream's is dropped and read again.
	Truncates int
}

// Batch carries changes of one table under one schema: the unit that travels between operators. It is made by a
// source, read by any number of consumers, and given back with Release, after which it is used again.
type Batch struct {
	Schema *Schema
	N      int   // rows
	Ops    []Op  // length ≥ N
	Cols   []Vec // one per Schema.Columns
	KeyHi  []uint64
	KeyLo  []uint64 // nil where Schema.KeyExact
	Txns   []Txn    // ends of the transactions with rows here, ascending; empty for chunks
	// Folded counts UPDATEs that are not among the rows, since a later one of the same key took their place here; FoldedMicros is
	// the commit time of the last transaction that took such a place.
	Folded       int64
	FoldedMicros int64
	Seq          uint64 // position in the log's sequence of batches and events, counted by the source; 0 for chunks
	Chunk        *ChunkRef
	// Repair: the rows are not from the log but are put among it, since the table was found not to have them. They say nothing
	// of what it has.
	Repair bool

	cap  int
	refs refCount
	pool *BatchPool
}

// Key is the state's key of a row: exact (Lo = 0) or a 128-bit hash. Order and key groups go by Hi.
type Key struct{ Hi, Lo uint64 }

// Key returns the key of row i.
func (b *Batch) Key(i int) Key {
	k := Key{Hi: b.KeyHi[i]}
	if b.KeyLo != nil {
		k.Lo = b.KeyLo[i]
	}
	return k
}

// Cap returns the number of rows that fit before Grow is needed.
func (b *Batch) Cap() int { return b.cap }

// Grow makes room for more rows: four times as many, or as many as the pool's last batch, up to MaxBatchRows, and no more than
// MaxBatchBytes has room for if the rows to come are like those so far. Buffers keep their rows.
// Batches start small so that five hundred quiet tables do not hold five hundred full buffers.
func (b *Batch) Grow() {
	n := 4 * b.cap
	if b.cap > 0 && b.pool != nil {
		n = max(n, int(b.pool.rows.Load()))
	}
	n = min(max(n, 64), MaxBatchRows)
	if b.N > 0 {
		full := MaxBatchBytes / (b.Bytes() / b.N)
		n = min(n, max(full*9/8, b.cap+b.cap/4)+8)
	}
	n = min((n+7)&^7, MaxBatchRows)
	if b.cap > 0 && b.pool != nil {
		b.pool.rows.Store(int32(n))
	}
	b.Ops = resize(b.Ops, n)
	b.KeyHi = resize(b.KeyHi, n)
	if !b.Schema.KeyExact() {
		b.KeyLo = resize(b.KeyLo, n)
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		v.resize(n)
		// Values of variable length: as much room as the rows so far let expect, and a little more.
		if want := len(v.Data) / max(b.N, 1) * n; want > cap(v.Data) {
			v.Data = append(make([]byte, 0, min(want+want/8, MaxBatchBytes)), v.Data...)
		}
	}
	b.cap = n
}

func resize[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	d := make([]T, n)
	copy(d, s)
	return d
}

func (v *Vec) resize(n int) {
	switch v.Layout {
	case LayoutU8:
		v.U8 = resize(v.U8, n)
	case LayoutI32:
		v.I32 = resize(v.I32, n)
	case LayoutI64:
		v.I64 = resize(v.I64, n)
	case LayoutI128:
		v.I64 = resize(v.I64, 2*n)
	case LayoutF32:
		v.F32 = resize(v.F32, n)
	case LayoutF64:
		v.F64 = resize(v.F64, n)
	case LayoutBytes:
		v.Off = resize(v.Off, n+1)
	}
	if v.Valid != nil {
		v.Valid = resize(v.Valid, (n+7)/8)
	}
}

// reset empties the batch. Validity bits are zeroed, value slots are not.
func (b *Batch) reset() {
	for i := range b.Cols {
		v := &b.Cols[i]
		clear(v.Valid)
		if cap(v.Data) > 4*MaxBatchBytes {
			v.Data = nil // a giant row passed: its buffer is not kept for all the small ones
		}
		v.Data = v.Data[:0]
		v.Nulls = 0
	}
	b.N, b.Seq, b.Chunk, b.Repair = 0, 0, nil, false
	b.Folded, b.FoldedMicros = 0, 0
	b.Txns = b.Txns[:0]
}

// Bytes returns the memory that the batch's rows take, for flow control.
func (b *Batch) Bytes() int {
	n := b.N * 17
	for i := range b.Cols {
		v := &b.Cols[i]
		switch v.Layout {
		case LayoutU8:
			n += b.N
		case LayoutI32, LayoutF32:
			n += 4 * b.N
		case LayoutI64, LayoutF64:
			n += 8 * b.N
		case LayoutI128:
			n += 16 * b.N
		case LayoutBytes:
			n += 4*b.N + len(v.Data)
		}
	}
	return n
}
