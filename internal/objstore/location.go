package objstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// location is a parsed absolute location. Iceberg treats locations as plain strings, so
// nothing in them is unescaped: "%20" is three characters of the key.
type location struct {
	scheme string // s3 or file
	bucket string // s3 only
	path   string // s3: key or prefix without leading slash; file: absolute, clean path
}

func parseLocation(s string) (location, error) {
	bad := func(why string) (location, error) {
		return location{}, fmt.Errorf("location %q: %w: %s", s, ErrInvalid, why)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if strings.HasPrefix(s, "/") {
		scheme, rest, ok = "file", s, true
	}
	if !ok {
		return bad("expected s3://bucket/prefix or file:///directory")
	}
	switch scheme {
	case "s3", "s3a", "s3n": // Hadoop's names stand in tables that Spark made
		rest, ok = strings.CutPrefix(rest, "//")
		if !ok {
			return bad("expected s3://bucket/prefix")
		}
		bucket, path, _ := strings.Cut(rest, "/")
		if bucket == "" {
			return bad("no bucket")
		}
		if strings.ContainsAny(bucket, "@?#") {
			return bad("the bucket's name has a character that none can have")
		}
		return location{scheme: "s3", bucket: bucket, path: path}, nil
	case "file": // file:///dir, and Java's file:/dir
		rest = strings.TrimPrefix(rest, "//")
		if !strings.HasPrefix(rest, "/") {
			return bad("expected an absolute path, file:///directory")
		}
		if strings.ContainsRune(rest, 0) {
			return bad("NUL in a path")
		}
		return location{scheme: "file", path: filepath.Clean(rest)}, nil
	}
	return bad("scheme " + scheme + " is neither s3 nor file")
}

// maxKey is S3's limit in bytes.
const maxKey = 1024

// checkKey refuses what S3 or a proxy in front of it would refuse or rewrite.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(key) > maxKey:
		return fmt.Errorf("%w: key of %d bytes, %d are allowed", ErrInvalid, len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: key is not UTF-8", ErrInvalid)
	case strings.ContainsRune(key, 0):
		return fmt.Errorf("%w: NUL in a key", ErrInvalid)
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "." || seg == ".." {
			return fmt.Errorf("%w: %q in a key", ErrInvalid, seg)
		}
	}
	return nil
}

// checkLocalKey refuses besides what has no equal on a file system.
func checkLocalKey(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	base := key
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		base = key[i+1:]
	}
	switch {
	case strings.HasPrefix(key, "/"), base == "", strings.Contains(key, "//"):
		return fmt.Errorf("%w: empty name in key %q", ErrInvalid, key)
	case isTemp(base):
		return fmt.Errorf("%w: key %q is kept for temporary files", ErrInvalid, key)
	}
	return nil
}
