package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(n string) (string, bool) { v, ok := vars[n]; return v, ok }
}

const minimal = "version: 1\npipeline: shop\nmysql:\n  url: mysql://u:pw@db.example.com/shop\niceberg:\n  warehouse: file:///lake\n"

func parseOK(t *testing.T, text string, vars map[string]string) *Config {
	t.Helper()
	c, err := Parse("p.yaml", []byte(text), env(vars))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func TestMinimal(t *testing.T) {
	c := parseOK(t, minimal, nil)
	pw, err := c.MySQL.Password.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	uri, err := c.Iceberg.Catalog.URI.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.MySQL.Host, c.MySQL.Port, c.MySQL.User, pw, c.MySQL.TLS.Mode, c.Tables.Include, uri, c.Checkpoints.Store, c.State.Dir,
		time.Duration(c.Checkpoints.Interval), c.HTTP.Listen, c.Iceberg.Catalog.Type, c.Iceberg.Namespace, c.Runtime.Memory}
	want := []any{"db.example.com", 3306, "u", "pw", "verify", []string{"shop.*"}, "/lake/catalog.db", "file:///lake/_cdc2lake/shop", "/lake/_cdc2lake/shop/state",
		10 * time.Second, "127.0.0.1:9187", "sqlite", "{database}", Size(1 << 30)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFull(t *testing.T) {
	pwFile := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(pwFile, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := parseOK(t, `
version: 1
pipeline: shop-2
mysql: {host: "::1", user: u, password: "file:`+pwFile+`", server_id: 77, position: file, port: '${PORT}'}
tables:
  include: ["shop.*", '/crm\..+/']
  exclude: [shop.tmp_*]
  hash_salt: x
  rules:
  - match: shop.customers
    columns: {exclude: [birthday], hash: [email]}
    metadata: [op]
    partition: ["bucket(16, id)", day(created_at), country]
    format_version: 3
    target_file_size: 64MiB
  - {match: shop.*, zero_dates: refuse}
iceberg:
  warehouse: s3://lake/${TENANT}/x/
  catalog: {type: rest, uri: "https://c.example.com/v1", credential: "id:${SECRET}", warehouse: w}
  table: m_{table}
s3: {endpoint: "http://minio:9000", access_key: a, secret_key: b, path_style: false}
checkpoints: {interval: 1s, max_rows: 1_000, max_bytes: 2MB}
http: {listen: "0.0.0.0:80", token: '$${literal}'}
`, map[string]string{"PORT": "3307", "TENANT": "t1", "SECRET": "s: {not yaml"})
	if c.MySQL.Port != 3307 || c.Iceberg.Warehouse != "s3://lake/t1/x" || c.MySQL.TLS.Mode != "off" || *c.S3.PathStyle || c.Checkpoints.MaxRows != 1000 || c.Checkpoints.MaxBytes != 2e6 {
		t.Errorf("%+v", c)
	}
	for s, want := range map[*Secret]string{&c.Iceberg.Catalog.Credential: "id:s: {not yaml", &c.HTTP.Token: "${literal}", &c.MySQL.Password: "first"} {
		if got, err := s.Reveal(); got != want || err != nil {
			t.Errorf("secret %q (%v), want %q", got, err, want)
		}
	}
	if err := os.WriteFile(pwFile, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.MySQL.Password.Reveal(); got != "second" || err != nil {
		t.Errorf("the password file is not read again: %q, %v", got, err)
	}
	if r := c.Rule("shop.customers"); r == nil || r.FormatVersion != 3 || r.TargetFileSize != 64<<20 {
		t.Errorf("rule of customers: %+v", r)
	}
	if r := c.Rule("shop.orders"); r == nil || r.ZeroDates != "refuse" {
		t.Errorf("rule of orders: %+v", r)
	}
	if r := c.Rule("crm.x"); r != nil {
		t.Errorf("rule of crm.x: %+v", r)
	}
}

// TestRefused: text is put in place of, or after, lines of a valid file; the message must hold the wanted parts.
func TestRefused(t *testing.T) {
	const head = "version: 1\npipeline: shop\n"
	const mysql = "mysql: {url: 'mysql://u:pw@db/shop'}\n"
	const ice = "iceberg: {warehouse: 'file:///lake'}\n"
	cases := []struct{ name, text, want string }{
		{"near miss", head + "mysql:\n  url: mysql://u@h\n  pasword: x\n" + ice, "p.yaml:5: mysql.pasword: unknown key|did you mean mysql.password?"},
		{"swapped letters", head + mysql + "icebreg: {}\n", "p.yaml:4: icebreg: unknown key|did you mean iceberg?"},
		{"dashes", head + "mysql: {server-id: 4}\n" + ice, "mysql.server-id: unknown key|did you mean mysql.server_id?"},
		{"other section", head + mysql + ice + "interval: 1s\n", "interval: unknown key|did you mean checkpoints.interval?"},
		{"nonsense", head + mysql + ice + "zzz: 1\n", "zzz: unknown key|known here: version, pipeline"},
		{"nested in a list", head + mysql + ice + "tables:\n  rules:\n  - match: a.b\n    colums: {hash: [x]}\n", "p.yaml:8: tables.rules[0].colums: unknown key|did you mean tables.rules[0].columns?"},
		{"twice", head + mysql + mysql + ice, "p.yaml:4"},
		{"no version", "pipeline: shop\n" + mysql + ice, "version: missing|version: 1"},
		{"newer version", "version: 2\npipeline: shop\n" + mysql + ice, "version: 2 is not supported"},
		{"no pipeline", "version: 1\n" + mysql + ice, "pipeline: missing"},
		{"bad pipeline", "version: 1\npipeline: My Shop\n" + mysql + ice, `"My Shop"`},
		{"no mysql", head + ice, "mysql.url: missing"},
		{"no warehouse", head + mysql, "iceberg.warehouse: missing"},
		{"type", head + "mysql: {url: 'mysql://u@h', port: many}\n" + ice, `mysql.port: "many" is not a whole number`},
		{"bool", head + mysql + "iceberg: {warehouse: 'file:///lake', lower_case: yes}\n", `"yes" is neither true nor false`},
		{"list for value", head + mysql + "iceberg: {warehouse: [a, b]}\n", "iceberg.warehouse: a list, but a single value is expected"},
		{"value for list", head + mysql + ice + "tables: {include: shop.*}\n", "tables.include: a single value, but a list is expected"},
		{"value for section", head + mysql + ice + "log: info\n", "log: a single value, but keys of its own is expected"},
		{"section for value", head + mysql + ice + "http: {listen: {port: 1}}\n", "http.listen: keys of its own, but a single value is expected"},
		{"url and host", head + "mysql: {url: 'mysql://u@h', host: h2}\n" + ice, "mysql.url: contradicts mysql.host"},
		{"two passwords", head + "mysql: {url: 'mysql://u:a@h', password: b}\n" + ice, "mysql.password: mysql.url has a password too"},
		{"driver notation", head + "mysql: {url: 'u:p@tcp(h:1)/db'}\n" + ice, "write mysql://user:password@host:port/database"},
		{"url options", head + "mysql: {url: 'mysql://u@h/db?tls=true'}\n" + ice, "options after ?"},
		{"unset variable", head + "mysql: {url: 'mysql://u@h', password: '${NOPE}'}\n" + ice, "p.yaml:3: mysql.password: the environment variable NOPE is not set"},
		{"empty secret", head + "mysql: {url: 'mysql://u@h', password: ''}\n" + ice, "mysql.password: empty"},
		{"missing secret file", head + "mysql: {url: 'mysql://u@h', password: 'file:/nope'}\n" + ice, "mysql.password: read secret: open /nope"},
		{"pattern", head + mysql + ice + "tables: {include: [shop]}\n", `tables.include[0]: "shop": expected database.table`},
		{"regexp", head + mysql + ice + "tables: {include: ['/(/']}\n", "missing closing )"},
		{"in and out", head + mysql + ice + "tables: {include: [a.b], exclude: [a.b]}\n", "in tables.include too"},
		{"nothing selected", head + mysql + ice + "tables: {include: []}\n", "tables.include: empty"},
		{"exclude and hash", head + mysql + ice + "tables: {rules: [{match: a.b, columns: {exclude: [x], hash: [x]}}]}\n", `column "x" is in columns.exclude too`},
		{"no salt", head + mysql + ice + "tables: {rules: [{match: a.b, columns: {hash: [x]}}]}\n", "set tables.hash_salt"},
		{"same rule", head + mysql + ice + "tables: {rules: [{match: a.b}, {match: a.b}]}\n", "is the pattern of rule 1 too"},
		{"partition", head + mysql + ice + "tables: {rules: [{match: a.b, partition: ['bucket(id)']}]}\n", "tables.rules[0].partition[0]"},
		{"zero_dates", head + mysql + ice + "tables: {rules: [{match: a.b, zero_dates: keep}]}\n", `"keep" is not null or refuse`},
		{"s3 without use", head + mysql + ice + "s3: {region: x}\n", "p.yaml:5: s3: settings of S3, but nothing is stored there"},
		{"half a key", head + mysql + "iceberg: {warehouse: 's3://b', catalog: {uri: /c.db}}\ns3: {access_key: a}\n", "s3.secret_key"},
		{"key and profile", head + mysql + "iceberg: {warehouse: 's3://b', catalog: {uri: /c.db}}\ns3: {access_key: a, secret_key: b, profile: c}\n", "contradicts s3.credentials_file or profile"},
		{"sqlite beside s3", head + mysql + "iceberg: {warehouse: 's3://b'}\n", "iceberg.catalog.uri: missing"},
		{"token for sqlite", head + mysql + "iceberg: {warehouse: 'file:///l', catalog: {token: x}}\n", "iceberg.catalog.token: is for a REST catalog"},
		{"postgres uri", head + mysql + "iceberg: {warehouse: 's3://b', catalog: {type: postgres, uri: '/x'}}\n", "postgres or postgresql"},
		{"hive", head + mysql + "iceberg: {warehouse: 's3://b', catalog: {type: hive, uri: 'thrift://x'}}\n", `"hive" is not sqlite, postgres or rest`},
		{"token and credential", head + mysql + "iceberg: {warehouse: 's3://b', catalog: {type: rest, uri: 'http://c', token: a, credential: b}}\n", "credential is given too"},
		{"one name for all", head + mysql + "iceberg: {warehouse: 'file:///l', table: t}\n", "lacks {table}"},
		{"placeholder", head + mysql + "iceberg: {warehouse: 'file:///l', namespace: '{schema}'}\n", "{schema}"},
		{"warehouse scheme", head + mysql + "iceberg: {warehouse: 'gs://b'}\n", "neither s3://"},
		{"relative warehouse", head + mysql + "iceberg: {warehouse: 'file://dir'}\n", "file:///directory"},
		{"format", head + mysql + "iceberg: {warehouse: 'file:///l', format_version: 1}\n", "1 is not from 2 to 3"},
		{"interval", head + mysql + ice + "checkpoints: {interval: 1ms}\n", "1ms is not from 100ms to 1h"},
		{"unit", head + mysql + ice + "checkpoints: {interval: 10}\n", `"10" is not a duration`},
		{"size", head + mysql + ice + "runtime: {memory: 1 gig}\n", "is not a size"},
		{"open port", head + mysql + ice + "http: {listen: ':9187'}\n", "can be reached from other machines"},
		{"tls off with ca", head + "mysql: {url: 'mysql://u@h', tls: {mode: 'off', server_name: x}}\n" + ice, "mysql.tls.mode: off, but"},
		{"readers", head + "mysql: {url: 'mysql://u@h', load: {readers: 9, max_connections: 2}}\n" + ice, "2 connections cannot serve 9 readers"},
		{"anchor", head + mysql + "iceberg: &x {warehouse: 'file:///lake'}\n", "anchors"},
		{"two documents", minimal + "---\nversion: 1\n", "second document"},
		{"not yaml", head + "mysql: [\n", "not valid YAML"},
		{"empty", "# nothing\n", "the file is empty"},
		{"a list", "- a\n", "a list, but keys of its own"},
		{"huge", strings.Repeat("#", maxFileBytes+1), "at most"},
		{"deep", "version: " + strings.Repeat("[", 2000) + strings.Repeat("]", 2000), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(c.text), env(nil))
			e := cdc.AsError(err)
			if e == nil || e.Code != CodeConfig {
				t.Fatalf("got %v", err)
			}
			all := e.Error() + "\n" + e.Remedy()
			for w := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(all, w) {
					t.Errorf("want %q in\n%s", w, all)
				}
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("p.yaml", []byte("version: 1\npipeline: shop\nmysql: {urk: x}\nhtp: {}\nlog: {level: loud}\n"), env(nil))
	if s := err.Error(); !strings.Contains(s, "mysql.urk") || !strings.Contains(s, "htp") {
		t.Error(s)
	}
}

// Every way to print a configuration and every message about it must keep the secrets.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const s = "hunter2"
	c := parseOK(t, "version: 1\npipeline: shop\nmysql: {url: 'mysql://u:hunter2@db/shop'}\n"+
		"iceberg: {warehouse: 's3://b', catalog: {type: rest, uri: 'https://x:hunter2@c', token: hunter2}}\n"+
		"s3: {access_key: a, secret_key: hunter2, session_token: hunter2}\nhttp: {token: hunter2}\n", nil)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, c)
	}
	fmt.Fprintf(&out, "%v %s %q %d %x %+v %#v", c.HTTP.Token, c.HTTP.Token, c.HTTP.Token, c.HTTP.Token, c.HTTP.Token, &c.HTTP.Token, &c.HTTP.Token)
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "c", c, "t", c.HTTP.Token)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "t", c.HTTP.Token)

	for _, text := range []string{
		"mysql: {url: 'mysql://u:hunter2@h:99999'}", "mysql: {url: 'mysql://u:hunter2@h?x=1'}", "mysql: {url: 'u:hunter2@tcp(h)/'}",
		"mysql: {url: 'mysql://u:hunter2%zz@h'}", "mysql: {password: hunter2, passwordd: hunter2}", "mysql: {url: 'mysql://u:a@h', password: hunter2}",
		"mysql: {password: [hunter2]}", "mysql:\n  password: hunter2\n bad: [", "mysql: {password: &a hunter2}",
		"iceberg: {warehouse: 's3://a:hunter2@b'}", "iceberg: {warehouse: 's3://b', catalog: {type: postgres, uri: 'mysql://u:hunter2@h'}}",
		"s3: {endpoint: 'ftp://u:hunter2@h'}", "mysql: {password: \"hunter2", "mysql: {password: hunter2\nx",
	} {
		_, err := Parse("p.yaml", []byte(text), env(nil))
		if err == nil {
			t.Errorf("accepted: %s", text)
			continue
		}
		fmt.Fprintf(&out, "%v %s\n", err, cdc.AsError(err).Remedy())
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, s) || strings.Contains(line, "68756e74657232") {
			t.Errorf("printed: %s", line)
		}
	}
}

