package objstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// Client makes Stores that share one AWS client with its connection pool, one budget of
// upload memory, and one configuration. Make one a process (or one a set of credentials).
type Client struct {
	cfg Config

	mu    sync.Mutex // guards all below
	s3    *s3Core    // made at the first s3 location: file:// needs no credentials
	roots []string   // directories given to Store: the limits of pruning
}

// NewClient checks the configuration; it does no I/O. See [Probe] for that.
func NewClient(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg}, nil
}

// Open is a Store of its own client for a location: s3://bucket/prefix, file:///directory or
// an absolute path. Use a Client for more than one.
func Open(ctx context.Context, loc string, cfg Config) (Store, error) {
	c, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return c.Store(ctx, loc)
}

// Store is a bucket and prefix, or a directory. A directory need not exist: the first write
// makes it. ErrInvalid for a malformed location, ErrAccess where credentials cannot be loaded.
func (c *Client) Store(ctx context.Context, loc string) (Store, error) {
	l, err := parseLocation(loc)
	if err != nil {
		return nil, err
	}
	if l.scheme == "file" {
		c.mu.Lock()
		c.roots = append(c.roots, l.path)
		c.mu.Unlock()
		return newLocalStore(c.cfg, l.path, true), nil
	}
	core, err := c.s3core(ctx)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(l.path, "/")
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, fmt.Errorf("location %q: %w", loc, err)
		}
		prefix += "/"
	}
	return &s3Store{core: core, bucket: l.bucket, prefix: prefix}, nil
}

// Resolve finds the object of an absolute location, as it stands in Iceberg metadata.
func (c *Client) Resolve(ctx context.Context, loc string) (Store, string, error) {
	l, err := parseLocation(loc)
	if err != nil {
		return nil, "", err
	}
	if l.scheme == "file" {
		root, key := c.rootOf(l.path)
		if key == "" {
			return nil, "", fmt.Errorf("location %q: %w: a directory, not an object", loc, ErrInvalid)
		}
		// Outside of every root that was named to us, directories are left alone when they
		// become empty: they may be somebody's mount point.
		return newLocalStore(c.cfg, root, root != "/"), key, nil
	}
	if err := checkKey(l.path); err != nil {
		return nil, "", fmt.Errorf("location %q: %w", loc, err)
	}
	core, err := c.s3core(ctx)
	if err != nil {
		return nil, "", err
	}
	return &s3Store{core: core, bucket: l.bucket}, l.path, nil
}

// rootOf is the longest directory known that holds the path, or "/", and the rest.
func (c *Client) rootOf(path string) (root, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	root = "/"
	for _, r := range c.roots {
		if len(r) > len(root) && strings.HasPrefix(path, r+"/") {
			root = r
		}
	}
	return root, strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
}

func (c *Client) s3core(ctx context.Context) (*s3Core, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s3 == nil {
		core, err := newS3Core(ctx, c.cfg)
		if err != nil {
			return nil, err
		}
		c.s3 = core
	}
	return c.s3, nil
}

// Close drops idle connections. Stores of the client must not be used any more.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s3 != nil {
		c.s3.transport.CloseIdleConnections()
	}
}
