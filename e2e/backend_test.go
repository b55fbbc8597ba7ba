package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
)

// backendIO reads s3:// locations straight from the folders in which the tests' S3 servers keep their objects. The comparison
// so shares no storage code with the program under test, and sees what a server has really stored.
type backendIO struct{ roots []string }

func (b backendIO) Open(name string) (iceio.File, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, err
	}
	root := ""
	for _, root = range b.roots { // no two servers have a bucket of one name
		if _, err := os.Stat(filepath.Join(root, u.Host)); err == nil {
			break
		}
	}
	return os.Open(filepath.Join(root, u.Host, filepath.FromSlash(u.Path)))
}

func (backendIO) Remove(name string) error {
	return fmt.Errorf("remove %s: the comparison only reads", name)
}

var (
	backendMu    sync.Mutex // guards backendRoots
	backendRoots []string   // data folders of the S3 servers
)

func useBackend(root string) {
	backendMu.Lock()
	defer backendMu.Unlock()
	if !slices.Contains(backendRoots, root) {
		backendRoots = append(backendRoots, root)
	}
}

func init() {
	iceio.Register("s3", func(context.Context, *url.URL, map[string]string) (iceio.IO, error) {
		backendMu.Lock()
		defer backendMu.Unlock()
		return backendIO{slices.Clone(backendRoots)}, nil
	})
}