func TestKeysAreInStepWithConfig(t *testing.T) {
	fields := map[string]bool{}
	var walk func(reflect.Type, string)
	walk = func(ty reflect.Type, path string) {
		for i := range ty.NumField() {
			name := ty.Field(i).Tag.Get("yaml")
			if name == "" {
				continue
			}
			f, p := ty.Field(i).Type, join(path, name)
			if f.Kind() == reflect.Slice && f.Elem().Kind() == reflect.Struct {
				f, p = f.Elem(), p+"[]"
			}
			if f.Kind() == reflect.Struct && f != reflect.TypeFor[Secret]() {
				walk(f, p)
			} else {
				fields[p] = true
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	for _, k := range Keys {
		if !fields[k.Path] {
			t.Errorf("the table has %s, and Config does not, or the table has it twice", k.Path)
		}
		delete(fields, k.Path)
	}
	for p := range fields {
		t.Errorf("Config has %s, and the table does not", p)
	}
}

var commentedKey = regexp.MustCompile(`(?m)^( *)#([^# \n])`)

func TestInitFile(t *testing.T) {
	text := InitFile()
	c := parseOK(t, text, map[string]string{"MYSQL_PASSWORD": "x"})
	if c.Pipeline != "shop" || c.Iceberg.Catalog.Type != "sqlite" {
		t.Errorf("%+v", c)
	}
	// With every key uncommented it has all keys, at the right places. It need not make sense.
	all := commentedKey.ReplaceAllString(text, "$1$2")
	p := &problems{name: "init"}
	cfg := Defaults()
	parse([]byte(all), cfg, p, func(string) (string, bool) { return "x", true })
	if err := p.err(); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	for _, k := range Keys {
		path := strings.ReplaceAll(k.Path, "[]", "[0]")
		if cfg.lines[path] == 0 && k.Path != "mysql.password" {
			t.Errorf("%s is not in the file:\n%s", path, all)
		}
	}
	for i, l := range strings.Split(text, "\n") {
		if len(l) > 140 {
			t.Errorf("line %d has %d columns", i+1, len(l))
		}
	}
}

// Run with UPDATE_DOCS=1 (make docs) to write the page.
func TestConfigurationPage(t *testing.T) {
	const path = "../../../docs/configuration.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Error("docs/configuration.md is not what the table says: run make docs")
	}
}

func TestFromFlags(t *testing.T) {
	t.Setenv("MYSQL_PWD", "pw")
	dir := t.TempDir()
	c, err := FromFlags("default", "mysql://root@127.0.0.1:3307/shop", "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	if pw, err := c.MySQL.Password.Reveal(); pw != "pw" || err != nil {
		t.Errorf("%q, %v", pw, err)
	}
	if !strings.HasPrefix(c.State.Dir, dir) || c.MySQL.Port != 3307 || c.MySQL.TLS.Mode != "off" || c.Tables.Include[0] != "shop.*" {
		t.Errorf("%+v", c)
	}
	if _, err := FromFlags("default", "root@h", "file:///x"); err == nil {
		t.Error("accepted")
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1": 1, "4096B": 4096, "1KiB": 1024, "3 MiB": 3 << 20, "2GB": 2e9, "1TiB": 1 << 40} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "-1", "1k", "MiB", "1.5GiB", "99999999TiB", "1 2"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q gives %d", text, s)
		}
	}
	for s, want := range map[Size]string{0: "0", 1 << 20: "1MiB", 1536: "1536", 3 << 30: "3GiB"} {
		if s.String() != want {
			t.Errorf("%d prints %s", int64(s), s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	f.Add(InitFile())
	f.Add("a: &b [*b]\n")
	f.Add("? [a]: b\n")
	f.Add("tables: {rules: [{match: a.b}, ]}")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse("f", []byte(text), env(nil))
		if err != nil && cdc.AsError(err) == nil {
			t.Errorf("without a code: %v", err)
		}
	})
}
