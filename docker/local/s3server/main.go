// Command s3server is the S3 endpoint of the tests and of the local demo: versitygw over a local folder.
//
// It prints "ready http://HOST:PORT" once it answers, then obeys one-line commands on stdin ("bucket NAME" creates
// a bucket and is answered "ok NAME" or "error …"), and exits when stdin closes: so it cannot outlive the process
// that holds the other end, however that one ended.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// healthPath masks a bucket of this name; the underscore keeps it out of the names that S3 allows.
const healthPath = "/health_check"

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "listen on this `address`; port 0 takes a free one")
	dir := flag.String("dir", "", "keep the data in this `folder` (required)")
	access := flag.String("access", "test", "access key")
	secret := flag.String("secret", "testtest", "secret key")
	region := flag.String("region", "us-east-1", "region name")
	buckets := flag.String("bucket", "", "create these buckets, comma-separated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *addr, *dir, *access, *secret, *region, *buckets); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, dir, access, secret, region, buckets string) error {
	if dir == "" || flag.NArg() > 0 {
		return errors.New("usage: s3server -dir FOLDER [-addr HOST:PORT] [-access KEY] [-secret KEY] [-bucket NAME,…]")
	}
	be, err := open(dir)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(buckets, ",") {
		if name == "" {
			continue
		}
		if err := createBucket(ctx, be, name, access); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	if addr, err = resolve(addr); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- embedgw.RunVersityGW(ctx, be, &embedgw.Config{
			RootUserAccess: access, RootUserSecret: secret, Region: region, Ports: []string{addr},
			MaxConnections: 65536, MaxRequests: 16384, MultipartMaxParts: 10000,
			KeepAlive: true, Quiet: true, HealthPath: healthPath,
		})
	}()
	if err := awaitHealth(ctx, "http://"+addr+healthPath, served); err != nil {
		return err
	}
	fmt.Println("ready http://" + addr)

	input := make(chan struct{})
	go func() {
		obey(ctx, be, access)
		close(input)
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	case <-input:
	}
	return nil // requests in flight are cut off, as by a crash; objects appear by a rename or a link, so none is torn
}

// open gives the folder's backend. Object metadata is in extended attributes, or in files beside the data where
// the file system has none (tmpfs of older kernels, some container layers).
func open(dir string) (backend.Backend, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	xattr := meta.XattrMeta{}
	side := filepath.Join(dir, "meta")
	_, err = os.Stat(side)
	if err == nil || xattr.Test(data) != nil {
		if err := os.MkdirAll(side, 0o755); err != nil {
			return nil, err
		}
		storer, err := meta.NewSideCar(side)
		if err != nil {
			return nil, err
		}
		return posix.New(data, storer, posix.PosixOpts{SideCarDir: side, Concurrency: 5000})
	}
	return posix.New(data, xattr, posix.PosixOpts{Concurrency: 5000})
}

func createBucket(ctx context.Context, be backend.Backend, name, owner string) error {
	if _, err := be.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); err == nil {
		return nil // the folder of an earlier run
	}
	acl, err := json.Marshal(auth.ACL{Owner: owner})
	if err != nil {
		return err
	}
	return be.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: &name, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{},
	}, acl)
}

// resolve replaces port 0 by a free port: the gateway does not tell which port it took.
func resolve(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("-addr wants host:port: %w", err)
	}
	if port != "0" {
		return addr, nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitHealth asks until the gateway answers; it tells nobody when it has begun to listen.
func awaitHealth(ctx context.Context, url string, served <-chan error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	client := http.Client{Timeout: time.Second}
	for {
		if resp, err := client.Get(url); err == nil {
			resp.Body.Close()
			client.CloseIdleConnections()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-served:
			return fmt.Errorf("start: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// obey runs the commands on stdin until it closes.
func obey(ctx context.Context, be backend.Backend, owner string) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name, ok := strings.CutPrefix(lines.Text(), "bucket ")
		if !ok {
			fmt.Printf("error unknown command %q\n", lines.Text())
		} else if err := createBucket(ctx, be, name, owner); err != nil {
			fmt.Printf("error create bucket %s: %v\n", name, err)
		} else {
			fmt.Println("ok", name)
		}
	}
}
