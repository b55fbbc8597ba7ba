// Package objtest holds the conformance suite of objstore.Store, and faults to inject into
// one.
package objtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Call is one operation about to happen. A Create is OpCreateUpload, its Writes are
// OpUploadPart, and its Close OpCompleteUpload, whatever the Store underneath makes of them.
// Opening a File is OpGetRange, and so is each of its reads.
type Call struct {
	N   int // counts the calls of a Faulty, from 1
	Op  objstore.Op
	Key string // of List and SweepUploads the prefix, of Delete one call for each key
}

func (c Call) String() string { return fmt.Sprintf("%s %s", c.Op, c.Key) }

// Fault is what happens to a call. The zero value: nothing, it goes through.
type Fault struct {
	// Wait holds the call back until the channel is closed or its context ends.
	Wait <-chan struct{}
	// Refuse is returned without doing anything.
	Refuse error
	// Lose is returned after the operation was done: its answer, success or not, is lost.
	Lose error
	// After runs when the operation is done, before its caller learns of it.
	After func()
}

// Hook decides about a call. It is called under no lock, from the caller's goroutine, and may
// block.
type Hook func(ctx context.Context, c Call) Fault

// Faulty is a Store with faults, and a record of all calls: the golden trace of a protocol,
// and the counter of a crash sweep.
type Faulty struct {
	objstore.Store

	mu    sync.Mutex // guards all below
	hook  Hook
	calls []Call
}

var _ objstore.Store = (*Faulty)(nil)

// NewFaulty wraps a Store. hook may be nil.
func NewFaulty(s objstore.Store, hook Hook) *Faulty { return &Faulty{Store: s, hook: hook} }

