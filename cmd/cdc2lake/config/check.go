package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// checker looks for values that cannot be used and settings that contradict each other, and resolves what depends on
// other settings.
type checker struct {
	*Config
	p *problems
}

func (c *Config) check(p *problems) {
	k := &checker{c, p}
	k.general()
	k.mysql()
	k.tables()
	k.iceberg()
	k.s3()
	k.limits()
}

// bad reports a problem at a key.
func (c *checker) bad(path, fix, format string, args ...any) {
	line := c.lines[path]
	if line == 0 {
		line = c.lines[indexes.ReplaceAllString(path, "")]
	}
	for at := path; line == 0; line = c.lines[at] { // a key that is missing: its section
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			break
		}
		at = at[:i]
	}
	c.p.add(line, path, fmt.Sprintf(format, args...), fix)
}

func (c *checker) oneOf(path, v string, allowed ...string) {
	if !slices.Contains(allowed, v) {
		c.bad(path, "", "%q is not %s", v, list(allowed))
	}
}

func list(s []string) string {
	if len(s) == 1 {
		return s[0]
	}
	return strings.Join(s[:len(s)-1], ", ") + " or " + s[len(s)-1]
}

var pipelineName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (c *checker) general() {
	switch {
	case c.Version == 0:
		c.bad("version", fmt.Sprintf("begin the file with version: %d", Version), "missing")
	case c.Version != Version:
		c.bad("version", "use the release of cdc2lake that the file was written for", "%d is not supported, this program reads %d", c.Version, Version)
	}
	if c.Pipeline == "" {
		c.bad("pipeline", "give the pipeline a name", "missing")
	} else if !pipelineName.MatchString(c.Pipeline) {
		c.bad("pipeline", "", "%q is not a name of at most 63 lower-case letters, digits, - and _", c.Pipeline)
	}
	c.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", c.Log.Format, "text", "json")
	if c.HTTP.Listen == "off" {
		return
	}
	host, _, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		c.bad("http.listen", "", "%q is not host:port, or off", c.HTTP.Listen)
	} else if !isLoopback(host) && c.HTTP.Token.IsZero() {
		c.bad("http.listen", "set http.token, or listen on 127.0.0.1", "%s can be reached from other machines, and there is no http.token", c.HTTP.Listen)
	}
	c.secret("http.token", c.HTTP.Token)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secret refuses a secret that cannot be read, or is empty: an unset value is rarely meant.
func (c *checker) secret(path string, s Secret) {
	if s.IsZero() {
		if c.lines[path] > 0 {
			c.bad(path, "leave the key out if there is none", "empty")
		}
		return
	}
	if v, err := s.Reveal(); err != nil {
		c.bad(path, "", "%v", err)
	} else if v == "" {
		c.bad(path, "", "the file %s is empty", s.File())
	}
}

