package mysql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Source replicates from one server. It implements cdc.Source; methods may be called concurrently, Follow once at a time.
type Source struct {
	cfg      Config
	patterns atomic.Pointer[patterns]
	pool     *pool
	ctx      context.Context
	cancel   context.CancelFunc

	delivered *delivered
	rate      *rateLimit
	batches   batchPools

	mu sync.Mutex // guards fk
	fk func(t cdc.TableID, flags uint16)
}

var (
	_ cdc.Source = (*Source)(nil)
	_ cdc.Loader = (*Source)(nil)
)

// New checks the configuration and returns a source; it does not connect yet.
func New(cfg Config) (*Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := compilePatterns(cfg.Include, cfg.Exclude)
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, delivered: newDelivered(), rate: newRateLimit(cfg.Load.RowsPerSecond),
		batches: batchPools{pools: map[cdc.TableID]*cdc.BatchPool{}}}
	s.patterns.Store(p)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	addr := cfg.Address
	if cfg.Load.Replica != "" {
		addr = cfg.Load.Replica
	}
	s.pool = newPool(&s.cfg, addr, cfg.Load.MaxConnections)
	return s, nil
}

// Select selects other tables from the next Discover on.
func (s *Source) Select(include, exclude []string) error {
	p, err := compilePatterns(include, exclude)
	if err == nil {
		s.patterns.Store(p)
	}
	return err
}

// Compare orders two positions of this source's log. It fails with code MYSQL_HISTORY if they come from
// different histories, or from log files of different servers.
func (s *Source) Compare(a, b cdc.Position) (int, error) {
	pa, err := decodePosition(a)
	if err != nil {
		return 0, err
	}
	pb, err := decodePosition(b)
	if err != nil {
		return 0, err
	}
	return comparePositions(pa, pb)
}

// Loader returns the source itself.
func (s *Source) Loader() cdc.Loader { return s }

// Close ends all connections; a running Follow or Read fails.
func (s *Source) Close() error {
	s.cancel()
	s.pool.close()
	return nil
}

// useGTIDs decides how the log is followed.
func (s *Source) useGTIDs(cn *conn) (bool, error) {
	if s.cfg.LogMode == "file" {
		return false, nil
	}
	on, err := cn.hasGTIDs()
	if err == nil && s.cfg.LogMode == "gtid" && !on {
		return false, &cdc.Error{Code: codePreflight, Msg: "gtid_mode is not ON, and the configuration asks for GTIDs"}
	}
	return on, err
}

// hasGTIDs reports whether all transactions have GTIDs.
func (cn *conn) hasGTIDs() (bool, error) {
	if cn.dialect.gtidMode == "" {
		return true, nil
	}
	row, err := cn.queryRow(cn.dialect.gtidMode)
	return err == nil && row[0] == "ON", err
}

// currentPosition returns the log's present end. With GTIDs it is the set of published transactions, without a
// place in the files: that place would be ahead of the set, since transactions are written before they are published.
func (s *Source) currentPosition(cn *conn, gtids bool) (position, error) {
	if gtids {
		row, err := cn.queryRow(cn.dialect.gtids)
		if err != nil {
			return position{}, err
		}
		set, err := parseGTIDs(row[0], cn.dialect.mariadb)
		if err != nil {
			return position{}, err
		}
		return position{Server: cn.uuid, GTIDMode: true, GTIDs: set.String(), MariaDB: cn.dialect.mariadb}, nil
	}
	return filePosition(cn)
}

// filePosition returns the end of the log as written.
func filePosition(cn *conn) (position, error) {
	rows, err := cn.query(cn.dialect.logStatus)
	if err != nil {
		return position{}, err
	}
	if len(rows) == 0 {
		return position{}, &cdc.Error{Code: codePreflight, Msg: "the binary log is off", Fix: "start the server with --log-bin"}
	}
	p := position{Server: cn.uuid, File: rows[0][0]}
	if _, err := fmt.Sscan(rows[0][1], &p.Pos); err != nil {
		return position{}, protocolError("log position %q", rows[0][1])
	}
	return p, nil
}

// CurrentPosition returns the log's present end: everything that a SELECT started earlier has seen and that was
// published lies before it, or is delivered after it.
func (s *Source) CurrentPosition(ctx context.Context) (cdc.Position, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return "", err
	}
	defer cn.close()
	gtids, err := s.useGTIDs(cn)
	if err != nil {
		return "", err
	}
	p, err := s.currentPosition(cn, gtids)
	if err != nil {
		return "", err
	}
	return p.encode(), nil
}

// End returns the log's end as written (DESIGN 4: not gtid_executed, which rows can precede).
func (s *Source) End(ctx context.Context) (cdc.Position, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return "", err
	}
	defer cn.close()
	p, err := filePosition(cn)
	if err != nil {
		return "", err
	}
	return p.encode(), nil
}

// OnForeignKeys sets a function that is told of rows events in which the server says that it leaves cascades to SQL
// statements of the log (USE_SQL_FOREIGN_KEY_F), or that it does not; nothing acts on it yet.
func (s *Source) OnForeignKeys(f func(t cdc.TableID, flags uint16)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fk = f
}
