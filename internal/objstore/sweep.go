package objstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sweeper is a Store that can leave unfinished uploads behind.
type sweeper interface {
	sweepUploads(ctx context.Context, prefix string, before time.Time) (int, error)
}

// SweepUploads removes what crashed processes left of uploads below a key prefix (empty, or
// ending in a slash), if they began (on a file system: were last written) before a point in
// time, and returns their number. That must be well before the start of any upload still
// running: an upload that is swept fails at its Close. ErrUnsupported for Stores of other
// packages.
func SweepUploads(ctx context.Context, s Store, prefix string, before time.Time) (int, error) {
	if sw, ok := s.(sweeper); ok {
		return sw.sweepUploads(ctx, prefix, before)
	}
	return 0, fmt.Errorf("sweep uploads: %w", ErrUnsupported)
}

func (s *s3Store) sweepUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	swept := 0
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: s.key(prefix)}
	for {
		var out *s3.ListMultipartUploadsOutput
		err := s.core.do(ctx, request{
			op: OpListUploads, location: s.Location(prefix),
			call: func(ctx context.Context) (n int64, err error) {
				out, err = s.core.api.ListMultipartUploads(ctx, in)
				return 0, err
			},
		})
		if err != nil {
			return swept, err
		}
		for _, u := range out.Uploads {
			key := aws.ToString(u.Key)
			// MinIO lists an exact key only, and others more than the prefix.
			if !strings.HasPrefix(key, s.prefix+prefix) || !aws.ToTime(u.Initiated).Before(before) {
				continue
			}
			err := s.core.do(ctx, request{
				op: OpAbortUpload, location: "s3://" + s.bucket + "/" + key,
				call: func(ctx context.Context) (int64, error) {
					_, err := s.core.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
						Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId,
					})
					return 0, err
				},
			})
			if err != nil && !errors.Is(err, ErrNotFound) {
				return swept, err
			}
			swept++
		}
		if !aws.ToBool(out.IsTruncated) {
			return swept, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

func (s *localStore) sweepUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	swept := 0
	// A temporary file does not tell the key it was for, only the directory.
	dir := s.path(prefix[:strings.LastIndexByte(prefix, '/')+1])
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		key, err := filepath.Rel(s.root, path)
		if err != nil {
			return err
		}
		if d.IsDir() || !isTemp(d.Name()) || !strings.HasPrefix(key, prefix) {
			return nil
		}
		fi, err := d.Info()
		if err != nil || !fi.ModTime().Before(before) {
			return nil //nolint:nilerr // gone: published or aborted meanwhile
		}
		if os.Remove(path) == nil {
			swept++
		}
		return nil
	})
	return swept, s.wrap(OpAbortUpload, prefix, err)
}