func (c *checker) mysql() {
	m := &c.MySQL
	c.secret("mysql.url", m.URL)
	c.secret("mysql.password", m.Password)
	if !m.URL.IsZero() {
		if m.Host != "" || m.Port != 0 || m.User != "" {
			c.bad("mysql.url", "use either mysql.url, or mysql.host, port and user", "contradicts mysql.host, port or user")
			return
		}
		text, err := m.URL.Reveal()
		if err != nil {
			return // reported
		}
		u, err := parseURL(text)
		if err != nil {
			c.bad("mysql.url", "", "%v", err)
			return
		}
		if !u.password.IsZero() && !m.Password.IsZero() {
			c.bad("mysql.password", "keep one of them", "mysql.url has a password too")
		}
		m.Host, m.Port, m.User = u.host, u.port, u.user
		if m.Password.IsZero() {
			m.Password = u.password
		}
		if u.database != "" && c.lines["tables.include"] == 0 {
			c.Tables.Include = []string{u.database + ".*"}
		}
	}
	if m.Host == "" {
		c.bad("mysql.url", "set mysql.url, or mysql.host and mysql.user", "missing")
	} else if m.User == "" {
		c.bad("mysql.user", "", "missing")
	}
	if m.Port == 0 {
		m.Port = 3306
	}
	c.between("mysql.port", int64(m.Port), 1, 65535)
	c.between("mysql.server_id", m.ServerID, 0, 1<<32-1)
	c.oneOf("mysql.position", m.Position, "auto", "gtid", "file")
	c.oneOf("mysql.tls.mode", m.TLS.Mode, "auto", "verify", "skip-verify", "off")
	if (m.TLS.CertFile == "") != (m.TLS.KeyFile == "") {
		c.bad("mysql.tls.cert_file", "set both", "mysql.tls.cert_file and key_file belong together")
	}
	if m.TLS.Mode == "auto" {
		m.TLS.Mode = "verify"
		if (isLoopback(m.Host) || m.IsSocket()) && m.TLS == (MySQLTLS{Mode: "verify"}) {
			m.TLS.Mode = "off"
		}
	}
	if m.TLS.Mode == "off" && m.TLS != (MySQLTLS{Mode: "off"}) {
		c.bad("mysql.tls.mode", "leave the files and server_name out, or set mode: verify", "off, but certificates or a server name are given")
	}
	if m.TLS.Mode == "skip-verify" && (m.TLS.CAFile != "" || m.TLS.ServerName != "") {
		c.bad("mysql.tls.mode", "set mode: verify", "skip-verify checks nothing, but ca_file or server_name is given")
	}
	c.file("mysql.tls.ca_file", m.TLS.CAFile)
	c.file("mysql.tls.cert_file", m.TLS.CertFile)
	c.file("mysql.tls.key_file", m.TLS.KeyFile)
	if m.Load.Replica != "" {
		if _, _, err := net.SplitHostPort(m.Load.Replica); err != nil {
			c.bad("mysql.load.replica", "", "%q is not host:port", m.Load.Replica)
		}
	}
	c.between("mysql.load.readers", int64(m.Load.Readers), 1, 64)
	c.between("mysql.load.chunk_rows", int64(m.Load.ChunkRows), 100, 1_000_000)
	c.between("mysql.load.rows_per_second", m.Load.RowsPerSecond, 0, 1<<40)
	c.between("mysql.load.max_connections", int64(m.Load.MaxConnections), 1, 1024)
	if m.Load.MaxConnections < m.Load.Readers && c.lines["mysql.load.max_connections"] > 0 && c.lines["mysql.load.readers"] > 0 {
		c.bad("mysql.load.max_connections", "raise max_connections or lower readers", "%d connections cannot serve %d readers", m.Load.MaxConnections, m.Load.Readers)
	}
	m.Load.Readers = min(m.Load.Readers, max(1, m.Load.MaxConnections))
	c.patterns("mysql.load.order", m.Load.Order)
}

func (c *checker) file(path, name string) {
	if name == "" {
		return
	}
	if _, err := os.Stat(name); err != nil {
		c.bad(path, "", "%v", err)
	}
}

func (c *checker) between(path string, v, low, high int64) {
	if v < low || v > high {
		c.bad(path, "", "%d is not from %d to %d", v, low, high)
	}
}

func (c *checker) patterns(path string, list []string) {
	for i, s := range list {
		if _, err := CompilePattern(s); err != nil {
			c.bad(fmt.Sprintf("%s[%d]", path, i), "", "%q: %v", s, err)
		}
	}
}

// MetadataColumns are the columns that a rule may add; each becomes _cdc_NAME.
var MetadataColumns = []string{"op", "ts", "pos"}

func (c *checker) tables() {
	if len(c.Tables.Include) == 0 {
		if c.lines["tables.include"] > 0 {
			c.bad("tables.include", "name the tables, or leave the key out for all", "empty")
		}
		c.Tables.Include = []string{"*.*"}
	}
	c.patterns("tables.include", c.Tables.Include)
	c.patterns("tables.exclude", c.Tables.Exclude)
	for _, s := range c.Tables.Exclude {
		if slices.Contains(c.Tables.Include, s) {
			c.bad("tables.exclude", "", "%q is in tables.include too", s)
		}
	}
	c.secret("tables.hash_salt", c.Tables.HashSalt)
	c.oneOf("tables.reload", c.Tables.Reload, "auto", "manual")
	seen := map[string]int{}
	for i, r := range c.Tables.Rules {
		at := fmt.Sprintf("tables.rules[%d]", i)
		if r.Match == "" {
			c.bad(at+".match", "", "missing")
			continue
		}
		if _, err := CompilePattern(r.Match); err != nil {
			c.bad(at+".match", "", "%q: %v", r.Match, err)
		}
		if j, ok := seen[r.Match]; ok {
			c.bad(at+".match", "put both into one rule: the first that matches applies", "%q is the pattern of rule %d too", r.Match, j+1)
		}
		seen[r.Match] = i
		if len(r.Columns.Hash) > 0 && c.Tables.HashSalt.IsZero() {
			c.bad(at+".columns.hash", "set tables.hash_salt", "hashes without a salt can be undone by trying all values")
		}
		for _, col := range r.Columns.Exclude {
			if slices.Contains(r.Columns.Hash, col) {
				c.bad(at+".columns.hash", "", "column %q is in columns.exclude too", col)
			}
		}
		for _, m := range r.Metadata {
			c.oneOf(at+".metadata", m, MetadataColumns...)
		}
		if r.ZeroDates != "" {
			c.oneOf(at+".zero_dates", r.ZeroDates, "null", "refuse")
		}
		if r.Reload != "" {
			c.oneOf(at+".reload", r.Reload, "auto", "manual")
		}
		if r.FormatVersion != 0 {
			c.between(at+".format_version", int64(r.FormatVersion), 2, 3)
		}
		if r.TargetFileSize != 0 {
			c.size(at+".target_file_size", r.TargetFileSize, 1<<20, 8<<30)
		}
		for j, f := range r.Partition {
			if !partitionField.MatchString(f) {
				c.bad(fmt.Sprintf("%s.partition[%d]", at, j), "", "%q is not a column, or year, month, day, hour, bucket(n, …) or truncate(n, …) of one", f)
			}
		}
	}
}

