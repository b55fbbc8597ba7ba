package restcatalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"
)

// spaces is an endless body.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

// request sends one request and returns status and body.
func (e *env) request(method, path string, body io.Reader, header ...string) (int, []byte) {
	e.t.Helper()
	req, err := http.NewRequest(method, e.srv.URL+path, body)
	e.must(err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	e.must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	e.must(err)
	return res.StatusCode, b
}

func TestHostileRequests(t *testing.T) {
	e := newEnv(t, "sqlite")
	tbl := e.create(table.Identifier{"n", "t"})
	_, before := e.request("GET", "/v1/namespaces/n/tables/t", nil)
	schema := `{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","type":"int","required":true}]}`
	commit := func(updates string) string { return `{"requirements":[],"updates":[` + updates + `]}` }
	deep := strings.Repeat("[", 100000)
	for _, c := range []struct {
		method, path, body string
		status             int
		typ                string
	}{
		{"POST", "/v1/namespaces/n/tables/t", `{`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `[]`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", ``, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `{} {}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", deep, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `{"updates":` + deep + `}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `{"requirements":[{"type":"assert-nothing"}],"updates":[]}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `{"requirements":[null],"updates":[null]}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"drop-everything"}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"add-snapshot"}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"add-snapshot","snapshot":{"snapshot-id":-1}}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":7}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"set-current-schema","schema-id":99}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"upgrade-format-version","format-version":99}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"assign-uuid","uuid":"11111111-1111-1111-1111-111111111111"}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"set-location","location":"file:///etc"}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"set-location","location":"` + e.warehouse + `/../x"}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", commit(`{"action":"set-properties","updates":{"write.metadata.path":"file:///etc"}}`), 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/t", `{"identifier":{"namespace":["n"],"name":"other"},"requirements":[],"updates":[]}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables/none", commit(""), 404, "NoSuchTableException"},
		{"GET", "/v1/namespaces/n/tables/..%2Ft", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces/n%1F%1F/tables/t", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces/n/tables/%00", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces/n/tables/" + strings.Repeat("x", 300), ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces/x/tables", ``, 404, "NoSuchNamespaceException"},
		{"GET", "/v1/namespaces/n';DROP TABLE iceberg_tables;--/tables", ``, 404, "NoSuchNamespaceException"},
		{"GET", "/v1/namespaces?pageSize=0&pageToken=", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces?pageSize=ten", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces?pageToken=%25", ``, 400, "BadRequestException"},
		{"GET", "/v1/namespaces?pageSize=99999999999999999999", ``, 200, ""},
		{"GET", "/v1/namespaces?parent=x", ``, 404, "NoSuchNamespaceException"},
		{"POST", "/v1/namespaces", `{"namespace":[]}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces", `{"namespace":["a.b"]}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces", `{"namespace":["n"]}`, 409, "AlreadyExistsException"},
		{"POST", "/v1/namespaces", `{"namespace":["m"],"properties":{"exists":"x"}}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/properties", `{"removals":["a"],"updates":{"a":"b"}}`, 422, "UnprocessableEntityException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"x"}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"","schema":` + schema + `}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"x","schema":` + schema + `,"location":"s3://elsewhere/x"}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"x","schema":` + schema + `,"properties":{"format-version":"seven"}}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"x","schema":` + schema + `,"partition-spec":{"spec-id":0,"fields":[{"source-id":9,"field-id":1000,"name":"p","transform":"identity"}]}}`, 400, "BadRequestException"},
		{"POST", "/v1/namespaces/n/tables", `{"name":"t","schema":` + schema + `}`, 409, "AlreadyExistsException"},
		{"POST", "/v1/namespaces/x/tables", `{"name":"t","schema":` + schema + `}`, 404, "NoSuchNamespaceException"},
		{"POST", "/v1/namespaces/x/tables", `{"name":"t","stage-create":true,"schema":` + schema + `}`, 404, "NoSuchNamespaceException"},
		{"POST", "/v1/tables/rename", `{"source":{"namespace":["n"],"name":"t"}}`, 400, "BadRequestException"},
		{"POST", "/v1/tables/rename", `{"source":{"namespace":["n"],"name":"u"},"destination":{"namespace":["n"],"name":"v"}}`, 404, "NoSuchTableException"},
		{"POST", "/v1/transactions/commit", `{"table-changes":[]}`, 400, "BadRequestException"},
		{"POST", "/v1/transactions/commit", `{"table-changes":[{"requirements":[],"updates":[]}]}`, 400, "BadRequestException"},
		{"POST", "/v1/transactions/commit", `{"table-changes":[` + strings.Repeat("{},", maxChanges) + `{}]}`, 400, "BadRequestException"},
		{"POST", "/v1/transactions/commit", `{"table-changes":[` + strings.Repeat(`{"identifier":{"namespace":["n"],"name":"t"}},`, 2) + `null]}`, 400, "BadRequestException"},
		{"DELETE", "/v1/namespaces/n/tables/t?purgeRequested=true", ``, 406, "UnsupportedOperationException"},
		{"GET", "/v1/namespaces/n/views", ``, 406, "UnsupportedOperationException"},
		{"POST", "/v1/namespaces/n/views", `{}`, 406, "UnsupportedOperationException"},
		{"POST", "/v1/namespaces/n/register", `{}`, 406, "UnsupportedOperationException"},
		{"GET", "/v1/namespaces/n/tables/t/credentials", ``, 406, "UnsupportedOperationException"},
		{"POST", "/v1/oauth/tokens", `grant_type=client_credentials`, 406, "UnsupportedOperationException"},
		{"GET", "/v1/config?warehouse=other", ``, 404, "NotFoundException"},
		{"GET", "/v2/config", ``, 404, "NotFoundException"},
		{"PATCH", "/v1/namespaces", ``, 404, "NotFoundException"},
	} {
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		path := strings.NewReplacer(" ", "%20", ";", "%3B").Replace(c.path)
		status, got := e.request(c.method, path, body)
		name := fmt.Sprintf("%s %.60s %.80s", c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, status, c.status, got)
			continue
		}
		if c.status >= 400 {
			var w struct {
				Error struct {
					Message, Type string
					Code          int
				}
			}
			if err := json.Unmarshal(got, &w); err != nil || w.Error.Type != c.typ || w.Error.Code != c.status || w.Error.Message == "" {
				t.Errorf("%s: %s, want type %s, code %d", name, got, c.typ, c.status)
			}
		}
	}
	if status, got := e.request("POST", "/v1/namespaces", spaces{}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: %d %s", status, got)
	}
	for _, h := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		if status, got := e.request("POST", "/v1/namespaces", strings.NewReader(`{"namespace":["evil"]}`), h...); status != http.StatusForbidden {
			t.Errorf("a request across sites: %d %s", status, got)
		}
	}
	if _, after := e.request("GET", "/v1/namespaces/n/tables/t", nil); !bytes.Equal(before, after) {
		t.Errorf("the table was changed:\n%s\n%s", before, after)
	}
	if n := e.metadataFiles(tbl); n != 1 {
		t.Errorf("%d metadata files, want 1", n)
	}
}

// No answer holds the storage's credentials, whatever is asked for.
func TestNoCredentials(t *testing.T) {
	e := newEnv(t, "sqlite")
	e.create(table.Identifier{"n", "t"})
	for _, p := range []string{"/v1/config", "/v1/namespaces/n/tables/t", "/v1/namespaces/n/tables/t/credentials"} {
		if _, got := e.request("GET", p, nil, "X-Iceberg-Access-Delegation", "vended-credentials,remote-signing"); bytes.Contains(got, []byte(secret)) {
			t.Errorf("%s holds the secret key: %s", p, got)
		}
	}
	if _, got := e.request("GET", "/v1/config", nil); !bytes.Contains(got, []byte(`"s3.region":"eu-north-1"`)) {
		t.Errorf("the defaults are missing: %s", got)
	}
}

func TestUnchangedTableIsNotSentAgain(t *testing.T) {
	e := newEnv(t, "sqlite")
	e.create(table.Identifier{"n", "t"})
	res, err := http.Get(e.srv.URL + "/v1/namespaces/n/tables/t")
	e.must(err)
	res.Body.Close()
	tag := res.Header.Get("ETag")
	if status, b := e.request("GET", "/v1/namespaces/n/tables/t", nil, "If-None-Match", tag); status != http.StatusNotModified || len(b) > 0 {
		t.Errorf("status %d, %d bytes, want 304 and none", status, len(b))
	}
}

// Whatever a commit contains, the server neither fails inside nor changes the table's identity.
func FuzzCommit(f *testing.F) {
	e := newEnv(f, "sqlite")
	tbl := e.create(table.Identifier{"n", "t"})
	for _, s := range []any{snapshot(tbl, 1), []table.Update{table.NewAddSchemaUpdate(testSchema), table.NewSetCurrentSchemaUpdate(-1)},
		[]table.Update{table.NewRemoveSchemasUpdate([]int{0})}, []table.Update{table.NewUpgradeFormatVersionUpdate(3)}} {
		b, err := json.Marshal(map[string]any{"requirements": expectHead(tbl), "updates": s})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := *e
		e.t = t
		status, got := e.request("POST", "/v1/namespaces/n/tables/t", bytes.NewReader(b))
		if status >= 500 {
			t.Errorf("%d %s", status, got)
		}
		if now := e.load(table.Identifier{"n", "t"}); now.Metadata().TableUUID() != tbl.Metadata().TableUUID() {
			t.Error("another uuid")
		}
	})
}
