package iceberg

import (
	"context"
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// shardOptions are what a ShardWriter needs of the sink.
type shardOptions struct {
	slot   int
	groups cdc.GroupRange
	// state is the slot's. The writer does not close it.
	state *state.Shard
	// table returns the slot-independent part of a table.
	table func(cdc.TableID) shardTable
	// create starts the upload of a data file.
	create createFunc
	// meta returns, when checkpoint k is complete, what the state shall remember of each table that k changed.
	meta func(k uint64) (map[cdc.TableID][]byte, error)

	// bufferRows and bufferBytes bound the buffer; 0 means the defaults.
	bufferRows  int
	bufferBytes int
	// encoderBytes bounds the encoded pages in memory; 0 means the default.
	encoderBytes int64
	// meter is the shard's, encoderMeter its encoder's; nil: none.
	meter, encoderMeter *cdc.Meter
	// noWhole has every file written set by set, however small; for tests.
	noWhole bool
	// trimDeletes is the number of remembered deletes below which none is forgotten; 0 means the default.
	trimDeletes int
}

const (
	// defaultBufferRows: eight full batches. Larger buffers collapse more, but their keys and positions leave the cache.
	defaultBufferRows  = 8 * cdc.MaxBatchRows
	defaultBufferBytes = 64 << 20
	defaultTrimDeletes = 1024
	// maxOpenFiles bounds the partitions of a table that are written at the same time; more close the least recently used.
	maxOpenFiles = 32
)

// ShardWriter writes the rows of one slot's key groups: it collapses them per key, looks up where the old versions are, and gathers
// the new ones into data files. It is used by one goroutine; its encoder is another. It knows nothing of commits.
type ShardWriter struct {
	o      shardOptions
	tables map[cdc.TableID]*tableWriter
	filled []*tableWriter // have rows in the buffer
	rows   int            // in the buffer
	bytes  int
	kept   int // bytes of gathered sets that wait for more
	ck     *Prepared
	aborts []*openFile // of paused tables, to be given up
	coll   collapser
	tick   uint64
	enc    *encoder
	stop   context.CancelFunc
	failed error
	closed bool
	scratch
}

// newShardWriter returns the writer of a slot for the tables of a generation. Paused tables are ignored.
func newShardWriter(o shardOptions, starts []cdc.TableStart) (*ShardWriter, error) {
	if o.bufferRows == 0 {
		o.bufferRows = defaultBufferRows
	}
	if o.bufferBytes == 0 {
		o.bufferBytes = defaultBufferBytes
	}
	if o.trimDeletes == 0 {
		o.trimDeletes = defaultTrimDeletes
	}
	w := &ShardWriter{o: o, coll: newCollapser(o.groups), tables: map[cdc.TableID]*tableWriter{}, ck: newCheckpoint()}
	for i := range starts {
		s := &starts[i]
		t := &tableWriter{w: w, id: s.Table, live: s.Load.Phase == cdc.LoadDone || s.Load.Phase == cdc.LoadReconciling, unsure: s.Load.Phase == cdc.LoadReconciling, base: s.Load.Base, paused: s.Paused != nil}
		w.tables[s.Table] = t
		if t.paused {
			continue
		}
		t.st = o.table(s.Table)
		t.keys = o.state.Table(s.Table, s.Schema.KeyExact())
		if err := t.retarget(s.Schema); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.enc = newEncoder(ctx, o.create, o.encoderBytes, o.meter, o.encoderMeter)
	return w, nil
}

// check returns the error after which the writer is of no use: what it was asked to write is half written.
func (w *ShardWriter) check() error {
	if w.failed == nil {
		w.failed = w.enc.err()
	}
	return w.failed
}

// Write takes rows of a batch, and with them one reference to it. rows is not kept.
func (w *ShardWriter) Write(ctx context.Context, b *cdc.Batch, rows []int32) error {
	if err := w.check(); err != nil {
		b.Release()
		return err
	}
	t := w.tables[b.Schema.Table]
	if t == nil || t.paused || b.N == 0 || rows != nil && len(rows) == 0 {
		b.Release()
		if t == nil {
			return cdc.Errorf(cdc.CodeInternal, b.Schema.Table, "slot %d got rows of a table that it does not know", w.o.slot)
		}
		return nil
	}
	if b.Schema.Version != t.schema.Version {
		defer b.Release()
		return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d got rows under definition %d while writing %d", w.o.slot, b.Schema.Version, t.schema.Version)
	}
	n := b.N
	if rows != nil {
		n = len(rows)
	}
	if w.rows > 0 && w.rows+n > w.o.bufferRows {
		if err := w.seal(ctx); err != nil {
			b.Release()
			return err
		}
	}
	if t.n == 0 {
		w.filled = append(w.filled, t)
	}
	if err := t.add(b, rows); err != nil {
		w.failed = err
		return err
	}
	w.rows += n
	w.bytes += b.Bytes() * n / b.N
	if w.rows >= w.o.bufferRows || w.bytes >= w.o.bufferBytes {
		return w.seal(ctx)
	}
	return nil
}

// seal empties the buffer of all tables.
func (w *ShardWriter) seal(ctx context.Context) error { return w.sealThen(ctx, (*tableWriter).settle) }

// sealThen seals the tables, and calls then for each of them before the next: the sets of one are used again for the other.
func (w *ShardWriter) sealThen(ctx context.Context, then func(*tableWriter, context.Context) error) error {
	for len(w.filled) > 0 {
		t := w.filled[len(w.filled)-1]
		w.filled = w.filled[:len(w.filled)-1]
		err := t.seal(ctx)
		if err == nil {
			err = then(t, ctx)
		}
		if err != nil {
			w.failed = err
			return err
		}
	}
	w.rows, w.bytes = 0, 0
	return w.check()
}

// Schema switches a table to a new definition. What is buffered is written under the old one.
func (w *ShardWriter) Schema(ctx context.Context, c cdc.SchemaChange) error {
	if err := w.check(); err != nil {
		return err
	}
	t := w.tables[c.Schema.Table]
	if t == nil || t.paused {
		return nil
	}
	if !sameKey(t.schema, c.Schema) {
		return cdc.Errorf(codeKeyChanged, t.id, "its key was changed by %q", c.DDL)
	}
	// Sealing everything keeps the books simple; definitions change seldom.
	if err := w.seal(ctx); err != nil {
		return err
	}
	if err := t.closeFiles(ctx); err != nil {
		w.failed = err
		return err
	}
	return t.retarget(c.Schema)
}

// sameKey reports whether keys of rows under both definitions can be compared: the same columns, of types with the same encoding.
func sameKey(a, b *cdc.Schema) bool {
	if len(a.Key) != len(b.Key) || a.KeyExact() != b.KeyExact() {
		return false
	}
	if a.Keyless() {
		return false // the key is the whole row, and that has changed
	}
	for i := range a.Key {
		x, y := a.Columns[a.Key[i]].Type, b.Columns[b.Key[i]].Type
		// A decimal of more than 18 digits is encoded otherwise than a narrower one; a wider integer is not.
		if x != y && (!holds(x, y) && !holds(y, x) || x.Kind == cdc.KindDecimal && x.Layout() != y.Layout()) {
			return false
		}
	}
	return true
}

// Live says that a table's load is done.
func (w *ShardWriter) Live(id cdc.TableID) {
	if t := w.tables[id]; t != nil && !t.paused {
		t.live, t.unsure = true, false
		if t.n == 0 {
			t.deletes = nil // else the buffer's chunk rows need them: see seal
			t.settleOwed()
		}
	}
}

// Pause drops what the current checkpoint holds of the table; later batches of it are ignored.
func (w *ShardWriter) Pause(id cdc.TableID) {
	t := w.tables[id]
	if t == nil || t.paused {
		return
	}
	t.paused = true
	t.drop()
}

// Truncate empties a table whose load is done.
func (w *ShardWriter) Truncate(id cdc.TableID) {
	t := w.tables[id]
	if t == nil || t.paused {
		return
	}
	t.drop()
	t.emptied, t.cut = true, t.st.lastFile(w.o.slot)
}

// Prepare ends checkpoint k.
func (w *ShardWriter) Prepare(ctx context.Context, k uint64) (*Prepared, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if err := w.sealThen(ctx, (*tableWriter).finish); err != nil {
		return nil, err
	}
	for _, t := range w.tables {
		if t.part == nil {
			continue
		}
		if err := t.finish(ctx); err != nil {
			w.failed = err
			return nil, err
		}
	}
	for len(w.aborts) > 0 {
		n := len(w.aborts) - 1
		if err := w.enc.send(ctx, encodeJob{op: encodeAbort, f: w.aborts[n]}); err != nil {
			w.failed = err
			return nil, err
		}
		w.aborts = w.aborts[:n]
	}
	w.o.state.Seal(k)
	ck := w.ck
	w.ck = newCheckpoint()
	ck.release()
	return ck, nil
}

// Complete says that checkpoint k is complete: its part of the state becomes permanent.
func (w *ShardWriter) Complete(_ context.Context, k uint64) error {
	if err := w.check(); err != nil {
		return err
	}
	meta, err := w.o.meta(k)
	if err != nil {
		return fmt.Errorf("complete checkpoint %d: %w", k, err)
	}
	return w.o.state.Complete(k, meta)
}

// Close gives everything back; rows that were not prepared are dropped, open uploads aborted.
func (w *ShardWriter) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.stop()
	w.enc.close()
	for _, t := range w.tables {
		t.empty()
	}
	return nil
}
