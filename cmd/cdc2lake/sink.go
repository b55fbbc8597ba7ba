package main

import (
	"context"
	"log/slog"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream"
)

// openSink connects to the catalog.
func openSink(ctx context.Context, cfg *config.Config, objs *objstore.Client, mem budget, meter cdc.MeterFunc, log *slog.Logger) (*iceberg.Sink, error) {
	cat, err := catalogConfig(cfg)
	if err != nil {
		return nil, err
	}
	return iceberg.Open(ctx, iceberg.Options{
		Pipeline: cfg.Pipeline, Catalog: cat, Store: objs, StateDir: cfg.State.Dir, Slots: mem.slots,
		Naming:  iceberg.Naming{Namespace: cfg.Iceberg.Namespace, Table: cfg.Iceberg.Table, KeepCase: !cfg.Iceberg.LowerCase},
		History: cfg.Iceberg.HistoryTable(),
		Tables:  tableOptions(cfg), Log: log, Meter: meter,
		BufferBytes: int(mem.buffer), EncoderBytes: mem.encoder, BuildBytes: mem.build,
	})
}

func catalogConfig(cfg *config.Config) (iceberg.CatalogConfig, error) {
	c := &cfg.Iceberg.Catalog
	out := iceberg.CatalogConfig{Type: c.Type, Name: c.Name, Warehouse: cfg.Iceberg.Warehouse, Properties: map[string]string{}}
	if c.Type == "rest" {
		out.Warehouse = c.Warehouse
	}
	for _, s := range []struct {
		key  string
		from config.Secret
		to   *string
	}{{"uri", c.URI, &out.URI}, {"token", c.Token, &out.Token}, {"credential", c.Credential, &out.Credential}} {
		v, err := s.from.Reveal()
		if err != nil {
			return out, secretError("iceberg.catalog."+s.key, err)
		}
		*s.to = v
	}
	for k, v := range map[string]string{"oauth2-server-uri": c.OAuthURI, "scope": c.Scope} {
		if v != "" {
			out.Properties[k] = v
		}
	}
	return out, nil
}

// tableOptions says how a table is written: as its rule wants it, or else as all are.
func tableOptions(cfg *config.Config) func(cdc.TableID) iceberg.TableOptions {
	return func(t cdc.TableID) iceberg.TableOptions {
		o := iceberg.TableOptions{FormatVersion: cfg.Iceberg.FormatVersion, TargetFileBytes: int64(cfg.Iceberg.TargetFileSize)}
		r := cfg.Rule(t.String())
		if r == nil {
			return o
		}
		o.Partition = r.Partition
		if r.FormatVersion != 0 {
			o.FormatVersion = r.FormatVersion
		}
		if r.TargetFileSize != 0 {
			o.TargetFileBytes = int64(r.TargetFileSize)
		}
		return o
	}
}

// autoReload says which tables are loaded anew without being asked.
func autoReload(cfg *config.Config) func(cdc.TableID) bool {
	return func(t cdc.TableID) bool {
		how := cfg.Tables.Reload
		if r := cfg.Rule(t.String()); r != nil && r.Reload != "" {
			how = r.Reload
		}
		return how == "auto"
	}
}

// streamSink is the Iceberg sink as the runtime wants it. iceberg does not import stream, so it returns its own types.
type streamSink struct {
	*iceberg.Sink
	failed func(code string) // told of commits that failed
}

type streamWriter struct{ *iceberg.SlotWriter }

var (
	_ stream.Sink        = streamSink{}
	_ stream.History     = streamSink{}
	_ stream.ShardWriter = streamWriter{}
	_ stream.Prepared    = (*iceberg.SlotPrepared)(nil)
)

func (s streamSink) Shard(slot int) (stream.ShardWriter, error) {
	w, err := s.Sink.Shard(slot)
	if err != nil {
		return nil, err
	}
	return streamWriter{w}, nil
}

func (w streamWriter) Prepare(ctx context.Context, k uint64) (stream.Prepared, error) {
	p, err := w.SlotWriter.Prepare(ctx, k)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s streamSink) Commit(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, parts map[cdc.TableID]cdc.Part) (map[cdc.TableID]cdc.Outcome, error) {
	out, err := s.Sink.Commit(ctx, gen, id, parts)
	if err != nil && ctx.Err() == nil {
		s.failed(codeName(err))
	}
	return out, err
}
