package objstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	// partsPerSize parts are of one size before it doubles: with 8 MiB the 10,000 parts that
	// S3 allows then hold its largest object (5 TiB), while up to 8 GiB all parts are equal,
	// which some servers (Cloudflare R2) insist on.
	partsPerSize = 1000
	maxParts     = 10000
	// abortTimeout bounds the cleaning up after the caller's context has ended.
	abortTimeout = 30 * time.Second
	abortTries   = 5
)

// partSize is the size of the n-th part (from 1) in bytes.
func partSize(first int64, n int) int64 {
	return first << ((n - 1) / partsPerSize)
}

// s3Writer is a streaming upload: one PUT if everything fits into a part, a multipart upload
// otherwise. The goroutine that writes fills one part while earlier ones are in flight.
type s3Writer struct {
	store *s3Store
	key   string
	ctx   context.Context // the caller's
	size  int64

	part   *chunkBuf // being filled
	number int       // of the part being filled, from 1

	upload string         // id; empty until the first part is full
	group  errgroup.Group // the parts in flight
	// partCtx ends with the caller's, and at the first failed part.
	partCtx context.Context
	cancel  context.CancelCauseFunc

	mu   sync.Mutex // guards done
	done []types.CompletedPart

	closed bool
	err    error // of the first failure, or of Close
}

var errAborted = errors.New("upload aborted")

func (s *s3Store) Create(ctx context.Context, key string) (Writer, error) {
	if err := checkKey(key); err != nil {
		return nil, &Error{Op: OpCreateUpload, Location: s.Location(key), Kind: ErrInvalid, Err: err}
	}
	w := &s3Writer{store: s, key: key, ctx: ctx, part: new(chunkBuf), number: 1}
	w.partCtx, w.cancel = context.WithCancelCause(ctx)
	w.group.SetLimit(s.core.cfg.PartConcurrency)
	return w, nil
}

func (w *s3Writer) Size() int64 { return w.size }

func (w *s3Writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, &Error{Op: OpUploadPart, Location: w.store.Location(w.key), Err: errClosedWriter}
	}
	n := 0
	for n < len(p) {
		if err := w.failed(); err != nil {
			return n, err
		}
		// A full part goes only when there is more: an object of exactly one part is one PUT.
		room := partSize(w.store.core.cfg.PartSize, w.number) - w.part.size
		if room == 0 {
			if err := w.dispatch(); err != nil {
				w.err = err
				return n, err
			}
			continue
		}
		take := p[n:min(int64(len(p)), int64(n)+room)]
		w.part.write(take)
		n += len(take)
		w.size += int64(len(take))
	}
	return n, nil
}

// failed is the first error of the upload so far.
func (w *s3Writer) failed() error {
	if w.err == nil && w.partCtx.Err() != nil {
		w.err = context.Cause(w.partCtx)
		var e *Error
		if !errors.As(w.err, &e) {
			w.err = &Error{Op: OpUploadPart, Location: w.store.Location(w.key), Err: w.err}
		}
	}
	return w.err
}

// dispatch sends the part that was filled, and starts a new one. It waits for one of the
// writer's slots, and for the bytes to be allowed in flight.
func (w *s3Writer) dispatch() error {
	if w.number > maxParts {
		return &Error{Op: OpUploadPart, Location: w.store.Location(w.key), Kind: ErrInvalid,
			Err: fmt.Errorf("more than %d parts", maxParts)}
	}
	if w.upload == "" {
		if err := w.begin(); err != nil {
			return err
		}
	}
	part, number := w.part, w.number
	release, err := w.store.core.inflight.acquire(w.partCtx, part.size)
	if err != nil {
		return w.failed()
	}
	w.part, w.number = new(chunkBuf), number+1
	w.group.Go(func() error {
		defer release()
		defer part.release()
		err := w.send(part, number)
		if err != nil {
			w.cancel(err) // the other parts are in vain
		}
		return err
	})
	return nil
}

