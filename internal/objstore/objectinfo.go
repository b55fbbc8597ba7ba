package objstore

import (
	"io/fs"
	"path"
	"time"
)

// objectInfo shows an Info as fs.FileInfo. The modification time of an S3 object opened by
// its size is unknown, and zero.
type objectInfo struct{ info Info }

func (o objectInfo) Name() string       { return path.Base(o.info.Key) }
func (o objectInfo) Size() int64        { return o.info.Size }
func (o objectInfo) Mode() fs.FileMode  { return 0o444 }
func (o objectInfo) ModTime() time.Time { return o.info.Modified }
func (o objectInfo) IsDir() bool        { return false }
func (o objectInfo) Sys() any           { return o.info }
