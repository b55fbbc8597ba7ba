package objstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// transport answers every request with a function.
type answering func(r *http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return a(r), nil
}

func success(r *http.Request) *http.Response {
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Etag": {`"abc"`}}, Body: http.NoBody, Request: r}
}

// TestDirectAsTheSDK: our own requests go to the same place, say the same, and are signed for the same as the SDK's.
func TestDirectAsTheSDK(t *testing.T) {
	scope := regexp.MustCompile(`Credential=[^,]*`)
	no := false
	for name, cfg := range map[string]Config{
		"aws":             {Region: "eu-central-1"},
		"aws path":        {Region: "eu-central-1", PathStyle: new(true)},
		"server":          {Endpoint: "http://minio:9000"},
		"server, path":    {Endpoint: "https://gateway/some/where/", Region: "x"},
		"server, virtual": {Endpoint: "https://s3.example.org", PathStyle: &no},
		"loopback":        {Endpoint: "http://127.0.0.1:9000", SignPayload: SignNever},
	} {
		for _, bucket := range []string{"bucket", "with.dots"} {
			t.Run(name+"/"+bucket, func(t *testing.T) {
				var got []*http.Request
				cfg.AccessKey, cfg.SecretKey, cfg.SessionToken = "a", "b", "c"
				cfg.WrapTransport = func(http.RoundTripper) http.RoundTripper {
					return answering(func(r *http.Request) *http.Response { got = append(got, r); return success(r) })
				}
				c, err := NewClient(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				core, err := c.s3core(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range []string{"a/b.parquet", "a b/c=d/ü%2F+&?#~'(x).avro", "x//y"} {
					for _, empty := range []bool{false, true} {
						body := []byte("some content")
						if empty {
							body = nil
						}
						n, tag := int64(len(body)), `"t"`
						put := func() *s3.PutObjectInput {
							return &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: &n, IfMatch: &tag}
						}
						got = nil
						if _, err := core.api.PutObject(ctx, put()); err != nil {
							t.Fatal(err)
						}
						if e, err := core.putObject(ctx, put()); err != nil || e != `"abc"` {
							t.Fatal(e, err)
						}
						rng := "bytes=0-5"
						get := &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: &rng, IfMatch: &tag}
						if _, err := core.api.GetObject(ctx, get); err != nil {
							t.Fatal(err)
						}
						if _, err := core.getObject(ctx, get); err != nil {
							t.Fatal(err)
						}
						if len(got) != 4 {
							t.Fatalf("%d requests", len(got))
						}
						for i := 0; i < 4; i += 2 {
							sdk, own := got[i], got[i+1]
							if own.Header.Get("User-Agent") != userAgent[0] {
								t.Fatal("it went by the SDK")
							}
							urls := [2]string{}
							for j, r := range got[i : i+2] {
								u := *r.URL
								u.RawQuery = "" // the SDK's x-id=PutObject, which servers ignore
								urls[j] = u.String() + " " + scope.FindString(r.Header.Get("Authorization"))
							}
							if urls[0] != urls[1] || sdk.ContentLength != own.ContentLength {
								t.Errorf("%d bytes to %s, the SDK sends %d to %s", own.ContentLength, urls[1], sdk.ContentLength, urls[0])
							}
							for _, h := range []string{"If-Match", "If-None-Match", "Range", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
								a, b := sdk.Header.Get(h), own.Header.Get(h)
								if h == "X-Amz-Content-Sha256" && b == emptyPayload && a == unsignedPayload {
									continue // says more
								}
								if a != b {
									t.Errorf("%s: %s %q, the SDK says %q", own.Method, h, b, a)
								}
							}
						}
					}
				}
			})
		}
	}
}

