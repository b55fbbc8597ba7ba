package objstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// counter counts requests by operation.
type counter struct {
	mu     sync.Mutex // guards events
	events []objstore.Event
}

func (c *counter) ObserveStore(e objstore.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

// take returns the outcomes of an operation since the last call, in order.
func (c *counter) take(op objstore.Op) []objstore.Class {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []objstore.Class
	for _, e := range c.events {
		if e.Op == op {
			out = append(out, e.Class)
		}
	}
	c.events = nil
	return out
}

func wantClasses(t *testing.T, got []objstore.Class, want ...objstore.Class) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("requests %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("requests %v, want %v", got, want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// TestLostAnswerOfConditionalPut: the server wrote the record and we never heard of it. It
// must be reported as unknown, and not be sent again: the second would be refused, and look as
// if another had won.
func TestLostAnswerOfConditionalPut(t *testing.T) {
	b := testenv.NeedS3(t)
	cfg, lossy := lossyOf(b)
	seen := new(counter)
	cfg.Observer = seen
	s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
	lossy.Lose(func(r *http.Request) bool { return r.Method == http.MethodPut })
	err := s.PutIfAbsent(t.Context(), "record/1", []byte("mine"))
	wantErr(t, err, objstore.ErrUnknown)
	wantClasses(t, seen.take(objstore.OpPutIfAbsent), objstore.ClassUnknown)
	if lossy.Lost() != 1 {
		t.Fatalf("sent %d times", lossy.Lost())
	}
	lossy.Lose(nil)
	got, info, err := s.Get(t.Context(), "record/1")
	must(t, err)
	if string(got) != "mine" {
		t.Fatalf("read %q", got)
	}
	lossy.Lose(func(r *http.Request) bool { return r.Method == http.MethodPut })
	_, err = s.PutIfMatch(t.Context(), "record/1", info.ETag, []byte("mine, too"))
	wantErr(t, err, objstore.ErrUnknown)
}

// TestLostAnswerIsRetried: what is idempotent is sent again, and succeeds.
func TestLostAnswerIsRetried(t *testing.T) {
	b := testenv.NeedS3(t)
	cfg, lossy := lossyOf(b)
	seen := new(counter)
	cfg.Observer = seen
	s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
	once := func(which func(*http.Request) bool) {
		var mu sync.Mutex
		done := false
		lossy.Lose(func(r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if done || !which(r) {
				return false
			}
			done = true
			return true
		})
	}
	every := func(*http.Request) bool { return true }
	once(every)
	must(t, s.Put(t.Context(), "k", []byte("x")))
	wantClasses(t, seen.take(objstore.OpPut), objstore.ClassUnavailable, objstore.ClassOK)
	once(every)
	_, _, err := s.Get(t.Context(), "k")
	must(t, err)
	wantClasses(t, seen.take(objstore.OpGet), objstore.ClassUnavailable, objstore.ClassOK)
	once(every)
	for _, err := range s.List(t.Context(), "", "") {
		must(t, err)
	}
	wantClasses(t, seen.take(objstore.OpList), objstore.ClassUnavailable, objstore.ClassOK)
	once(every)
	must(t, s.Delete(t.Context(), "k"))
	wantClasses(t, seen.take(objstore.OpDelete), objstore.ClassUnavailable, objstore.ClassOK)

	// The upload is gone when its completion is asked for again.
	body := bytes.Repeat([]byte("0123456789"), 1_000_000)
	for _, lost := range []string{"partNumber=2", "uploadId="} {
		once(func(r *http.Request) bool {
			return strings.Contains(r.URL.RawQuery, lost) && (lost != "uploadId=" || r.Method == http.MethodPost)
		})
		before := lossy.Lost()
		w, err := s.Create(t.Context(), "big")
		must(t, err)
		_, err = w.Write(body)
		must(t, err)
		must(t, w.Close())
		if lossy.Lost() != before+1 {
			t.Fatalf("%s: nothing was lost", lost)
		}
		got, _, err := s.Get(t.Context(), "big")
		must(t, err)
		if !bytes.Equal(got, body) {
			t.Fatalf("%s: other content", lost)
		}
	}
}

// TestFailingPartsEndTheUpload: the error reaches the writer, and nothing is left.
func TestFailingPartsEndTheUpload(t *testing.T) {
	b := testenv.NeedS3(t)
	cfg, lossy := lossyOf(b)
	cfg.RetryFor = time.Millisecond
	s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
	lossy.Lose(func(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "partNumber=1&") })
	w, err := s.Create(t.Context(), "big")
	must(t, err)
	chunk := make([]byte, 1<<20)
	for range 100 {
		if _, err = w.Write(chunk); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Close()
	}
	wantErr(t, err, objstore.ErrUnavailable)
	wantErr(t, w.Close(), objstore.ErrUnavailable)
	lossy.Lose(nil)
	_, err = s.Stat(t.Context(), "big")
	wantErr(t, err, objstore.ErrNotFound)
	n, err := objstore.SweepUploads(t.Context(), s, "", time.Now().Add(time.Hour))
	must(t, err)
	if n != 0 {
		t.Fatalf("%d uploads left", n)
	}
}

// TestSweepUploads: what a killed process leaves is found; what is young is spared.
func TestSweepUploads(t *testing.T) {
	b := testenv.NeedS3(t)
	cfg := configOf(b)
	stored := make(chan struct{})
	cfg.Observer = objstore.ObserverFunc(func(e objstore.Event) {
		if e.Op == objstore.OpUploadPart && e.Class == objstore.ClassOK {
			select {
			case <-stored:
			default:
				close(stored) // one part only is sent before the sweep
			}
		}
	})
	c := newClient(t, cfg)
	s := newStore(t, c, "s3://"+b.Name+"/table")
	w, err := s.Create(t.Context(), "data/f")
	must(t, err)
	_, err = w.Write(make([]byte, 9<<20))
	must(t, err)
	<-stored // versitygw lets a part in flight bring an aborted upload back
	other := newStore(t, c, "s3://"+b.Name+"/other")
	for _, try := range []struct {
		s      objstore.Store
		prefix string
		before time.Time
		want   int
	}{
		{s, "", time.Now().Add(-time.Hour), 0},
		{other, "", time.Now().Add(time.Hour), 0},
		{s, "metadata/", time.Now().Add(time.Hour), 0},
		{s, "data/", time.Now().Add(time.Hour), 1},
		{s, "", time.Now().Add(time.Hour), 0},
	} {
		n, err := objstore.SweepUploads(t.Context(), try.s, try.prefix, try.before)
		must(t, err)
		if n != try.want {
			t.Fatalf("swept %d below %q, want %d", n, try.prefix, try.want)
		}
	}
	if err := w.Close(); err == nil {
		t.Fatal("closed after it was swept")
	}
}

// TestRequestsOfAFooter: a Parquet reader asks for the last 8 bytes, then for the footer.
func TestRequestsOfAFooter(t *testing.T) {
	b := testenv.NeedS3(t)
	seen := new(counter)
	cfg := configOf(b)
	cfg.Observer = seen
	s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
	body := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	size := int64(len(body))
	must(t, s.Put(t.Context(), "f", body))
	must(t, s.Put(t.Context(), "small", body[:200<<10]))
	seen.take("")
	footer := func(f objstore.File) {
		t.Helper()
		for _, n := range []int64{8, 60 << 10} {
			_, err := f.ReadAt(make([]byte, n), f.Size()-n)
			must(t, err)
		}
	}
	f, err := s.Open(t.Context(), "f")
	must(t, err)
	footer(f)
	wantClasses(t, seen.take(objstore.OpGetRange), objstore.ClassOK)
	must(t, f.Close())

	f, err = s.OpenSized(t.Context(), "f", size)
	must(t, err)
	footer(f)
	wantClasses(t, seen.take(objstore.OpGetRange), objstore.ClassOK)
	// A column chunk in one piece is one request, its head in small ones another.
	_, err = f.ReadAt(make([]byte, 1<<20), 100)
	must(t, err)
	for off := int64(0); off < 100<<10; off += 4 << 10 {
		_, err = f.ReadAt(make([]byte, 4<<10), off)
		must(t, err)
	}
	wantClasses(t, seen.take(objstore.OpGetRange), objstore.ClassOK, objstore.ClassOK)
	must(t, f.Close())

	f, err = s.OpenSized(t.Context(), "small", 200<<10)
	must(t, err)
	footer(f)
	_, err = io.ReadAll(f)
	must(t, err)
	wantClasses(t, seen.take(objstore.OpGetRange), objstore.ClassOK)
	must(t, f.Close())
}

// TestChangedWhileOpen: an object that is replaced while it is read must not give a mixture.
func TestChangedWhileOpen(t *testing.T) {
	b := testenv.NeedS3(t)
	s := newStore(t, newClient(t, configOf(b)), "s3://"+b.Name)
	must(t, s.Put(t.Context(), "f", make([]byte, 1<<20)))
	f, err := s.Open(t.Context(), "f")
	must(t, err)
	defer f.Close()
	must(t, s.Put(t.Context(), "f", bytes.Repeat([]byte("x"), 1<<20)))
	_, err = f.ReadAt(make([]byte, 10), 0)
	wantErr(t, err, objstore.ErrChanged)
}

// TestRefusals: each says what to do, at once, and gives nothing away.
func TestRefusals(t *testing.T) {
	b := testenv.NeedS3(t)
	const secret, token = "very-secret-key-0123456789", "session-token-0123456789"
	for _, test := range []struct {
		name   string
		bucket string
		change func(*objstore.Config)
		want   error
		hint   string
	}{
		{"secret", b.Name, func(c *objstore.Config) { c.SecretKey = secret }, objstore.ErrAccess, "secret key"},
		{"access key", b.Name, func(c *objstore.Config) { c.AccessKey, c.SecretKey = "nobody", secret }, objstore.ErrAccess, "access key"},
		{"bucket", "no-such-bucket", func(*objstore.Config) {}, objstore.ErrNoBucket, "create the bucket"},
		{"region", b.Name, func(c *objstore.Config) { c.Region = "eu-central-1" }, objstore.ErrAccess, "region"},
		{"tls", b.Name, func(c *objstore.Config) { c.Endpoint = strings.Replace(c.Endpoint, "http:", "https:", 1) }, objstore.ErrAccess, "http://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := configOf(b)
			test.change(&cfg)
			start := time.Now()
			s := newStore(t, newClient(t, cfg), "s3://"+test.bucket)
			_, _, getErr := s.Get(t.Context(), "k")
			_, probeErr := objstore.Probe(t.Context(), s)
			w, err := s.Create(t.Context(), "k")
			must(t, err)
			for _, err := range []error{getErr, probeErr, s.Put(t.Context(), "k", nil), s.PutIfAbsent(t.Context(), "k", nil), w.Close()} {
				wantErr(t, err, test.want)
				text := err.Error()
				if !strings.Contains(text, test.hint) {
					t.Errorf("%q does not mention %q", text, test.hint)
				}
				for _, s := range []string{secret, token, b.SecretKey} {
					if strings.Contains(strings.ReplaceAll(text, b.Name, ""), s) {
						t.Errorf("%q gives away a secret", text)
					}
				}
			}
			t.Log(probeErr)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v: was it repeated?", d)
			}
		})
	}
}

