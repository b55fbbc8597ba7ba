package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// newSource makes the source of a configuration; it does not connect yet.
func newSource(cfg *config.Config, obs mysql.Observer, log *slog.Logger) (*mysql.Source, error) {
	m := &cfg.MySQL
	salt, err := cfg.Tables.HashSalt.Reveal()
	if err != nil {
		return nil, secretError("tables.hash_salt", err)
	}
	c := mysql.Config{
		Address: m.Host,
		User:    m.User,
		TLS: mysql.TLSConfig{
			Mode: map[string]string{"verify": "verify-full", "skip-verify": "require", "off": "disabled"}[m.TLS.Mode],
			CA:   m.TLS.CAFile, Cert: m.TLS.CertFile, Key: m.TLS.KeyFile, ServerName: m.TLS.ServerName,
		},
		ServerID:     uint32(m.ServerID),
		Include:      cfg.Tables.Include,
		Exclude:      cfg.Tables.Exclude,
		LogMode:      map[string]string{"auto": "", "gtid": "gtid", "file": "file"}[m.Position],
		TableOptions: func(t cdc.TableID) binlog.TableOptions { return decodeOptions(cfg.Rule(t.String()), salt) },
		Load: mysql.LoadConfig{Replica: m.Load.Replica, ChunkRows: m.Load.ChunkRows, RowsPerSecond: int(m.Load.RowsPerSecond),
			MaxConnections: m.Load.MaxConnections},
		KeySeed:  cdc.Seed(cfg.Pipeline),
		Logger:   log,
		Observer: obs,
	}
	if !m.IsSocket() {
		c.Address = net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	}
	// A file is left to the source, which reads it again at every connect.
	if c.PasswordFile = m.Password.File(); c.PasswordFile == "" {
		if c.Password, err = m.Password.Reveal(); err != nil {
			return nil, secretError("mysql.password", err)
		}
	}
	return mysql.New(c)
}

func decodeOptions(r *config.Rule, salt string) binlog.TableOptions {
	if r == nil {
		return binlog.TableOptions{}
	}
	o := binlog.TableOptions{Exclude: r.Columns.Exclude, Hash: r.Columns.Hash, Salt: salt,
		Boolean: r.Columns.Boolean, Microseconds: r.Columns.Microseconds, WKB: r.Columns.WKB, ZeroDates: binlog.ZeroDates(r.ZeroDates)}
	for _, m := range r.Metadata {
		switch m {
		case "op":
			o.MetaOp = binlog.DefaultMetaOp
		case "ts":
			o.MetaTS = binlog.DefaultMetaTS
		case "pos":
			o.MetaPos = binlog.DefaultMetaPos
		}
	}
	return o
}

func secretError(key string, err error) error {
	return &cdc.Error{Code: config.CodeConfig, Msg: key, Err: err}
}

// openObjects makes the client of all storage. patience bounds its retries, inflight the bytes on their way; 0: as usual for a
// service.
func openObjects(cfg *config.Config, obs objstore.Observer, patience time.Duration, inflight int64) (*objstore.Client, error) {
	s := &cfg.S3
	secret, err := s.SecretKey.Reveal()
	if err != nil {
		return nil, secretError("s3.secret_key", err)
	}
	session, err := s.SessionToken.Reveal()
	if err != nil {
		return nil, secretError("s3.session_token", err)
	}
	c, err := objstore.NewClient(objstore.Config{
		Endpoint: s.Endpoint, Region: s.Region, PathStyle: s.PathStyle,
		AccessKey: s.AccessKey, SecretKey: objstore.Secret(secret), SessionToken: objstore.Secret(session),
		CredentialsFile: s.CredentialsFile, Profile: s.Profile, CAFile: s.CAFile, Observer: obs, RetryFor: patience, MaxInflight: inflight,
	})
	if err != nil {
		return nil, &cdc.Error{Code: config.CodeConfig, Msg: "s3", Err: err}
	}
	return c, nil
}

// newRecords opens the checkpoint store.
func newRecords(ctx context.Context, cfg *config.Config, c *objstore.Client) (*checkpoint.Store, error) {
	objs, err := c.Store(ctx, cfg.Checkpoints.Store)
	if err != nil {
		return nil, &cdc.Error{Code: config.CodeConfig, Msg: "checkpoints.store", Err: err}
	}
	return checkpoint.NewStore(objs, cfg.Pipeline), nil
}

