package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// lab holds the servers and programs that the workloads share.
type lab struct {
	scale   float64
	profile string // folder for CPU profiles; empty: none
	binary  string // cdc2lake; built here if empty

	started  time.Time
	dir      string
	floorBin string
	mysql    *testenv.MySQLServer
	s3       *testenv.S3Server
	ends     []func() error
	shared   *shared
	results  []*result
}

// database holds all tables of the benchmark.
const database = "bench"

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(l.started).Seconds(), fmt.Sprintf(format, args...))
}

// count scales a number of rows.
func (l *lab) count(n int64) int64 { return max(100, int64(float64(n)*l.scale)) }

func (l *lab) open(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "cdc2lake-bench-")
	if err != nil {
		return err
	}
	l.dir = dir
	l.ends = append(l.ends, func() error { return os.RemoveAll(dir) })
	if err := l.build(ctx); err != nil {
		return err
	}
	// A source that is careless of power cuts, so that it is fast: it is not what is measured.
	l.mysql, err = testenv.MySQL(ctx, testenv.MySQLOptions{Vars: map[string]string{
		"innodb_buffer_pool_size": "3G", "innodb_redo_log_capacity": "2G", "innodb_flush_log_at_trx_commit": "0", "sync_binlog": "0",
		"binlog_cache_size": "16M", "max_binlog_size": "1G", "innodb_io_capacity": "4000", "innodb_io_capacity_max": "8000", "default_time_zone": "+00:00",
		"max_connections": "300",
	}})
	if err != nil {
		return err
	}
	l.ends = append(l.ends, l.mysql.Stop)
	// A statement does not hear of the context's end, only of its server's.
	unwatch := context.AfterFunc(ctx, func() { _ = l.mysql.Kill() })
	l.ends = append(l.ends, func() error { unwatch(); return nil })
	if l.s3, err = testenv.S3(ctx, testenv.S3Options{Bucket: "lake"}); err != nil {
		return err
	}
	l.ends = append(l.ends, l.s3.Stop)
	l.say("MySQL %s at %s, S3 at %s", l.mysql.Version(), l.mysql.Addr(), l.s3.Endpoint)
	return l.mysql.Exec(ctx, "CREATE DATABASE "+database+" CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
}

func (l *lab) close() error {
	var err error
	for i := len(l.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, l.ends[i]())
	}
	return err
}

func (l *lab) build(ctx context.Context) error {
	l.say("building")
	l.floorBin = filepath.Join(l.dir, "floor.test")
	if err := goBuild(ctx, "test", "-c", "-o", l.floorBin, "github.com/cdc2lake/cdc2lake/iceberg"); err != nil {
		return err
	}
	if l.binary != "" {
		return nil
	}
	l.binary = filepath.Join(l.dir, "cdc2lake")
	return goBuild(ctx, "build", "-trimpath", "-buildvcs=false", "-o", l.binary, program)
}

// program is what is measured.
const program = "github.com/cdc2lake/cdc2lake/cmd/cdc2lake"

func goBuild(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// logEnd is all that MySQL has committed.
func (l *lab) logEnd(ctx context.Context) (mysql.GTIDSet, error) {
	_, gtids, err := l.mysql.BinlogEnd(ctx)
	if err != nil {
		return nil, err
	}
	return mysql.ParseMysqlGTIDSet(gtids)
}

// Rows beyond this are counted on both sides after a workload, and not compared one by one.
const verifyRows = 1_000_000

// check makes sure that a stopped pipeline's tables are MySQL's, and measures the floor with the rows of the first of them.
func (l *lab) check(ctx context.Context, p *pipeline, r *result, tables ...string) error {
	want := int64(0)
	for _, t := range tables {
		rows, err := l.mysql.Query(ctx, "SELECT COUNT(*) FROM "+database+"."+t)
		if err != nil {
			return err
		}
		n, _ := strconv.ParseInt(rows[0][0], 10, 64)
		want += n
	}
	repeat := 5
	if !math.IsNaN(r.floor) { // the same rows as another result's
		repeat = 0
	}
	live, floor, busy, err := l.floor(ctx, p, tables, repeat)
	if err != nil {
		return err
	}
	if live != want {
		return fmt.Errorf("%s: %d rows in MySQL, %d in Iceberg", r.name, want, live)
	}
	if math.IsNaN(r.floor) {
		r.floor = floor
		r.add("floor_busy_per_cpu_s", busy)
	}
	if want > verifyRows {
		return nil
	}
	l.say("%s: comparing %d rows", r.name, want)
	if out, err := p.command(ctx, "verify"); err != nil || !strings.Contains(out, fmt.Sprintf(" %d rows, 0 differences", want)) {
		return fmt.Errorf("%s: verify: %w\n%s", r.name, errors.Join(errors.New("the tables are not proved equal"), err), out)
	}
	return nil
}

// floor scans tables and encodes rows of the first with the same encoder and nothing else: rows per CPU-second of one encoder alone, and
// of one among as many as there are CPUs. With repeat 0 it only counts.
func (l *lab) floor(ctx context.Context, p *pipeline, tables []string, repeat int) (live int64, alone, busy float64, err error) {
	var names []string
	for _, t := range tables {
		names = append(names, database+"."+t)
	}
	in, err := json.Marshal(map[string]any{"Pipeline": p.o.name, "Catalog": p.catalogFile(), "Warehouse": p.warehouse(), "Endpoint": l.s3.Endpoint,
		"Region": l.s3.Region, "AccessKey": l.s3.AccessKey, "SecretKey": l.s3.SecretKey, "Tables": names, "Rows": 500_000, "Repeat": repeat})
	if err != nil {
		return 0, 0, 0, err
	}
	cmd := exec.CommandContext(ctx, l.floorBin, "-test.run", "^TestEncoderFloor$", "-test.timeout", "30m")
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "CDC2LAKE_BENCH_FLOOR="+string(in))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return 0, 0, 0, fmt.Errorf("floor: %w\n%s", err, out.String())
	}
	alone, busy, live = math.NaN(), math.NaN(), -1
	for line := range strings.Lines(out.String()) {
		var rows int64
		var cpu, both float64
		if n, _ := fmt.Sscanf(line, "LIVE %d", &rows); n == 1 {
			live = rows
		}
		if n, _ := fmt.Sscanf(line, "FLOOR rows=%d cpu_s=%f busy_cpu_s=%f", &rows, &cpu, &both); n == 3 {
			alone, busy = float64(rows)/cpu, float64(rows)/both
		}
	}
	return live, alone, busy, nil
}
