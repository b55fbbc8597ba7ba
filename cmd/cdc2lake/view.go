package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// view looks at a pipeline from outside: at its records and tables. It takes no generation and writes no table.
type view struct {
	cfg     *config.Config
	objs    *objstore.Client
	records *checkpoint.Store
	sink    *iceberg.Sink // nil until it is needed
}

func openView(ctx context.Context, cfg *config.Config) (*view, error) {
	objs, err := openObjects(cfg, nil, commandPatience, 0)
	if err != nil {
		return nil, err
	}
	records, err := newRecords(ctx, cfg, objs)
	if err != nil {
		objs.Close()
		return nil, err
	}
	return &view{cfg: cfg, objs: objs, records: records}, nil
}

func (v *view) close() {
	if v.sink != nil {
		_ = v.sink.Close() // it was only read
	}
	v.objs.Close()
}

// tables lists all tables that the newest record names, or one of them.
func (v *view) tables(ctx context.Context, only *cdc.TableID) ([]tableInfo, error) {
	rec, err := v.records.Newest(ctx)
	if err != nil || rec == nil {
		return nil, err
	}
	if v.sink == nil {
		if v.sink, err = openSink(ctx, v.cfg, v.objs, budget{slots: 1}, nil, slog.New(slog.DiscardHandler)); err != nil {
			return nil, err
		}
	}
	var out []tableInfo
	for id, e := range rec.Tables {
		if only != nil && id != *only {
			continue
		}
		t, err := v.describe(ctx, rec, id, e)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Table < out[j].Table })
	return out, nil
}

func (v *view) describe(ctx context.Context, rec *checkpoint.Record, id cdc.TableID, e cdc.Entry) (tableInfo, error) {
	t := tableInfo{Table: id.String(), Position: e.Position, Checkpoint: e.ID.K, Paused: e.Paused, State: stateOf(cdc.LoadState{}, e.Paused)}
	if e.Paused == nil {
		// The record covers the log up to its position for every table that is not paused.
		t.Micros = rec.Micros
	}
	info, err := v.sink.Info(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	t.Iceberg, t.Format = strings.Join(info.Ident, "."), info.FormatVersion
	t.Rows, t.Deleted, t.Files, t.Bytes = info.Records-info.Deleted, info.Deleted, info.DataFiles, info.Bytes
	if info.Snapshot != nil {
		t.Snapshot = *info.Snapshot
	}
	m := info.Markers.Ancestry
	if m == nil {
		m = info.Markers.Property
	}
	if m != nil {
		t.State, t.RowsRead = stateOf(m.Load, e.Paused), m.Load.Rows
	}
	if t.State != "live" {
		t.Micros = 0
	}
	return t, nil
}

// checkCatalog connects to the catalog. A SQLite catalog that does not exist yet is not made.
func checkCatalog(ctx context.Context, cfg *config.Config) ([]finding, error) {
	ok := finding{ok: true, fatal: true, message: cfg.Iceberg.Catalog.Type + " catalog answers"}
	if cfg.Iceberg.Catalog.Type == "sqlite" {
		path, err := cfg.Iceberg.Catalog.URI.Reveal()
		if err != nil {
			return nil, secretError("iceberg.catalog.uri", err)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			ok.message = "sqlite catalog " + path + " is made at the first run"
			return []finding{ok}, writable(filepath.Dir(path), "iceberg.catalog.uri")
		}
		ok.message = "sqlite catalog " + path + " can be read"
	}
	objs, err := openObjects(cfg, nil, commandPatience, 0)
	if err != nil {
		return nil, err
	}
	defer objs.Close()
	sink, err := openSink(ctx, cfg, objs, budget{slots: 1}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	// Any name will do: the answer is that there is no such table.
	if _, err := sink.Info(ctx, cdc.TableID{Database: "cdc2lake_check", Name: "cdc2lake_check"}); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return []finding{ok}, nil
}
