package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *s3Store) Open(ctx context.Context, key string) (File, error) {
	var tail []byte
	var rg objectRange
	err := s.do(ctx, OpGetRange, key, func(ctx context.Context) (n int64, err error) {
		tail, rg, err = s.getRange(ctx, key, "bytes=-"+strconv.Itoa(tailSize), "", nil)
		return int64(len(tail)), err
	})
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable {
		// A suffix of an empty object cannot be had.
		info, serr := s.Stat(ctx, key)
		if serr != nil || info.Size != 0 {
			return nil, errors.Join(serr, err)
		}
		rg, tail, err = objectRange{info: info}, nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := newRangeFile(ctx, s, rg.info)
	f.keepTail(rg.off, tail)
	return f, nil
}

func (s *s3Store) OpenSized(ctx context.Context, key string, size int64) (File, error) {
	if err := checkKey(key); err != nil || size < 0 {
		if err == nil {
			err = fmt.Errorf("%w: negative size", ErrInvalid)
		}
		return nil, &Error{Op: OpGetRange, Location: s.Location(key), Kind: ErrInvalid, Err: err}
	}
	return newRangeFile(ctx, s, Info{Key: key, Size: size}), nil
}

// fetchRange reads [off, off+len(p)) of an object into p.
func (s *s3Store) fetchRange(ctx context.Context, info Info, off int64, p []byte) error {
	return s.do(ctx, OpGetRange, info.Key, func(ctx context.Context) (int64, error) {
		spec := fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)
		got, rg, err := s.getRange(ctx, info.Key, spec, info.ETag, p)
		if err != nil {
			return 0, err
		}
		if rg.info.Size != info.Size {
			return 0, sizeError(rg.info.Size, info.Size)
		}
		if rg.off != off || len(got) != len(p) {
			return 0, fmt.Errorf("%w: the server sent %d bytes from %d on for the range %s", ErrUnsupported, len(got), rg.off, spec)
		}
		return int64(len(got)), nil
	})
}

// objectRange says which part of which object an answer holds.
type objectRange struct {
	info Info
	off  int64
}

// getRange sends one range request, and reads the answer into p, or into new memory if that
// is nil. With an etag it insists on that version of the object.
func (s *s3Store) getRange(ctx context.Context, key, spec, etag string, p []byte) ([]byte, objectRange, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(key), Range: &spec}
	if etag != "" {
		in.IfMatch = &etag
	}
	out, err := s.core.getObject(ctx, in)
	if err != nil {
		return nil, objectRange{}, err
	}
	defer out.Body.Close()
	rg := objectRange{info: Info{Key: key, Modified: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag)}}
	var length int64
	if out.ContentRange != nil {
		if rg.off, length, rg.info.Size, err = parseContentRange(*out.ContentRange); err != nil {
			return nil, rg, err
		}
	} else { // the whole object: fine if that is what was asked for
		if out.ContentLength == nil || *out.ContentLength > tailSize && *out.ContentLength != int64(len(p)) {
			return nil, rg, fmt.Errorf("%w: the server ignores range requests", ErrUnsupported)
		}
		length = *out.ContentLength
		rg.info.Size = length
	}
	if p == nil {
		p = make([]byte, length)
	}
	if int64(len(p)) != length {
		// The object ends before the range does: it is not the one of the manifest.
		return nil, rg, fmt.Errorf("%w: %d bytes of %s in an object of %d", ErrChanged, length, spec, rg.info.Size)
	}
	_, err = io.ReadFull(out.Body, p)
	return p, rg, err
}

// parseContentRange takes apart "bytes 0-9/100".
func parseContentRange(h string) (off, length, size int64, err error) {
	var last int64
	if n, err := fmt.Sscanf(h, "bytes %d-%d/%d", &off, &last, &size); err != nil || n != 3 || off < 0 || last < off || size <= last {
		return 0, 0, 0, fmt.Errorf("%w: Content-Range %q", ErrUnsupported, h)
	}
	return off, last - off + 1, size, nil
}
