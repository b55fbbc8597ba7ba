// Package config is the configuration of cdc2lake: one YAML file, read strictly.
//
// Every key stands in one table (Keys) with its default and meaning; the file that `cdc2lake init` writes and
// docs/configuration.md are made from it, defaults are applied from it, and a test keeps it in step with Config.
package config

import (
	"strings"
	"sync/atomic"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Version is the format of the file.
const Version = 1

// Config is a whole configuration. Fields of type Secret never print.
type Config struct {
	Version     int         `yaml:"version"`
	Pipeline    string      `yaml:"pipeline"`
	MySQL       MySQL       `yaml:"mysql"`
	Tables      Tables      `yaml:"tables"`
	Iceberg     Iceberg     `yaml:"iceberg"`
	S3          S3          `yaml:"s3"`
	Checkpoints Checkpoints `yaml:"checkpoints"`
	State       State       `yaml:"state"`
	Runtime     Runtime     `yaml:"runtime"`
	HTTP        HTTP        `yaml:"http"`
	Log         Log         `yaml:"log"`

	rules atomic.Pointer[[]Rule] // that took the place of Tables.Rules

	lines map[string]int // path: line in the file, of the keys that it sets
	name  string         // of the file, for messages
}

// MySQL says how to reach the source.
type MySQL struct {
	URL      Secret   `yaml:"url"`
	Host     string   `yaml:"host"`
	Port     int      `yaml:"port"`
	User     string   `yaml:"user"`
	Password Secret   `yaml:"password"`
	TLS      MySQLTLS `yaml:"tls"`
	ServerID int64    `yaml:"server_id"`
	Position string   `yaml:"position"`
	Load     Load     `yaml:"load"`
}

// MySQLTLS is the encryption of connections to MySQL.
type MySQLTLS struct {
	Mode       string `yaml:"mode"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// Load configures initial loads.
type Load struct {
	Replica        string   `yaml:"replica"`
	Readers        int      `yaml:"readers"`
	ChunkRows      int      `yaml:"chunk_rows"`
	RowsPerSecond  int64    `yaml:"rows_per_second"`
	MaxConnections int      `yaml:"max_connections"`
	Order          []string `yaml:"order"`
}

// Tables selects tables and says how each is written.
type Tables struct {
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`
	// HashSalt goes into the hashes of Columns.Hash.
	HashSalt Secret `yaml:"hash_salt"`
	Reload   string `yaml:"reload"`
	Rules    []Rule `yaml:"rules"`
}

// Rule holds options of the tables that match. Empty options mean the general ones.
type Rule struct {
	Match          string   `yaml:"match"`
	Columns        Columns  `yaml:"columns"`
	Metadata       []string `yaml:"metadata"`
	ZeroDates      string   `yaml:"zero_dates"`
	Reload         string   `yaml:"reload"`
	FormatVersion  int      `yaml:"format_version"`
	Partition      []string `yaml:"partition"`
	TargetFileSize Size     `yaml:"target_file_size"`
}

// Columns are treated before anything is written.
type Columns struct {
	Exclude []string `yaml:"exclude"`
	Hash    []string `yaml:"hash"`

	Boolean      []string `yaml:"boolean"`
	Microseconds []string `yaml:"microseconds"`
	WKB          []string `yaml:"wkb"`
}

// Iceberg says where tables go.
type Iceberg struct {
	Warehouse      string  `yaml:"warehouse"`
	Catalog        Catalog `yaml:"catalog"`
	Namespace      string  `yaml:"namespace"`
	Table          string  `yaml:"table"`
	LowerCase      bool    `yaml:"lower_case"`
	FormatVersion  int     `yaml:"format_version"`
	TargetFileSize Size    `yaml:"target_file_size"`
	DDLHistory     string  `yaml:"ddl_history"`
}

// HistoryTable is the Iceberg name of the history of statements, nil if there is to be none.
func (i *Iceberg) HistoryTable() []string {
	if i.DDLHistory == "off" {
		return nil
	}
	return strings.Split(i.DDLHistory, ".")
}

// Catalog is the Iceberg catalog.
type Catalog struct {
	Type       string `yaml:"type"`
	URI        Secret `yaml:"uri"`
	Name       string `yaml:"name"`
	Warehouse  string `yaml:"warehouse"`
	Token      Secret `yaml:"token"`
	Credential Secret `yaml:"credential"`
	OAuthURI   string `yaml:"oauth_uri"`
	Scope      string `yaml:"scope"`
}

// S3 is the storage of s3:// locations.
type S3 struct {
	Endpoint        string `yaml:"endpoint"`
	Region          string `yaml:"region"`
	PathStyle       *bool  `yaml:"path_style"`
	AccessKey       string `yaml:"access_key"`
	SecretKey       Secret `yaml:"secret_key"`
	SessionToken    Secret `yaml:"session_token"`
	CredentialsFile string `yaml:"credentials_file"`
	Profile         string `yaml:"profile"`
	CAFile          string `yaml:"ca_file"`
}

// Checkpoints says how often tables are committed, and where the records are kept.
type Checkpoints struct {
	Interval Duration `yaml:"interval"`
	MaxRows  int64    `yaml:"max_rows"`
	MaxBytes Size     `yaml:"max_bytes"`
	Store    string   `yaml:"store"`
}

// State is the keyed state on local disk.
type State struct {
	Dir string `yaml:"dir"`
}

// Runtime bounds what the process uses.
type Runtime struct {
	Parallelism int  `yaml:"parallelism"`
	Memory      Size `yaml:"memory"`
}

// HTTP is the server of metrics, health and status.
type HTTP struct {
	Listen string `yaml:"listen"`
	Token  Secret `yaml:"token"`
}

// Log configures the log.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// CodeConfig: the configuration cannot be used.
var CodeConfig = cdc.NewCode("CONFIG", cdc.Fatal, "the configuration has an unknown key, a value that cannot be used, or settings that contradict each other",
	"correct the line that the message names; docs/configuration.md lists all keys")

// File is the name of the file that the configuration was read from; empty: it comes from flags.
func (c *Config) File() string { return c.name }

// UseRules has Rule go by the rules of a configuration that was read later. Rule may be called meanwhile.
func (c *Config) UseRules(next *Config) { c.rules.Store(&next.Tables.Rules) }

// IsSocket reports whether Host is the path of a Unix socket.
func (m *MySQL) IsSocket() bool { return strings.HasPrefix(m.Host, "/") }