// TestSDKWhereItMustBe: buckets that need another protocol are left to the SDK.
func TestSDKWhereItMustBe(t *testing.T) {
	c, err := NewClient(Config{Region: "eu-north-1", AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	core, err := c.s3core(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dir--eun1-az1--x-s3", "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "arn:aws:s3-outposts:eu-north-1:123456789012:outpost/op-1/accesspoint/x"} {
		if b := core.bucket(context.Background(), name); b != nil {
			t.Errorf("%s: %v", name, b)
		}
	}
}

// watchedBody fails the test when somebody reads it after its request has failed.
type watchedBody struct {
	*bytes.Reader
	t    *testing.T
	over *bool
}

func (b watchedBody) Read(p []byte) (int, error) {
	if *b.over {
		b.t.Error("the body is read after the request")
	}
	return b.Reader.Read(p)
}

func (b watchedBody) Seek(off int64, whence int) (int64, error) {
	if *b.over {
		b.t.Error("the body is rewound after the request")
	}
	return b.Reader.Seek(off, whence)
}

// TestFailedBodyIsLeftAlone: the transport may still be sending it.
func TestFailedBodyIsLeftAlone(t *testing.T) {
	for _, status := range []int{403, 412, 503} {
		over := false
		c, err := NewClient(Config{Endpoint: "http://server", AccessKey: "a", SecretKey: "b", WrapTransport: func(http.RoundTripper) http.RoundTripper {
			return answering(func(r *http.Request) *http.Response {
				over = true
				resp := success(r)
				resp.StatusCode = status
				return resp
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
		core, err := c.s3core(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		bucket, key, n := "b", "k", int64(onePiece+1) // smaller ones are copied
		_, err = core.putObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, ContentLength: &n,
			Body: watchedBody{bytes.NewReader(make([]byte, n)), t, &over}})
		var re interface{ HTTPStatusCode() int }
		if !errors.As(err, &re) || re.HTTPStatusCode() != status {
			t.Fatalf("%d: %v", status, err)
		}
	}
}

// countedConn counts what is written.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestSmallPutIsWrittenOnce: header and body of a small object leave together, and arrive whole.
func TestSmallPutIsWrittenOnce(t *testing.T) {
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	c, err := NewClient(Config{Endpoint: server.URL, AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	core, err := c.s3core(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int64
	dial := core.transport.DialContext
	core.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return countedConn{conn, &writes}, err
	}
	st, err := c.Store(context.Background(), "s3://b")
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{1, 20_000, onePiece} {
		body := bytes.Repeat([]byte{byte(i)}, size)
		if err := st.Put(context.Background(), "k", body); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, body) {
			t.Fatalf("%d of %d bytes have arrived", len(got), size)
		}
		if n := writes.Swap(0); n != 1 {
			t.Errorf("%d bytes took %d writes", size, n)
		}
	}
}

// TestClockSkew: requests are signed with the server's time.
func TestClockSkew(t *testing.T) {
	var dates []string
	c, err := NewClient(Config{Endpoint: "http://server", AccessKey: "a", SecretKey: "b", WrapTransport: func(http.RoundTripper) http.RoundTripper {
		return answering(func(r *http.Request) *http.Response {
			dates = append(dates, r.Header.Get("X-Amz-Date"))
			resp := success(r)
			resp.Header.Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
			return resp
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.Store(context.Background(), "s3://b")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := st.Put(context.Background(), "k", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	at, err := time.Parse("20060102T150405Z", dates[1])
	if off := time.Since(at); err != nil || off < 9*time.Minute || off > 11*time.Minute {
		t.Fatal(strings.Join(dates, ", "), err)
	}
}

// BenchmarkSmallPut: what a PUT costs beside the network.
func BenchmarkSmallPut(b *testing.B) {
	c, err := NewClient(Config{Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "b", WrapTransport: func(http.RoundTripper) http.RoundTripper {
		return answering(success)
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, body, bucket, key := context.Background(), make([]byte, 4096), "bucket", "t/metadata/snap-1.avro"
	core, err := c.s3core(ctx)
	if err != nil {
		b.Fatal(err)
	}
	n := int64(len(body))
	for name, put := range map[string]func(*s3.PutObjectInput) error{
		"own": func(in *s3.PutObjectInput) error { _, err := core.putObject(ctx, in); return err },
		"sdk": func(in *s3.PutObjectInput) error { _, err := core.api.PutObject(ctx, in); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				done := make(chan error) // a goroutine each, as commits have
				go func() {
					done <- put(&s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: &n})
				}()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
