package objstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	deleteBatch       = 1000 // keys a request, S3's limit
	deleteConcurrency = 8
)

func (s *s3Store) Delete(ctx context.Context, keys ...string) error {
	var (
		mu   sync.Mutex // guards errs
		errs []error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	var valid []string
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			fail(&Error{Op: OpDelete, Location: s.Location(key), Kind: ErrInvalid, Err: err})
			continue
		}
		valid = append(valid, key)
	}
	var g errgroup.Group
	g.SetLimit(deleteConcurrency)
	if len(valid) <= deleteConcurrency {
		for _, key := range valid {
			g.Go(func() error {
				if err := s.deleteOne(ctx, key); err != nil {
					fail(err)
				}
				return nil
			})
		}
	} else {
		for batch := range slices.Chunk(valid, deleteBatch) {
			g.Go(func() error {
				for _, err := range s.deleteMany(ctx, batch) {
					fail(err)
				}
				return nil
			})
		}
	}
	_ = g.Wait() // the functions report through fail
	return errors.Join(errs...)
}

func (s *s3Store) deleteOne(ctx context.Context, key string) error {
	err := s.do(ctx, OpDelete, key, func(ctx context.Context) (int64, error) {
		_, err := s.core.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(key)})
		return 0, err
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// deleteMany deletes up to deleteBatch keys with one request. Keys that it reports as failed,
// and all of them on servers that do not implement it, are deleted one by one, which retries
// and words the errors.
func (s *s3Store) deleteMany(ctx context.Context, keys []string) []error {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i].Key = s.key(key)
	}
	var out *s3.DeleteObjectsOutput
	err := s.core.do(ctx, request{
		op: OpDelete, location: s.Location(""),
		call: func(ctx context.Context) (n int64, err error) {
			out, err = s.core.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{
				Bucket: &s.bucket,
				Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
			})
			return 0, err
		},
	})
	left := keys
	var e *Error
	switch {
	case err == nil:
		left = nil
		for _, f := range out.Errors {
			if key := aws.ToString(f.Key); len(key) > len(s.prefix) {
				left = append(left, key[len(s.prefix):])
			} else {
				return []error{fmt.Errorf("delete %d objects of %s: %s", len(keys), s.Location(""), aws.ToString(f.Code))}
			}
		}
	case errors.As(err, &e) && (errors.Is(err, ErrUnsupported) || e.Status == 400):
		// Not implemented, or it wants a Content-MD5 that the SDK no longer sends.
	default:
		return []error{err}
	}
	var errs []error
	for _, key := range left {
		if err := s.deleteOne(ctx, key); err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
		}
	}
	return errs
}