// Set changes the hook; nil ends the faults.
func (f *Faulty) Set(hook Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Calls are all calls so far.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// Reset forgets the calls; the next one is number 1.
func (f *Faulty) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

// ErrCrash is what every call of a store returns after its process has died (CrashAt).
var ErrCrash = errors.New("simulated crash")

// CrashAt is a hook for crash sweeps: call n is done or not (lose), and it and all later
// calls fail.
func CrashAt(n int, lose bool) Hook {
	return func(_ context.Context, c Call) Fault {
		switch {
		case c.N < n:
			return Fault{}
		case c.N == n && lose:
			return Fault{Lose: ErrCrash}
		}
		return Fault{Refuse: ErrCrash}
	}
}

// Unknown is a lost answer of a conditional write, as objstore reports it.
func Unknown(op objstore.Op, key string) error {
	return &objstore.Error{Op: op, Location: key, Kind: objstore.ErrUnknown, Err: errors.New("simulated: connection lost")}
}

// do lets a call happen as the hook wants it.
func (f *Faulty) do(ctx context.Context, op objstore.Op, key string, call func() error) error {
	f.mu.Lock()
	c := Call{N: len(f.calls) + 1, Op: op, Key: key}
	f.calls = append(f.calls, c)
	hook := f.hook
	f.mu.Unlock()
	var fault Fault
	if hook != nil {
		fault = hook(ctx, c)
	}
	if fault.Wait != nil {
		select {
		case <-fault.Wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fault.Refuse != nil {
		return fault.Refuse
	}
	err := call()
	if fault.After != nil {
		fault.After()
	}
	if fault.Lose != nil {
		return fault.Lose
	}
	return err
}

// Get is Store.Get with faults, as are all that follow.
func (f *Faulty) Get(ctx context.Context, key string) (body []byte, info objstore.Info, err error) {
	err = f.do(ctx, objstore.OpGet, key, func() (err error) {
		body, info, err = f.Store.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, objstore.Info{}, err
	}
	return body, info, nil
}

func (f *Faulty) Stat(ctx context.Context, key string) (info objstore.Info, err error) {
	err = f.do(ctx, objstore.OpStat, key, func() (err error) {
		info, err = f.Store.Stat(ctx, key)
		return err
	})
	return info, err
}

func (f *Faulty) Put(ctx context.Context, key string, body []byte) error {
	return f.do(ctx, objstore.OpPut, key, func() error { return f.Store.Put(ctx, key, body) })
}

func (f *Faulty) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return f.do(ctx, objstore.OpPutIfAbsent, key, func() error { return f.Store.PutIfAbsent(ctx, key, body) })
}

func (f *Faulty) PutIfMatch(ctx context.Context, key, etag string, body []byte) (tag string, err error) {
	err = f.do(ctx, objstore.OpPutIfMatch, key, func() (err error) {
		tag, err = f.Store.PutIfMatch(ctx, key, etag, body)
		return err
	})
	if err != nil {
		return "", err
	}
	return tag, nil
}

func (f *Faulty) Delete(ctx context.Context, keys ...string) error {
	var errs []error
	for _, key := range keys {
		errs = append(errs, f.do(ctx, objstore.OpDelete, key, func() error { return f.Store.Delete(ctx, key) }))
	}
	return errors.Join(errs...)
}

func (f *Faulty) List(ctx context.Context, prefix, startAfter string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		// All at once, so that a lost answer has a meaning.
		var found []objstore.Info
		err := f.do(ctx, objstore.OpList, prefix, func() error {
			for info, err := range f.Store.List(ctx, prefix, startAfter) {
				if err != nil {
					return err
				}
				found = append(found, info)
			}
			return nil
		})
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (f *Faulty) Open(ctx context.Context, key string) (objstore.File, error) {
	return f.open(ctx, key, func() (objstore.File, error) { return f.Store.Open(ctx, key) })
}

func (f *Faulty) OpenSized(ctx context.Context, key string, size int64) (objstore.File, error) {
	return f.open(ctx, key, func() (objstore.File, error) { return f.Store.OpenSized(ctx, key, size) })
}

func (f *Faulty) open(ctx context.Context, key string, open func() (objstore.File, error)) (objstore.File, error) {
	var file objstore.File
	err := f.do(ctx, objstore.OpGetRange, key, func() (err error) {
		file, err = open()
		return err
	})
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, err
	}
	return &faultyFile{f: f, ctx: ctx, key: key, file: file}, nil
}

func (f *Faulty) Create(ctx context.Context, key string) (objstore.Writer, error) {
	var w objstore.Writer
	err := f.do(ctx, objstore.OpCreateUpload, key, func() (err error) {
		w, err = f.Store.Create(ctx, key)
		return err
	})
	if err != nil {
		if w != nil {
			_ = w.Abort()
		}
		return nil, err
	}
	return &faultyWriter{f: f, ctx: ctx, key: key, w: w}, nil
}

type faultyFile struct {
	f    *Faulty
	ctx  context.Context
	key  string
	file objstore.File
}

func (x *faultyFile) Read(p []byte) (n int, err error) {
	err = x.f.do(x.ctx, objstore.OpGetRange, x.key, func() (err error) {
		n, err = x.file.Read(p)
		return err
	})
	return n, err
}

func (x *faultyFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = x.f.do(x.ctx, objstore.OpGetRange, x.key, func() (err error) {
		n, err = x.file.ReadAt(p, off)
		return err
	})
	return n, err
}

func (x *faultyFile) Seek(offset int64, whence int) (int64, error) {
	return x.file.Seek(offset, whence)
}
func (x *faultyFile) Close() error               { return x.file.Close() }
func (x *faultyFile) Size() int64                { return x.file.Size() }
func (x *faultyFile) Stat() (fs.FileInfo, error) { return x.file.Stat() }

type faultyWriter struct {
	f   *Faulty
	ctx context.Context
	key string
	w   objstore.Writer
}

func (x *faultyWriter) Write(p []byte) (n int, err error) {
	err = x.f.do(x.ctx, objstore.OpUploadPart, x.key, func() (err error) {
		n, err = x.w.Write(p)
		return err
	})
	return n, err
}

// Close: a refused one gives the upload up, like a process that ends there and is swept.
func (x *faultyWriter) Close() error {
	called := false
	err := x.f.do(x.ctx, objstore.OpCompleteUpload, x.key, func() error {
		called = true
		return x.w.Close()
	})
	if !called {
		_ = x.w.Abort()
	}
	return err
}

// Abort has no faults: nobody acts on its outcome.
func (x *faultyWriter) Abort() error { return x.w.Abort() }
func (x *faultyWriter) Size() int64  { return x.w.Size() }
