package objstore

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"
)

// Store is one bucket and prefix, or one directory. Keys are relative to it, use "/" and
// have no leading slash. All methods may be called concurrently.
//
// Every error is an [*Error]; branch on its sentinel with errors.Is.
type Store interface {
	// Get reads a whole object. ErrNotFound if there is none.
	Get(ctx context.Context, key string) ([]byte, Info, error)

	// Stat describes an object without its content. ErrNotFound if there is none.
	Stat(ctx context.Context, key string) (Info, error)

	// Open opens an object for random access and finds out its size; ErrNotFound if there is
	// none. ctx is used by all later reads. On S3 this is one range request, which also
	// fetches the object's tail, so that a Parquet footer costs nothing more.
	Open(ctx context.Context, key string) (File, error)

	// OpenSized is Open for an object whose size in bytes is known, from a manifest for
	// example: it sends nothing to S3. A missing object (ErrNotFound), or one of another size
	// (ErrChanged), is reported here or by the first read.
	OpenSized(ctx context.Context, key string, size int64) (File, error)

	// Put writes an object whole, replacing what was there. Readers see the old or the new
	// object, never a part. It is repeated after a lost answer, and the first request may still
	// land later: for keys that are written once or by one writer, not for decisions.
	Put(ctx context.Context, key string, body []byte) error

	// PutIfAbsent writes an object unless one exists. Of any number of concurrent callers
	// exactly one succeeds; the others get ErrExists. ErrUnknown means that it may or may not
	// have been written, now or (a request still under way) later: read to find out. Any other
	// error (ErrUnavailable, ErrAccess, a context that ended early) means: not written.
	PutIfAbsent(ctx context.Context, key string, body []byte) error

	// PutIfMatch replaces an object if its ETag is still etag, and returns the new ETag.
	// ErrChanged if the object is another or gone, ErrUnknown as for PutIfAbsent.
	// On a file system it excludes other conditional writers of every process, but plain Puts
	// and Deletes only of this one.
	PutIfMatch(ctx context.Context, key, etag string, body []byte) (string, error)

	// Create starts a streaming upload. Nothing is visible before Close has returned nil. ctx
	// governs the whole upload.
	Create(ctx context.Context, key string) (Writer, error)

	// Delete removes objects; one that does not exist is no error. All keys are tried, and
	// the errors joined.
	Delete(ctx context.Context, keys ...string) error

	// List yields the objects whose key has the prefix and sorts after startAfter (both may
	// be empty), in the order of the keys' bytes. After an error it stops. Objects written or
	// deleted meanwhile may or may not be seen.
	List(ctx context.Context, prefix, startAfter string) iter.Seq2[Info, error]

	// Location is the absolute location of a key: s3://bucket/prefix/key or file:///dir/key.
	Location(key string) string
}

// Info describes an object.
type Info struct {
	Key      string    // relative to the Store
	Size     int64     // bytes
	Modified time.Time // by the server's clock
	ETag     string    // changes whenever the object is written with other content; opaque
}

// File is an object open for reading. It satisfies fs.File and what Parquet readers ask for.
// ReadAt may be called concurrently; Read and Seek share one offset and may not.
type File interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
	Size() int64
	Stat() (fs.FileInfo, error)
}

// Writer is a streaming upload. It is used by one goroutine.
type Writer interface {
	// Write takes over bytes. It blocks while the limit of bytes in flight is reached, and
	// returns the error of an earlier part as soon as it is known.
	io.Writer
	// Close finishes the upload and makes the object visible; an error means that it may not
	// be there, and that what could be removed has been. A second Close returns the same.
	Close() error
	// Abort gives the upload up, removes its parts and waits for them. After a Close it does
	// nothing, so that it can be deferred.
	Abort() error
	// Size is the number of bytes written so far.
	Size() int64
}
