package mysql

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// Config says which server and which of its tables to replicate. The zero value of a field is its default.
type Config struct {
	// Address is host:port, or the path of a Unix socket.
	Address string
	User    string
	// Password, or PasswordFile (read again on each connect; a final line end is not part of it), or PasswordEnv.
	Password, PasswordFile, PasswordEnv string
	TLS                                 TLSConfig
	// ServerID is the replication server id. 0: a random one for each process.
	ServerID uint32

	// Include and Exclude select tables: db.table with * and ?, or /regular expression/ over db.table.
	Include, Exclude []string
	// TableOptions returns the options of a table; nil: defaults for all.
	TableOptions func(cdc.TableID) binlog.TableOptions

	// LogMode is "gtid", "file", or "" for what the server's gtid_mode says.
	LogMode string
	// Heartbeat is the longest silence of the server's log; 5 s by default. A connection that is silent for four
	// heartbeats is given up.
	Heartbeat time.Duration
	Load      LoadConfig
	// KeySeed seeds the hashes of keys; see cdc.Seed.
	KeySeed  uint64
	Logger   *slog.Logger
	Observer Observer

	xaMemory int // bytes of rows that are held for XA transactions; less in tests
}

// LoadConfig says how initial loads read.
type LoadConfig struct {
	// Replica is the address of a server to read from instead of Address (GTIDs only); same user and TLS settings.
	Replica string
	// ChunkRows is the number of rows of a chunk; 25,000 by default.
	ChunkRows int
	// RowsPerSecond caps the reading of all tables together; 0: no cap.
	RowsPerSecond int
	// MaxConnections caps the connections of chunk readers; 8 by default.
	MaxConnections int
	// WaitTimeout is how long a chunk waits until what the log delivered is visible; 60 s by default.
	WaitTimeout time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Address == "" {
		return c, configError("source.address is missing (host:port, or the path of a socket)")
	}
	if c.User == "" {
		return c, configError("source.user is missing")
	}
	n := 0
	for _, s := range []string{c.Password, c.PasswordFile, c.PasswordEnv} {
		if s != "" {
			n++
		}
	}
	if n > 1 {
		return c, configError("password, password_file and password_env: give only one of them")
	}
	switch c.LogMode {
	case "", "gtid", "file":
	default:
		return c, configError("log mode %q: expected gtid, file, or nothing for what the server has", c.LogMode)
	}
	if c.LogMode == "file" && c.Load.Replica != "" {
		return c, configError("load.replica needs GTIDs: without them nobody can say how far a replica has come")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 5 * time.Second
	}
	if c.Heartbeat < 100*time.Millisecond || c.Heartbeat > time.Hour {
		return c, configError("heartbeat %s: expected 100ms to 1h", c.Heartbeat)
	}
	if c.xaMemory == 0 {
		c.xaMemory = 64 << 20
	}
	if c.Load.ChunkRows == 0 {
		c.Load.ChunkRows = 25000
	}
	if c.Load.MaxConnections == 0 {
		c.Load.MaxConnections = 8
	}
	if c.Load.WaitTimeout == 0 {
		c.Load.WaitTimeout = time.Minute
	}
	if c.Load.ChunkRows < 1 || c.Load.RowsPerSecond < 0 || c.Load.MaxConnections < 1 {
		return c, configError("load: chunk_rows and max_connections must be at least 1, rows_per_second at least 0")
	}
	if c.ServerID == 0 {
		// A random id of 31 bits, above the small numbers that people give: it neither meets another replica nor the
		// dump of our own predecessor that the server has not noticed to be dead.
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return c, fmt.Errorf("server id: %w", err)
		}
		c.ServerID = binary.LittleEndian.Uint32(b[:])>>2 | 1<<30
	}
	if c.TableOptions == nil {
		c.TableOptions = func(cdc.TableID) binlog.TableOptions { return binlog.TableOptions{} }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// password reads the password anew: files and variables may be rotated while the process runs.
func (c *Config) password() (string, error) {
	switch {
	case c.PasswordFile != "":
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", cdc.Errorf(codeAccess, cdc.TableID{}, "password file: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
	case c.PasswordEnv != "":
		p, ok := os.LookupEnv(c.PasswordEnv)
		if !ok {
			return "", cdc.Errorf(codeAccess, cdc.TableID{}, "the environment variable %s (password_env) is not set", c.PasswordEnv)
		}
		return p, nil
	}
	return c.Password, nil
}