// TestNobodyListens: nothing was sent, so that even a conditional write is known not to have
// happened.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	seen := new(counter)
	s := newStore(t, newClient(t, objstore.Config{
		Endpoint: "http://" + addr, AccessKey: "a", SecretKey: "b", RetryFor: 200 * time.Millisecond, Observer: seen,
	}), "s3://bucket")
	err = s.PutIfAbsent(t.Context(), "k", nil)
	wantErr(t, err, objstore.ErrUnavailable)
	if errors.Is(err, objstore.ErrUnknown) || !strings.Contains(err.Error(), addr) {
		t.Fatal(err)
	}
	if n := len(seen.take(objstore.OpPutIfAbsent)); n < 2 {
		t.Fatalf("%d attempts", n)
	}
}

// TestFrozenServer: the request is out and nothing comes back.
func TestFrozenServer(t *testing.T) {
	b := testenv.NeedS3(t)
	s := newStore(t, newClient(t, configOf(b)), "s3://"+b.Name)
	must(t, s.Put(t.Context(), "warm", nil)) // a connection
	must(t, b.Pause())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := s.PutIfAbsent(ctx, "k", []byte("x"))
	must(t, b.Resume())
	wantErr(t, err, objstore.ErrUnknown)
	wantErr(t, err, context.DeadlineExceeded)
}

