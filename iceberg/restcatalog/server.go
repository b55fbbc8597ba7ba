// Package restcatalog serves a SQL catalog (SQLite, PostgreSQL) over the Iceberg REST catalog protocol, so that readers attach
// with one line, and so that all tables of a checkpoint change at once.
//
// A commit loads the tables, checks the client's requirements, applies its updates, writes the metadata files, and then swaps the
// tables' pointers in one SQL transaction that succeeds only if every table is still what was checked. If one is not, all of that
// is done again: requirements and not versions are the client's condition. Files of a lost race are deleted.
//
// What is not offered is refused by name: views, functions, registering tables, remote scan planning, and storage credentials,
// which are never handed out. Requests are bounded in size; what others send can be wrong but not harmful: new locations must lie
// inside of the warehouse, since the server writes there.
package restcatalog

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/cdc2lake/cdc2lake/iceberg"
)

// Options configure a server.
type Options struct {
	Catalog *iceberg.ServedCatalog
	// Defaults are properties that clients are told to use unless they know better, such as s3.endpoint. No secrets.
	Defaults map[string]string
	Log      *slog.Logger
}

// limits of a request
const (
	maxBody       = 64 << 20 // a transaction over 400 wide tables takes about 20 MiB
	maxChanges    = 4096     // tables of a transaction
	maxPage       = 1000
	maxLevels     = 16 // of a namespace
	maxName       = 255
	maxConcurrent = 64 // requests with a body
)

type server struct {
	cat      *iceberg.ServedCatalog
	defaults map[string]string
	log      *slog.Logger
	bodies   chan struct{} // a token per request with a body: bounds memory
}

// New returns the catalog as an http.Handler. It has no access control of its own but one: browsers cannot be made to send
// requests across sites.
func New(o Options) http.Handler {
	s := &server{cat: o.Catalog, defaults: o.Defaults, log: o.Log, bodies: make(chan struct{}, maxConcurrent)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	for _, e := range endpoints {
		mux.HandleFunc(e.method+" /v1"+e.path, s.handle(e.serve))
	}
	for _, u := range unsupported {
		mux.HandleFunc("/v1"+u.path, s.handle(func(*server, *http.Request) (*answer, error) {
			return nil, &apiError{http.StatusNotAcceptable, "UnsupportedOperationException", u.why}
		}))
	}
	mux.HandleFunc("/", s.handle(func(_ *server, r *http.Request) (*answer, error) {
		return nil, &apiError{http.StatusNotFound, "NotFoundException", "there is no " + r.Method + " at this path"}
	}))
	sites := http.NewCrossOriginProtection()
	sites.SetDenyHandler(s.handle(func(*server, *http.Request) (*answer, error) {
		return nil, &apiError{http.StatusForbidden, "ForbiddenException", "requests across sites are refused"}
	}))
	return sites.Handler(mux)
}

type handler func(*server, *http.Request) (*answer, error)

// answer is a response: status 0 is 200 with a body, 204 without.
type answer struct {
	status int
	body   any // encoded as JSON; nil: none
	etag   string
}

const tables, table1 = "/namespaces/{namespace}/tables", "/namespaces/{namespace}/tables/{table}"

// endpoints are what is served, and told to clients.
var endpoints = []struct {
	method, path string
	serve        handler
	hidden       bool // not part of the list in the configuration
}{
	{"GET", "/config", nil, true}, // set in init: it lists the others
	{"GET", "/namespaces", (*server).listNamespaces, false},
	{"POST", "/namespaces", (*server).createNamespace, false},
	{"GET", "/namespaces/{namespace}", (*server).loadNamespace, false},
	{"HEAD", "/namespaces/{namespace}", (*server).namespaceExists, false},
	{"DELETE", "/namespaces/{namespace}", (*server).dropNamespace, false},
	{"POST", "/namespaces/{namespace}/properties", (*server).updateNamespace, false},
	{"GET", tables, (*server).listTables, false},
	{"POST", tables, (*server).createTable, false},
	{"GET", table1, (*server).loadTable, false},
	{"HEAD", table1, (*server).tableExists, false},
	{"POST", table1, (*server).commitTable, false},
	{"DELETE", table1, (*server).dropTable, false},
	{"POST", table1 + "/metrics", (*server).reportMetrics, false},
	{"POST", "/tables/rename", (*server).renameTable, false},
	{"POST", "/transactions/commit", (*server).commitTransaction, false},
}

func init() { endpoints[0].serve = (*server).config }

const noViews = "this catalog has no views"

// unsupported are parts of the protocol that clients may try, and are told plainly.
var unsupported = []struct{ path, why string }{
	{"/namespaces/{namespace}/views", noViews},
	{"/namespaces/{namespace}/views/{view}", noViews},
	{"/namespaces/{namespace}/register-view", noViews},
	{"/views/rename", noViews},
	{"/namespaces/{namespace}/functions", "this catalog has no functions"},
	{"/namespaces/{namespace}/functions/{function}", "this catalog has no functions"},
	{"/namespaces/{namespace}/register", "tables of elsewhere cannot be registered with this catalog"},
	{table1 + "/credentials", "this catalog hands out no storage credentials: give them to the client"},
	{table1 + "/plan", "this catalog plans no scans"},
	{table1 + "/plan/{plan}", "this catalog plans no scans"},
	{table1 + "/tasks", "this catalog plans no scans"},
	{"/oauth/tokens", "this catalog exchanges no credentials for tokens"},
}

// handle turns a handler's result into a response. Nothing that a request can contain ends the process.
func (s *server) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := func() (a *answer, err error) {
			defer func() {
				if p := recover(); p != nil {
					s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "panic", p)
					err = &apiError{http.StatusInternalServerError, "InternalServerError", "an internal error; the server's log says more"}
				}
			}()
			if r.Body != nil && r.Body != http.NoBody {
				select {
				case s.bodies <- struct{}{}:
					defer func() { <-s.bodies }()
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			}
			return h(s, r)
		}()
		if err != nil {
			e := asAPIError(err)
			if e.status >= 500 {
				s.log.Warn("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
			}
			a = &answer{status: e.status, body: e.body()}
		}
		if a == nil {
			a = &answer{status: http.StatusNoContent}
		}
		s.write(w, r, a)
	}
}

// config tells clients how to use the catalog.
func (s *server) config(r *http.Request) (*answer, error) {
	if w := r.URL.Query().Get("warehouse"); w != "" && w != s.cat.Name() && w != s.cat.Warehouse() && w != s.cat.Warehouse()+"/" {
		return nil, &apiError{http.StatusNotFound, "NotFoundException", "there is no warehouse of this name here; the one that is here is " + s.cat.Name()}
	}
	var list []string
	for _, e := range endpoints {
		if !e.hidden {
			list = append(list, e.method+" /v1/{prefix}"+e.path)
		}
	}
	defaults := s.defaults
	if defaults == nil {
		defaults = map[string]string{}
	}
	return &answer{body: map[string]any{"defaults": defaults, "overrides": map[string]string{}, "endpoints": list}}, nil
}

var errNoBody = errors.New("the request has no body")
