package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
)

// backendIO reads s3:// locations straight from the folder in which the test's S3 server keeps its objects. The comparison
// so shares no storage code with the program under test, and sees what a server has really stored.
type backendIO struct{ root string }

func (b backendIO) Open(name string) (iceio.File, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, err
	}
	return os.Open(filepath.Join(b.root, u.Host, filepath.FromSlash(u.Path)))
}

func (backendIO) Remove(name string) error {
	return fmt.Errorf("remove %s: the comparison only reads", name)
}

var (
	backendMu   sync.Mutex // guards backendRoot
	backendRoot string     // data folder of the S3 server that the tests share
)

func useBackend(root string) {
	backendMu.Lock()
	defer backendMu.Unlock()
	backendRoot = root
}

func init() {
	iceio.Register("s3", func(context.Context, *url.URL, map[string]string) (iceio.IO, error) {
		backendMu.Lock()
		defer backendMu.Unlock()
		return backendIO{backendRoot}, nil
	})
}