// TestUnsignedPayload: content is not hashed where the wire is safe, and it is accepted.
func TestUnsignedPayload(t *testing.T) {
	b := testenv.NeedS3(t)
	for _, sign := range []objstore.SignPayload{objstore.SignAuto, objstore.SignAlways} {
		var got string
		cfg := configOf(b)
		cfg.SignPayload = sign
		cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.Header.Get("X-Amz-Content-Sha256")
				for h := range r.Header {
					if strings.HasPrefix(h, "X-Amz-Checksum") || h == "X-Amz-Trailer" || h == "Expect" {
						t.Errorf("header %s", h)
					}
				}
				return next.RoundTrip(r)
			})
		}
		s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
		must(t, s.Put(t.Context(), "k", make([]byte, 3<<20)))
		if unsigned := got == "UNSIGNED-PAYLOAD"; unsigned != (sign == objstore.SignAuto) {
			t.Errorf("sign %q: %s", sign, got)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSmallInflight: a budget below one part still lets uploads pass, one part at a time.
func TestSmallInflight(t *testing.T) {
	b := testenv.NeedS3(t)
	cfg := configOf(b)
	cfg.MaxInflight = 1 << 20
	s := newStore(t, newClient(t, cfg), "s3://"+b.Name)
	for _, key := range []string{"a", "b"} {
		w, err := s.Create(t.Context(), key)
		must(t, err)
		for range 30 {
			_, err = w.Write(make([]byte, 1<<20))
			must(t, err)
		}
		must(t, w.Close())
	}
}

func TestResolve(t *testing.T) {
	b := testenv.NeedS3(t)
	c := newClient(t, configOf(b))
	dir := t.TempDir()
	root := newStore(t, c, dir+"/warehouse")
	for _, s := range []objstore.Store{root, newStore(t, c, "s3://"+b.Name+"/x")} {
		must(t, s.Put(t.Context(), "t/data/a b%20.parquet", []byte("x")))
		r, key, err := c.Resolve(t.Context(), s.Location("t/data/a b%20.parquet"))
		must(t, err)
		got, _, err := r.Get(t.Context(), key)
		must(t, err)
		if string(got) != "x" {
			t.Fatalf("read %q", got)
		}
		must(t, r.Delete(t.Context(), key))
		_, err = s.Stat(t.Context(), "t/data/a b%20.parquet")
		wantErr(t, err, objstore.ErrNotFound)
	}
	for _, loc := range []string{"", "x", "gs://b/k", "s3://", "s3:///k", "s3:b/k", "file://host/x", "s3://user:pw@b/k"} {
		if _, _, err := c.Resolve(t.Context(), loc); !errors.Is(err, objstore.ErrInvalid) {
			t.Errorf("%q: %v", loc, err)
		}
	}
}

func BenchmarkCreateS3(b *testing.B) {
	bucket := testenv.NeedS3(b)
	for _, sign := range []objstore.SignPayload{objstore.SignAuto, objstore.SignAlways} {
		name := map[objstore.SignPayload]string{objstore.SignAuto: "unsigned", objstore.SignAlways: "signed"}[sign]
		cfg := configOf(bucket)
		cfg.SignPayload = sign
		s := newStore(b, newClient(b, cfg), "s3://"+bucket.Name)
		b.Run(name, func(b *testing.B) { benchmarkCreate(b, s) })
	}
}

func BenchmarkCreateLocal(b *testing.B) {
	for _, noSync := range []bool{false, true} {
		name := map[bool]string{false: "sync", true: "nosync"}[noSync]
		s := newStore(b, newClient(b, objstore.Config{NoSync: noSync}), b.TempDir())
		b.Run(name, func(b *testing.B) { benchmarkCreate(b, s) })
	}
}

func benchmarkCreate(b *testing.B, s objstore.Store) {
	for _, size := range []int{64 << 10, 64 << 20} {
		name := map[int]string{64 << 10: "64KiB", 64 << 20: "64MiB"}[size]
		b.Run(name, func(b *testing.B) {
			chunk := make([]byte, min(size, 1<<20))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				w, err := s.Create(b.Context(), "bench")
				must(b, err)
				for range size / len(chunk) {
					_, err = w.Write(chunk)
					must(b, err)
				}
				must(b, w.Close())
			}
		})
	}
}

var _ objstore.Store = (*objtest.Faulty)(nil)