// runPipeline wires a configuration together and runs it. Its file is read again with each of hangups.
func runPipeline(ctx context.Context, cfg *config.Config, obs *observation, hangups <-chan os.Signal) (err error) {
	mem := budgetOf(cfg)
	src, err := newSource(cfg, obs.source(), obs.log)
	if err != nil {
		return err
	}
	defer src.Close()
	objs, err := openObjects(cfg, obs, 0, mem.inflight)
	if err != nil {
		return err
	}
	defer objs.Close()
	records, err := newRecords(ctx, cfg, objs)
	if err != nil {
		return err
	}
	sink, err := awaitSink(ctx, cfg, objs, mem, obs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	compare, err := newComparer(cfg, src, objs)
	if err != nil {
		return err
	}
	defer compare.close()
	order := loadOrder(cfg)
	var watching sync.WaitGroup
	watch, stop := context.WithCancel(ctx)
	defer watching.Wait()
	defer stop()
	watching.Go(func() { src.WatchEnd(watch, askEvery, obs.board.coveredPosition, obs.logEnd) })
	watching.Go(func() { obs.watchExpiry(watch, src) })
	again := make(chan string, 1)
	r := &rereading{cfg: cfg, now: cfg, src: src, obs: obs, again: again}
	watching.Go(func() { r.run(watch, hangups) })
	target := streamSink{sink, obs.metrics.CommitFailed}
	return stream.Run(ctx, stream.Options{
		Source: observedSource{src, func(ds []cdc.Discovered) {
			order(ds)
			if len(ds) == 0 {
				obs.log.Warn("no table is selected", "remedy", "correct tables.include and tables.exclude; the user sees only tables that it may SELECT from")
			}
			for _, d := range ds {
				obs.board.update(d.Table, func(s *tableStatus) { s.Estimate = d.Rows })
			}
		}},
		Sink: target, History: target,
		Store: records, Groups: cdc.SplitGroups(cdc.Groups, mem.slots),
		Interval: time.Duration(cfg.Checkpoints.Interval), MaxRows: min(cfg.Checkpoints.MaxRows, mem.changes), MaxBytes: int64(cfg.Checkpoints.MaxBytes),
		QueueBytes: mem.queue, Readers: cfg.MySQL.Load.Readers,
		Reload:   autoReload(cfg),
		Again:    again,
		Comparer: compare,
		Observer: obs.stream(), Logger: obs.log,
	})
}

// askEvery is how often the server is asked where its log ends; less in tests.
var askEvery = 5 * time.Second

// A catalog that is away for a moment should not end a service that was just started; one that is away for longer is
// more likely a mistake in the configuration, and somebody should be told.
const (
	sinkPatience = time.Minute
	sinkDelay    = 2 * time.Second
)

// awaitSink opens the sink, and tries again for a while.
func awaitSink(ctx context.Context, cfg *config.Config, objs *objstore.Client, mem budget, obs *observation) (*iceberg.Sink, error) {
	if cfg.Iceberg.Catalog.Type == "sqlite" {
		path, err := cfg.Iceberg.Catalog.URI.Reveal()
		if err != nil {
			return nil, secretError("iceberg.catalog.uri", err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, &cdc.Error{Code: config.CodeConfig, Msg: "iceberg.catalog.uri", Err: err, Fix: "name a directory that can be written"}
		}
	}
	for since := time.Now(); ; {
		sink, err := openSink(ctx, cfg, objs, mem, obs.meters.of, obs.log)
		if err == nil || cdc.ClassOf(err) != cdc.Retryable || time.Since(since) > sinkPatience {
			return sink, err
		}
		obs.health.NotReady(err.Error())
		obs.metrics.Error(codeName(err), cdc.Retryable.String())
		obs.log.Warn("cannot open the catalog, trying again", "err", err, "in", sinkDelay)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(sinkDelay):
		}
	}
}

// loadOrder sorts tables by the first pattern of mysql.load.order that matches, then by name.
func loadOrder(cfg *config.Config) func([]cdc.Discovered) {
	var ps []config.Pattern
	for _, s := range cfg.MySQL.Load.Order {
		if p, err := config.CompilePattern(s); err == nil { // checked when it was read
			ps = append(ps, p)
		}
	}
	rank := func(t cdc.TableID) int {
		i := slices.IndexFunc(ps, func(p config.Pattern) bool { return p.Match(t.String()) })
		if i < 0 {
			return len(ps)
		}
		return i
	}
	return func(ds []cdc.Discovered) {
		slices.SortStableFunc(ds, func(a, b cdc.Discovered) int {
			if d := rank(a.Table) - rank(b.Table); d != 0 || a.Table == b.Table {
				return d
			}
			if a.Table.Less(b.Table) {
				return -1
			}
			return 1
		})
	}
}
