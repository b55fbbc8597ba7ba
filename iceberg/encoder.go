package iceberg

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// createFunc starts the upload of the object at an absolute location.
type createFunc func(ctx context.Context, uri string) (objstore.Writer, error)

const (
	// encodeQueue bounds the gathered sets between a shard and its encoder, each of setRows rows or setBytes at most: enough that
	// neither waits for the other's jitter.
	encodeQueue = 4
	// finishing bounds the uploads that a shard completes at the same time: a checkpoint of five hundred small tables must not wait
	// for one round trip after the other.
	finishing = 16
	// defaultEncoderBytes bounds the encoded pages that a shard's open files hold in memory; beyond it the largest row group
	// ends early.
	defaultEncoderBytes = 256 << 20
)

type encodeOp uint8

const (
	encodeRows encodeOp = iota
	encodeClose
	encodeWhole // a file with all its rows
	encodeAbort
)

type encodeJob struct {
	op  encodeOp
	f   *openFile
	set *colSet
}

// openFile is a data file in the making. The shard's goroutine assigns its rows, the encoder's writes them.
type openFile struct {
	layout    *parquetLayout
	part      *tablePart
	num       uint32
	uri       string
	partition *partition // nil for unpartitioned tables
	used      uint64     // when rows were last added, for closing the least recently used one

	rows  uint32
	set   *colSet // being filled; nil when empty
	kept  int     // bytes of set, as counted in ShardWriter.kept
	begun bool    // rows were handed on

	size atomic.Int64 // estimate of the file's size so far

	// The rest belongs to the encoder's goroutine.
	up  objstore.Writer
	pw  *parquetWriter
	mem int64
}

// encoder is the goroutine that encodes and uploads a shard's files. Its first error is kept, and fails every later call.
type encoder struct {
	create createFunc
	ctx    context.Context
	jobs   chan encodeJob
	alloc  bufferAllocator
	small  smallEncoder
	open   map[*openFile]struct{}
	mem    int64
	limit  int64         // of mem
	finish chan struct{} // counts uploads that are being completed
	wg     sync.WaitGroup
	// shard is the meter of the goroutine that sends, meter that of this one.
	shard, meter *cdc.Meter

	failed atomic.Pointer[error]

	mu   sync.Mutex // guards pool
	pool colPool
}

// errAborted is what a file gets that was given up.
var errAborted = errors.New("data file given up")

// newEncoder starts the goroutine. ctx governs all uploads.
func newEncoder(ctx context.Context, create createFunc, limit int64, shard, meter *cdc.Meter) *encoder {
	if limit <= 0 {
		limit = defaultEncoderBytes
	}
	e := &encoder{create: create, ctx: ctx, jobs: make(chan encodeJob, encodeQueue), open: map[*openFile]struct{}{}, limit: limit,
		finish: make(chan struct{}, finishing), shard: shard, meter: meter}
	e.alloc.keep, e.alloc.limit = int(min(limit/2, allocHeld)), int(limit)
	e.wg.Add(1)
	go e.run()
	return e
}

// setBytes bounds the values of a set, so that the sets between shard and encoder take about half of what the encoder may hold.
func (e *encoder) setBytes() int {
	if e.limit <= 0 {
		return setBytes
	}
	return int(max(minSetBytes, min(setBytes, e.limit/16)))
}

