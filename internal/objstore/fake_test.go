package objstore_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// answer is one scripted answer of a fake server.
type answer struct {
	status int
	code   string // of an S3 error; empty: no body
	header map[string]string
	body   string
}

// scripted is a server that answers with a script, the last answer for ever, and counts.
type scripted struct {
	*httptest.Server
	mu      sync.Mutex // guards all below
	answers []answer
	got     []string
}

func script(t testing.TB, answers ...answer) *scripted {
	t.Helper()
	s := &scripted{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	s.got = append(s.got, r.Method)
	s.mu.Unlock()
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	body := a.body
	if a.code != "" {
		body = fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>words about %s</Message></Error>", a.code, a.code)
	}
	w.Header().Set("ETag", `"tag"`)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body)
}

func (s *scripted) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func (s *scripted) store(t testing.TB, change ...func(*objstore.Config)) objstore.Store {
	t.Helper()
	cfg := objstore.Config{Endpoint: s.URL, AccessKey: "a", SecretKey: "b", RetryFor: 3 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	return newStore(t, newClient(t, cfg), "s3://bucket")
}

// TestAnswers: which answers are repeated, and what callers get. Conditional writes are never
// repeated after an answer that leaves open what happened.
func TestAnswers(t *testing.T) {
	ok := answer{status: 200}
	for _, test := range []struct {
		name    string
		answers []answer
		put     error // of Put
		puts    int   // requests
		absent  error // of PutIfAbsent
		absents int
		hint    string
	}{
		{"ok", []answer{ok}, nil, 1, nil, 1, ""},
		{"slow down", []answer{{status: 503, code: "SlowDown"}, ok}, nil, 2, objstore.ErrUnknown, 1, ""},
		{"internal", []answer{{status: 500, code: "InternalError"}, {status: 502}, ok}, nil, 3, objstore.ErrUnknown, 1, ""},
		{"too many", []answer{{status: 429}, ok}, nil, 2, objstore.ErrUnknown, 1, ""},
		{"request timeout", []answer{{status: 400, code: "RequestTimeout"}, ok}, nil, 2, objstore.ErrUnknown, 1, ""},
		{"conflict", []answer{{status: 409, code: "ConditionalRequestConflict"}, ok}, nil, 2, nil, 2, ""},
		{"conflict, then lost", []answer{{status: 409, code: "ConditionalRequestConflict"}, {status: 412, code: "PreconditionFailed"}}, objstore.ErrChanged, 2, objstore.ErrExists, 2, ""},
		{"exists", []answer{{status: 412, code: "PreconditionFailed"}}, objstore.ErrChanged, 1, objstore.ErrExists, 1, ""},
		{"denied", []answer{{status: 403, code: "AccessDenied"}}, objstore.ErrAccess, 1, objstore.ErrAccess, 1, "s3:PutObject"},
		{"expired", []answer{{status: 400, code: "ExpiredToken"}}, objstore.ErrAccess, 1, objstore.ErrAccess, 1, "session token"},
		{"skew", []answer{{status: 403, code: "RequestTimeTooSkewed", header: map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT"}}}, objstore.ErrAccess, 1, objstore.ErrAccess, 1, "ahead"},
		{"region", []answer{{status: 301, code: "PermanentRedirect", header: map[string]string{"X-Amz-Bucket-Region": "eu-north-1"}}}, objstore.ErrAccess, 1, objstore.ErrAccess, 1, "set the region to eu-north-1"},
		{"not implemented", []answer{{status: 501, code: "NotImplemented"}}, objstore.ErrUnsupported, 1, objstore.ErrUnsupported, 1, ""},
		{"no bucket", []answer{{status: 404, code: "NoSuchBucket"}}, objstore.ErrNoBucket, 1, objstore.ErrNoBucket, 1, "create the bucket"},
		{"no route", []answer{{status: 404, body: "default backend - 404"}}, objstore.ErrAccess, 1, objstore.ErrAccess, 1, "endpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			check := func(err, want error, requests, wantRequests int) {
				t.Helper()
				if want == nil && err != nil || want != nil && !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
				if requests != wantRequests {
					t.Errorf("%d requests, want %d", requests, wantRequests)
				}
				if err != nil && !strings.Contains(err.Error(), test.hint) {
					t.Errorf("%q does not mention %q", err, test.hint)
				}
			}
			srv := script(t, test.answers...)
			check(srv.store(t).Put(t.Context(), "k", []byte("x")), test.put, srv.requests(), test.puts)
			srv = script(t, test.answers...)
			check(srv.store(t).PutIfAbsent(t.Context(), "k", []byte("x")), test.absent, srv.requests(), test.absents)
		})
	}
}

// TestNotFoundIsCertain: a wrong "not found" would make the commit protocol take its record
// store for lost.
func TestNotFoundIsCertain(t *testing.T) {
	for _, a := range []answer{{status: 404, body: "<html>nothing here"}, {status: 404}, {status: 404, code: "NoSuchBucket"}, {status: 404, code: "XAdminUserNotFound"}} {
		s := script(t, a).store(t)
		_, _, err := s.Get(t.Context(), "k")
		_, serr := s.Stat(t.Context(), "k")
		_, oerr := s.Open(t.Context(), "k")
		var lerr error
		for _, lerr = range s.List(t.Context(), "", "") { //nolint:revive // the last error counts
		}
		for _, err := range []error{err, serr, oerr, lerr} {
			if err == nil || errors.Is(err, objstore.ErrNotFound) {
				t.Errorf("%+v: %v", a, err)
			}
		}
	}
	s := script(t, answer{status: 404, code: "NoSuchKey"}).store(t)
	_, _, err := s.Get(t.Context(), "k")
	wantErr(t, err, objstore.ErrNotFound)
	_, err = s.Stat(t.Context(), "k")
	wantErr(t, err, objstore.ErrNotFound)
}

// TestRetriesEnd: with the budget of time, with the context, and with the reason.
func TestRetriesEnd(t *testing.T) {
	srv := script(t, answer{status: 503, code: "SlowDown"})
	err := srv.store(t, func(c *objstore.Config) { c.RetryFor = time.Millisecond }).Put(t.Context(), "k", nil)
	wantErr(t, err, objstore.ErrUnavailable)
	if objstore.ClassOf(err) != objstore.ClassThrottled || srv.requests() != 1 {
		t.Fatalf("%d requests: %v", srv.requests(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = srv.store(t).Put(ctx, "k", nil)
	wantErr(t, err, objstore.ErrUnavailable) // and not just "deadline exceeded"

	ctx, cancel = context.WithCancel(t.Context())
	err = srv.store(t, func(c *objstore.Config) {
		c.Observer = objstore.ObserverFunc(func(objstore.Event) { cancel() })
	}).Put(ctx, "k", nil)
	wantErr(t, err, context.Canceled)
	wantErr(t, err, objstore.ErrUnavailable)
}

// TestIgnoresConditions: Probe must find out that a server accepts a second conditional PUT.
func TestIgnoresConditions(t *testing.T) {
	var mu sync.Mutex
	objects := map[string][]byte{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, ok := objects[r.URL.Path]
		switch r.Method {
		case http.MethodPut:
			objects[r.URL.Path], _ = io.ReadAll(r.Body)
		case http.MethodDelete:
			delete(objects, r.URL.Path)
			w.WriteHeader(204)
		case http.MethodGet:
			if !ok {
				w.WriteHeader(404)
				_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
				return
			}
			_, _ = w.Write(body)
		}
	}))
	defer srv.Close()
	s := newStore(t, newClient(t, objstore.Config{Endpoint: srv.URL, AccessKey: "a", SecretKey: "b"}), "s3://bucket")
	_, err := objstore.Probe(t.Context(), s)
	wantErr(t, err, objstore.ErrUnsupported)
	if !strings.Contains(err.Error(), "If-None-Match") {
		t.Fatal(err)
	}
	if len(objects) != 0 {
		t.Fatalf("left %v", objects)
	}
}

// TestIgnoresRanges: a server that sends the whole object for a range is refused, and not
// taken for one that sent the range.
func TestIgnoresRanges(t *testing.T) {
	s := script(t, answer{status: 200, body: strings.Repeat("x", 200<<10)}).store(t)
	_, err := s.Open(t.Context(), "k")
	wantErr(t, err, objstore.ErrUnsupported)
	f, err := s.OpenSized(t.Context(), "k", 2<<20)
	must(t, err)
	defer f.Close()
	_, err = f.ReadAt(make([]byte, 100), 5)
	wantErr(t, err, objstore.ErrUnsupported)
}

// TestBodyCutShort: an answer that ends early is asked for again.
func TestBodyCutShort(t *testing.T) {
	s := script(t,
		answer{status: 200, header: map[string]string{"Content-Length": "10"}, body: "hello"},
		answer{status: 200, body: "helloworld"},
	).store(t)
	got, _, err := s.Get(t.Context(), "k")
	must(t, err)
	if string(got) != "helloworld" {
		t.Fatalf("%q", got)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" {
			t.Error("content was hashed")
		}
		_, _ = io.WriteString(w, "x")
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshakes
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	cfg := objstore.Config{Endpoint: srv.URL, AccessKey: "a", SecretKey: "b"}
	s := newStore(t, newClient(t, cfg), "s3://bucket")
	_, _, err := s.Get(t.Context(), "k")
	wantErr(t, err, objstore.ErrAccess)
	if !strings.Contains(err.Error(), "CA file") {
		t.Fatal(err)
	}
	err = s.PutIfAbsent(t.Context(), "k", nil)
	wantErr(t, err, objstore.ErrAccess) // nothing was sent: not unknown
	cfg.CAFile = ca
	s = newStore(t, newClient(t, cfg), "s3://bucket")
	must(t, s.PutIfAbsent(t.Context(), "k", []byte("x")))
	_, _, err = s.Get(t.Context(), "k")
	must(t, err)
}

// TestNoCredentials: the default chain finds nothing.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	srv := script(t, answer{status: 200})
	s := srv.store(t, func(c *objstore.Config) { c.AccessKey, c.SecretKey = "", "" })
	err := s.PutIfAbsent(t.Context(), "k", nil)
	wantErr(t, err, objstore.ErrAccess)
	if !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || srv.requests() != 0 {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	must(t, srv.store(t, func(c *objstore.Config) { c.AccessKey, c.SecretKey = "", "" }).Put(t.Context(), "k", nil))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	file := filepath.Join(t.TempDir(), "credentials")
	must(t, os.WriteFile(file, []byte("[lake]\naws_access_key_id = a\naws_secret_access_key = b\n"), 0o600))
	must(t, srv.store(t, func(c *objstore.Config) {
		c.AccessKey, c.SecretKey, c.CredentialsFile, c.Profile = "", "", file, "lake"
	}).Put(t.Context(), "k", nil))
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]objstore.Config{
		"half":     {AccessKey: "a"},
		"blank":    {AccessKey: "a", SecretKey: "b\n"},
		"endpoint": {Endpoint: "minio:9000"},
		"userinfo": {Endpoint: "http://user:hunter2@minio:9000"},
		"broken":   {Endpoint: "http://user:hunter2@minio:90 00"},
		"part":     {PartSize: 1 << 20},
		"sign":     {SignPayload: "perhaps"},
	} {
		_, err := objstore.NewClient(cfg)
		wantErr(t, err, objstore.ErrInvalid)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := objstore.Config{AccessKey: "a", SecretKey: "hunter2", SessionToken: "hunter2"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, cfg); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
