package objstore_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func newClient(t testing.TB, cfg objstore.Config) *objstore.Client {
	t.Helper()
	c, err := objstore.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newStore(t testing.TB, c *objstore.Client, loc string) objstore.Store {
	t.Helper()
	s, err := c.Store(context.Background(), loc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// configOf is the configuration for a test's bucket.
func configOf(b *testenv.Bucket) objstore.Config {
	return objstore.Config{
		Endpoint: b.Endpoint, Region: b.Region, AccessKey: b.AccessKey, SecretKey: objstore.Secret(b.SecretKey),
	}
}

// lossyOf is a configuration whose answers can be lost.
func lossyOf(b *testenv.Bucket) (objstore.Config, *objtest.LossyTransport) {
	cfg := configOf(b)
	lossy := new(objtest.LossyTransport)
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		lossy.Next = next
		return lossy
	}
	return cfg, lossy
}

func TestLocalStore(t *testing.T) {
	objtest.Run(t, func(t testing.TB) objstore.Store {
		return newStore(t, newClient(t, objstore.Config{NoSync: true}), "file://"+t.TempDir()+"/root")
	})
}

func TestLocalStoreSynced(t *testing.T) {
	if testing.Short() {
		t.Skip("slow disks (-short)")
	}
	objtest.Run(t, func(t testing.TB) objstore.Store {
		return newStore(t, newClient(t, objstore.Config{}), t.TempDir())
	})
}

func TestS3Store(t *testing.T) {
	objtest.Run(t, func(t testing.TB) objstore.Store {
		b := testenv.NeedS3(t)
		return newStore(t, newClient(t, configOf(b)), "s3://"+b.Name)
	})
}

func TestS3StorePrefix(t *testing.T) {
	objtest.Run(t, func(t testing.TB) objstore.Store {
		b := testenv.NeedS3(t)
		c := newClient(t, configOf(b))
		// A neighbour whose name begins alike must not be seen.
		other := newStore(t, c, "s3://"+b.Name+"/ware")
		if err := other.Put(t.Context(), "house2/k", nil); err != nil {
			t.Fatal(err)
		}
		return newStore(t, c, "s3a://"+b.Name+"/ware/house/")
	})
}

// TestFaultyStore: without faults the wrapper keeps the contract too.
func TestFaultyStore(t *testing.T) {
	objtest.Run(t, func(t testing.TB) objstore.Store {
		return objtest.NewFaulty(newStore(t, newClient(t, objstore.Config{NoSync: true}), t.TempDir()), nil)
	})
}
