package telemetry

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ServerOptions configure Listen.
type ServerOptions struct {
	Addr    string // host:port; port 0 takes a free one
	Token   string // wanted by /metrics and /status; empty: none
	Metrics *Metrics
	Health  *Health
	// Status is shown as JSON at /status; nil: no such path.
	Status func() any
	Logger *slog.Logger
}

// Server is the HTTP server of the observability endpoints.
type Server struct {
	srv  *http.Server
	l    net.Listener
	done chan struct{}
	err  error // of Serve; read after done
}

// Listen starts a server. It fails if the address cannot be listened on.
func Listen(o ServerOptions) (*Server, error) {
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	s := &Server{l: l, done: make(chan struct{}), srv: &http.Server{
		Handler: Handler(o), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.done)
		if err := s.srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.l.Addr().String() }

// Close ends the server; requests under way have until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.srv.Shutdown(ctx)
	if err != nil {
		s.srv.Close()
	}
	<-s.done
	return errors.Join(err, s.err)
}

// Handler serves the endpoints.
func Handler(o ServerOptions) http.Handler {
	mux := http.NewServeMux()
	probe := func(f func() (bool, string)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			ok, why := f()
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, why)
				return
			}
			fmt.Fprintln(w, "ok")
		}
	}
	mux.HandleFunc("GET /healthz", probe(o.Health.Liveness))
	mux.HandleFunc("GET /readyz", probe(o.Health.Readiness))
	mux.Handle("GET /metrics", guard(o.Token, promhttp.HandlerFor(o.Metrics.Registry(), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	})))
	if o.Status != nil {
		mux.Handle("GET /status", guard(o.Token, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b, err := json.Marshal(o.Status()) // indenting would cost as much again
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(append(b, '\n')) //nolint:errcheck // the client is gone
		})))
	}
	return mux
}

// guard wants a bearer token. Hashes are compared, so that neither length nor prefix shows in the time it takes.
func guard(token string, h http.Handler) http.Handler {
	if token == "" {
		return h
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(got))
		if !ok || subtle.ConstantTimeCompare(sum[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="cdc2lake"`)
			http.Error(w, "a bearer token is wanted (http.token)", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