// err returns the first error.
func (e *encoder) err() error {
	if p := e.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (e *encoder) fail(err error) {
	e.failed.CompareAndSwap(nil, &err)
}

// send hands a job on; it waits while the queue is full.
func (e *encoder) send(ctx context.Context, j encodeJob) error {
	select {
	case e.jobs <- j:
		return nil
	default:
	}
	e.shard.Enter(cdc.Blocked)
	defer e.shard.Enter(cdc.Busy)
	select {
	case e.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the goroutine; files that are still open are aborted. Cancel the context first.
func (e *encoder) close() {
	close(e.jobs)
	e.wg.Wait()
}

func (e *encoder) getSet(l *parquetLayout) *colSet {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pool.get(l)
}

func (e *encoder) putSet(l *parquetLayout, s *colSet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pool.put(l, s)
}

func (e *encoder) run() {
	defer e.wg.Done()
	defer e.meter.Stop()
	e.meter.Enter(cdc.Idle)
	for j := range e.jobs {
		e.meter.Enter(cdc.Busy)
		switch j.op {
		case encodeRows:
			if e.err() == nil {
				if err := e.write(j.f, j.set); err != nil {
					e.fail(err)
				}
			}
			e.putSet(j.f.layout, j.set)
		case encodeClose:
			e.closeFile(j.f)
		case encodeWhole:
			e.whole(j.f, j.set)
			e.putSet(j.f.layout, j.set)
		case encodeAbort:
			e.abort(j.f)
		}
		e.meter.Enter(cdc.Idle)
	}
	for f := range e.open {
		e.abort(f)
	}
}

func (e *encoder) write(f *openFile, s *colSet) error {
	if f.pw == nil {
		up, err := e.create(e.ctx, f.uri)
		if err != nil {
			return fileError("create", f, err)
		}
		f.up = up
		e.open[f] = struct{}{}
		if f.pw, err = newParquetWriter(f.layout, meteredWriter{up, e.meter}, s, &e.alloc); err != nil {
			return fileError("write", f, err)
		}
	}
	if err := f.pw.write(s); err != nil {
		return fileError("write", f, err)
	}
	e.account(f)
	for e.mem > e.limit {
		largest := f
		for o := range e.open {
			if o.mem > largest.mem {
				largest = o
			}
		}
		if largest.mem == 0 {
			break
		}
		if err := largest.pw.endGroup(); err != nil {
			return fileError("write", largest, err)
		}
		e.account(largest)
	}
	return nil
}

// meteredWriter counts the time in the store's writer as blocked: nearly all of it is waiting for earlier parts.
type meteredWriter struct {
	w     io.Writer
	meter *cdc.Meter
}

func (m meteredWriter) Write(p []byte) (int, error) {
	m.meter.Enter(cdc.Blocked)
	defer m.meter.Enter(cdc.Busy)
	return m.w.Write(p)
}

// toFinish waits until another upload may be completed.
func (e *encoder) toFinish() {
	e.meter.Enter(cdc.Blocked)
	e.finish <- struct{}{}
	e.meter.Enter(cdc.Busy)
}

func (e *encoder) account(f *openFile) {
	m := f.pw.buffered()
	e.mem += m - f.mem
	f.mem = m
	f.size.Store(f.pw.size())
}

// forget takes the file out of the encoder's books.
func (e *encoder) forget(f *openFile) {
	delete(e.open, f)
	e.mem -= f.mem
	f.mem = 0
}

// closeFile writes the footer.
func (e *encoder) closeFile(f *openFile) {
	if err := e.err(); err != nil {
		e.abort(f)
		return
	}
	meta, err := f.pw.close()
	if err != nil {
		err = fileError("write", f, err)
		e.fail(err)
		e.abort(f)
		return
	}
	e.forget(f)
	size, rows := f.pw.out.n, f.pw.rows
	f.pw = nil
	e.store(f, meta, size, rows)
}

// whole writes a small file.
func (e *encoder) whole(f *openFile, s *colSet) {
	if e.err() != nil {
		e.abort(f)
		return
	}
	b, meta, err := e.small.encode(f.layout, s)
	if err == nil {
		if f.up, err = e.create(e.ctx, f.uri); err == nil {
			_, err = meteredWriter{f.up, e.meter}.Write(b)
		}
	}
	if err != nil {
		e.fail(fileError("write", f, err))
		e.abort(f)
		return
	}
	e.store(f, meta, int64(len(b)), int64(s.n))
}

// store completes the upload of a file beside the next files.
func (e *encoder) store(f *openFile, meta *metadata.FileMetaData, size, rows int64) {
	up := f.up
	e.toFinish()
	e.wg.Add(1)
	go func() {
		defer func() { <-e.finish; e.wg.Done() }()
		if err := up.Close(); err != nil {
			err = fileError("store", f, err)
			e.fail(err)
			f.part.finished(dataFile{}, 0, err)
			return
		}
		var values map[int]any
		if f.partition != nil {
			values = f.partition.values
		}
		df, err := makeDataFile(f.layout.target, f.uri, size, meta, values)
		if err == nil && df.Count() != rows {
			err = fileError("describe", f, errors.New("its footer counts other rows than were written"))
		}
		if err != nil {
			e.fail(err)
		}
		f.part.finished(dataFile{num: f.num, file: df}, rows, err)
	}()
}

// abort gives the file up and removes what was uploaded of it.
func (e *encoder) abort(f *openFile) {
	e.forget(f)
	f.pw = nil
	up := f.up
	err := e.err()
	if err == nil {
		err = errAborted
	}
	if up == nil {
		f.part.finished(dataFile{}, 0, err)
		return
	}
	e.toFinish()
	e.wg.Add(1)
	go func() {
		defer func() { <-e.finish; e.wg.Done() }()
		_ = up.Abort() // what cannot be removed now is an orphan that nothing refers to
		f.part.finished(dataFile{}, 0, err)
	}()
}