var partitionField = regexp.MustCompile(`^\s*([^\s(),]+|(year|month|day|hour|identity)\(\s*[^\s(),]+\s*\)|(bucket|truncate)\(\s*[1-9]\d{0,8}\s*,\s*[^\s(),]+\s*\))\s*$`)

func (c *checker) size(path string, v, low, high Size) {
	if v < low || v > high {
		c.bad(path, "", "%s is not from %s to %s", v, low, high)
	}
}

func (c *checker) iceberg() {
	i := &c.Iceberg
	dir, isFile := c.warehouseDir()
	cat := &i.Catalog
	c.oneOf("iceberg.catalog.type", cat.Type, "sqlite", "postgres", "rest")
	c.secret("iceberg.catalog.uri", cat.URI)
	c.secret("iceberg.catalog.token", cat.Token)
	c.secret("iceberg.catalog.credential", cat.Credential)
	if cat.Type != "rest" {
		for path, set := range map[string]bool{"token": !cat.Token.IsZero(), "credential": !cat.Credential.IsZero(),
			"oauth_uri": cat.OAuthURI != "", "scope": cat.Scope != "", "warehouse": cat.Warehouse != ""} {
			if set {
				c.bad("iceberg.catalog."+path, "leave it out, or set iceberg.catalog.type: rest", "is for a REST catalog, and the type is %s", cat.Type)
			}
		}
	}
	uri, err := cat.URI.Reveal()
	switch {
	case err != nil: // reported
	case cat.Type == "sqlite" && uri == "" && isFile:
		cat.URI = NewSecret(filepath.Join(dir, "catalog.db"))
	case uri == "" && i.Warehouse != "":
		c.bad("iceberg.catalog.uri", "name the "+map[string]string{"sqlite": "database file, on storage that is kept: it is what names the tables",
			"postgres": "database as postgres://user:password@host/database", "rest": "catalog as https://host/path"}[cat.Type], "missing")
	case cat.Type == "sqlite" && strings.Contains(uri, "://"):
		c.bad("iceberg.catalog.uri", "", "the type is sqlite, so the path of a file is expected")
	case cat.Type == "postgres":
		c.url("iceberg.catalog.uri", uri, "postgres", "postgresql")
	case cat.Type == "rest":
		c.url("iceberg.catalog.uri", uri, "http", "https")
		if !cat.Token.IsZero() && !cat.Credential.IsZero() {
			c.bad("iceberg.catalog.token", "keep one of them", "iceberg.catalog.credential is given too")
		}
		if cat.Credential.IsZero() && (cat.OAuthURI != "" || cat.Scope != "") {
			c.bad("iceberg.catalog.credential", "", "missing: oauth_uri and scope are used with it")
		}
	}
	c.template("iceberg.namespace", i.Namespace)
	c.template("iceberg.table", i.Table)
	if !strings.Contains(i.Table, "{table}") {
		c.bad("iceberg.table", "", "%q lacks {table}, so all tables would have one name", i.Table)
	}
	c.between("iceberg.format_version", int64(i.FormatVersion), 2, 3)
	c.size("iceberg.target_file_size", i.TargetFileSize, 1<<20, 8<<30)
	if h := i.HistoryTable(); h != nil && (len(h) < 2 || slices.ContainsFunc(h, func(s string) bool { return s == "" || strings.TrimSpace(s) != s || strings.ContainsAny(s, "/\\`\"{}") })) {
		c.bad("iceberg.ddl_history", "", "%q is neither namespace.table nor off", i.DDLHistory)
	}

	if i.Warehouse == "" {
		return
	}
	i.Warehouse = strings.TrimRight(i.Warehouse, "/")
	if c.Checkpoints.Store == "" {
		c.Checkpoints.Store = i.Warehouse + "/_cdc2lake/" + c.Pipeline
	}
	if c.State.Dir == "" {
		if isFile {
			c.State.Dir = filepath.Join(dir, "_cdc2lake", c.Pipeline, "state")
		} else if cache, err := os.UserCacheDir(); err == nil {
			c.State.Dir = filepath.Join(cache, "cdc2lake", c.Pipeline)
		} else {
			c.bad("state.dir", "", "missing, and there is no cache directory: %v", err)
		}
	}
}