func (w *s3Writer) begin() error {
	return w.store.do(w.partCtx, OpCreateUpload, w.key, func(ctx context.Context) (int64, error) {
		out, err := w.store.core.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &w.store.bucket, Key: w.store.key(w.key),
		})
		if err == nil {
			w.upload = aws.ToString(out.UploadId)
		}
		return 0, err
	})
}

func (w *s3Writer) send(part *chunkBuf, number int) error {
	return w.store.do(w.partCtx, OpUploadPart, w.key, func(ctx context.Context) (int64, error) {
		body := &heldBody{r: part.reader()}
		defer body.letGo()
		out, err := w.store.core.api.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &w.store.bucket, Key: w.store.key(w.key), UploadId: &w.upload,
			PartNumber: aws.Int32(int32(number)), Body: body, ContentLength: &part.size,
		})
		if err != nil {
			return 0, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = append(w.done, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(int32(number))})
		return part.size, nil
	})
}

func (w *s3Writer) Close() error {
	if w.closed {
		return w.err
	}
	if w.failed() == nil {
		w.err = w.finish()
	}
	if err := w.err; err != nil {
		_ = w.Abort() // the first error says more; what Abort leaves, SweepUploads takes
		w.err = err
		return err
	}
	w.closed = true
	w.part.release()
	w.cancel(errClosedWriter)
	return nil
}

func (w *s3Writer) finish() error {
	if w.upload == "" {
		return w.store.do(w.ctx, OpPut, w.key, func(ctx context.Context) (int64, error) {
			_, err := w.store.put(ctx, w.key, w.part.reader(), w.part.size, nil)
			return w.part.size, err
		})
	}
	if err := w.dispatch(); err != nil { // never empty, see Write
		return err
	}
	if err := w.group.Wait(); err != nil {
		return err
	}
	slices.SortFunc(w.done, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	err := w.store.do(w.ctx, OpCompleteUpload, w.key, func(ctx context.Context) (int64, error) {
		_, err := w.store.core.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &w.store.bucket, Key: w.store.key(w.key), UploadId: &w.upload,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: w.done},
		})
		return 0, err
	})
	if errors.Is(err, ErrNotFound) && w.completed() {
		return nil
	}
	return err
}

// completed tells whether an earlier attempt, whose answer was lost, has completed the
// upload: the upload is gone, and an object of our size and number of parts is there.
func (w *s3Writer) completed() bool {
	info, err := w.store.Stat(w.ctx, w.key)
	if err != nil || info.Size != w.size {
		return false
	}
	tag := strings.Trim(info.ETag, `"`)
	return !strings.Contains(tag, "-") || strings.HasSuffix(tag, fmt.Sprintf("-%d", len(w.done)))
}

func (w *s3Writer) Abort() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.err == nil {
		w.err = &Error{Op: OpCreateUpload, Location: w.store.Location(w.key), Err: errAborted}
	}
	w.cancel(errAborted)
	interrupted := w.group.Wait() != nil
	w.part.release()
	if w.upload == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	// We have waited for our parts; but a server may still be storing one whose request was
	// cut off, which makes its abort fail or come to nothing. S3's advice is to abort until
	// the upload is gone.
	for try := 1; ; try++ {
		err := w.abortUpload(ctx)
		if errors.Is(err, ErrNotFound) || err == nil && !interrupted {
			return nil
		}
		if try == abortTries || err != nil && !errors.Is(err, ErrUnavailable) {
			return err
		}
		timer := time.NewTimer(backoff(try+1, false, rand.Float64))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (w *s3Writer) abortUpload(ctx context.Context) error {
	return w.store.do(ctx, OpAbortUpload, w.key, func(ctx context.Context) (int64, error) {
		_, err := w.store.core.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &w.store.bucket, Key: w.store.key(w.key), UploadId: &w.upload,
		})
		return 0, err
	})
}
