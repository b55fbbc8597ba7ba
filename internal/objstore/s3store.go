package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// s3Store is a bucket and prefix.
type s3Store struct {
	core   *s3Core
	bucket string
	prefix string // empty, or ends in a slash
}

var _ Store = (*s3Store)(nil)

func (s *s3Store) Location(key string) string {
	return "s3://" + s.bucket + "/" + s.prefix + key
}

func (s *s3Store) key(key string) *string { return aws.String(s.prefix + key) }

// do checks the key and sends the request.
func (s *s3Store) do(ctx context.Context, op Op, key string, call func(ctx context.Context) (int64, error)) error {
	if err := checkKey(s.prefix + key); err != nil || key == "" {
		if err == nil {
			err = fmt.Errorf("%w: empty key", ErrInvalid)
		}
		return &Error{Op: op, Location: s.Location(key), Kind: ErrInvalid, Err: err}
	}
	return s.core.do(ctx, request{
		op:          op,
		location:    s.Location(key),
		conditional: op == OpPutIfAbsent || op == OpPutIfMatch,
		call:        call,
	})
}

func (s *s3Store) Get(ctx context.Context, key string) ([]byte, Info, error) {
	var body []byte
	var info Info
	err := s.do(ctx, OpGet, key, func(ctx context.Context) (int64, error) {
		out, err := s.core.getObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(key)})
		if err != nil {
			return 0, err
		}
		defer out.Body.Close()
		body, err = readAll(out.Body, out.ContentLength)
		if err != nil {
			return 0, err
		}
		info = Info{Key: key, Size: int64(len(body)), Modified: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag)}
		return info.Size, nil
	})
	if err != nil {
		return nil, Info{}, err
	}
	return body, info, nil
}

// readAll reads a body of a length known beforehand, into memory of that size.
func readAll(r io.Reader, length *int64) ([]byte, error) {
	if length == nil || *length < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, *length)
	_, err := io.ReadFull(r, body)
	return body, err
}

// Stat asks with HEAD, whose answers have no body and so no error code: a 404 can be a missing
// bucket, an unknown user, a proxy. Before it says that there is no object, it asks again
// with a GET.
func (s *s3Store) Stat(ctx context.Context, key string) (Info, error) {
	info, err := s.head(ctx, key)
	if !errors.Is(err, ErrNotFound) {
		return info, err
	}
	err = s.do(ctx, OpGetRange, key, func(ctx context.Context) (int64, error) {
		_, _, err := s.getRange(ctx, key, "bytes=0-0", "", nil)
		return 0, err
	})
	if err == nil || errors.Is(err, ErrChanged) { // there now, perhaps empty
		return s.head(ctx, key)
	}
	return Info{}, err
}

func (s *s3Store) head(ctx context.Context, key string) (Info, error) {
	var info Info
	err := s.do(ctx, OpStat, key, func(ctx context.Context) (int64, error) {
		out, err := s.core.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.key(key)})
		if err != nil {
			return 0, err
		}
		info = Info{Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag)}
		return 0, nil
	})
	return info, err
}

func (s *s3Store) Put(ctx context.Context, key string, body []byte) error {
	return s.do(ctx, OpPut, key, func(ctx context.Context) (int64, error) {
		_, err := s.put(ctx, key, bytes.NewReader(body), int64(len(body)), nil)
		return int64(len(body)), err
	})
}

func (s *s3Store) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return s.do(ctx, OpPutIfAbsent, key, func(ctx context.Context) (int64, error) {
		_, err := s.put(ctx, key, bytes.NewReader(body), int64(len(body)), func(in *s3.PutObjectInput) {
			in.IfNoneMatch = aws.String("*")
		})
		return int64(len(body)), err
	})
}

func (s *s3Store) PutIfMatch(ctx context.Context, key, etag string, body []byte) (string, error) {
	var newTag string
	if etag == "" { // the SDK would leave the header out, and the write would be unconditional
		return "", &Error{Op: OpPutIfMatch, Location: s.Location(key), Kind: ErrInvalid, Err: errors.New("empty ETag")}
	}
	err := s.do(ctx, OpPutIfMatch, key, func(ctx context.Context) (n int64, err error) {
		newTag, err = s.put(ctx, key, bytes.NewReader(body), int64(len(body)), func(in *s3.PutObjectInput) {
			in.IfMatch = &etag
		})
		return int64(len(body)), err
	})
	if errors.Is(err, ErrNotFound) { // S3 answers 404 to If-Match where there is no object
		var e *Error
		if errors.As(err, &e) {
			e.Kind = ErrChanged
		}
	}
	if err != nil {
		return "", err
	}
	return newTag, nil
}

func (s *s3Store) put(ctx context.Context, key string, body io.ReadSeeker, n int64, mod func(*s3.PutObjectInput)) (string, error) {
	held := &heldBody{r: body}
	defer held.letGo()
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: s.key(key), Body: held, ContentLength: &n}
	if mod != nil {
		mod(in)
	}
	return s.core.putObject(ctx, in)
}

func (s *s3Store) List(ctx context.Context, prefix, startAfter string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: s.key(prefix)}
		if startAfter != "" {
			in.StartAfter = s.key(startAfter)
		}
		for {
			var out *s3.ListObjectsV2Output
			err := s.core.do(ctx, request{
				op: OpList, location: s.Location(prefix),
				call: func(ctx context.Context) (n int64, err error) {
					out, err = s.core.api.ListObjectsV2(ctx, in)
					return 0, err
				},
			})
			if err != nil {
				yield(Info{}, err)
				return
			}
			for i := range out.Contents {
				o := &out.Contents[i]
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if key == "" || strings.HasSuffix(key, "/") {
					continue // "directory" markers that consoles and gateways make
				}
				if key <= startAfter {
					continue // servers that ignore start-after
				}
				if !yield(Info{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextContinuationToken) == "" {
				return
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}