// warehouseDir returns the directory of a file:// warehouse.
func (c *checker) warehouseDir() (dir string, isFile bool) {
	w := c.Iceberg.Warehouse
	if w == "" {
		c.bad("iceberg.warehouse", "set it to s3://bucket/prefix or file:///directory", "missing")
		return "", false
	}
	u, err := url.Parse(w)
	switch {
	case err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		c.bad("iceberg.warehouse", "", "not a location such as s3://bucket/prefix or file:///directory")
	case u.Scheme == "s3" && u.Host != "":
		return "", false
	case u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/") && filepath.Clean(u.Path) != "/":
		return filepath.Clean(u.Path), true
	case u.Scheme == "file":
		c.bad("iceberg.warehouse", "write file:///directory with three slashes", "%q is not an absolute directory", w)
	default:
		c.bad("iceberg.warehouse", "", "%q is neither s3://bucket/prefix nor file:///directory", w)
	}
	return "", false
}

func (c *checker) url(path, s string, schemes ...string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		c.bad(path, "", "not a URL that begins with %s://", list(schemes)) // the text may hold a password
	}
}

var placeholder = regexp.MustCompile(`\{[^}]*\}?`)

func (c *checker) template(path, s string) {
	if s == "" {
		c.bad(path, "", "empty")
	}
	for _, p := range placeholder.FindAllString(s, -1) {
		if p != "{database}" && p != "{table}" {
			c.bad(path, "", "%q is not {database} or {table}", p)
		}
	}
}

func (c *checker) s3() {
	s := &c.S3
	if (s.AccessKey == "") != s.SecretKey.IsZero() {
		c.bad("s3.secret_key", "set both, or neither to use the usual chain of credentials", "s3.access_key and secret_key belong together")
	}
	if s.AccessKey != "" && (s.CredentialsFile != "" || s.Profile != "") {
		c.bad("s3.access_key", "keep one of them", "contradicts s3.credentials_file or profile")
	}
	if !s.SessionToken.IsZero() && s.AccessKey == "" {
		c.bad("s3.session_token", "", "needs s3.access_key and secret_key")
	}
	c.secret("s3.secret_key", s.SecretKey)
	c.secret("s3.session_token", s.SessionToken)
	c.file("s3.credentials_file", s.CredentialsFile)
	c.file("s3.ca_file", s.CAFile)
	if s.Endpoint != "" {
		c.url("s3.endpoint", s.Endpoint, "http", "https")
	}
	if strings.HasPrefix(c.Iceberg.Warehouse, "file:") && !strings.HasPrefix(c.Checkpoints.Store, "s3:") && *s != (S3{}) {
		c.bad("s3", "remove the section, or set iceberg.warehouse to s3://bucket/prefix", "settings of S3, but nothing is stored there")
	}
}

// ShardMemory is the share of runtime.memory below which a shard would mostly wait and write tiny row groups.
const ShardMemory Size = 32 << 20

func (c *checker) limits() {
	cp := &c.Checkpoints
	if d := time.Duration(cp.Interval); d < 100*time.Millisecond || d > time.Hour {
		c.bad("checkpoints.interval", "", "%s is not from 100ms to 1h", d)
	}
	c.between("checkpoints.max_rows", cp.MaxRows, 1, 1<<40)
	c.size("checkpoints.max_bytes", cp.MaxBytes, 1<<20, 1<<40)
	if !strings.HasPrefix(cp.Store, "s3://") && !strings.HasPrefix(cp.Store, "file:///") && cp.Store != "" {
		c.bad("checkpoints.store", "", "%q is neither s3://bucket/prefix nor file:///directory", cp.Store)
	}
	c.between("runtime.parallelism", int64(c.Runtime.Parallelism), 0, 128)
	c.size("runtime.memory", c.Runtime.Memory, 256<<20, 1<<42)
	if n := Size(c.Runtime.Parallelism); n > 0 && c.Runtime.Memory >= 256<<20 && c.Runtime.Memory/n < ShardMemory {
		c.bad("runtime.parallelism", "lower it, or raise runtime.memory", "%d shards need at least %s, and runtime.memory is %s", n, n*ShardMemory, c.Runtime.Memory)
	}
}
