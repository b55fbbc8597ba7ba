// Command demo shows cdc2lake on one machine, without Docker: a real MySQL with a small shop, an S3 server, and the
// service, which loads the tables while they are being changed, is killed once, and ends with tables that are compared
// row by row. Run it with `make demo`, or `make demo KEEP=1` to look at the result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func main() {
	keep := flag.Bool("keep", false, "leave everything up at the end, until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d := &demo{started: time.Now(), keep: *keep}
	last, err := d.run(ctx)
	if err != nil && d.service != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w\n%s", err, d.service.saveLog())
	}
	err = errors.Join(err, d.cleanUp())
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: failed:", err)
		os.Exit(1)
	}
	fmt.Println(last)
}

// demo holds what has to be ended, in the reverse order of the starts.
type demo struct {
	started time.Time
	keep    bool
	ends    []func() error

	dir     string // of the service: configuration, catalog, state, log
	mysql   *testenv.MySQLServer
	s3      *testenv.S3Server
	service *service
}

func (d *demo) say(format string, args ...any) {
	fmt.Printf("%5.1fs  %s\n", time.Since(d.started).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) cleanUp() error {
	var err error
	for i := len(d.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, d.ends[i]())
	}
	return err
}

// run plays the demo, and returns the line with its result.
func (d *demo) run(ctx context.Context) (string, error) {
	if err := d.servers(ctx); err != nil {
		return "", err
	}
	if err := d.createShop(ctx); err != nil {
		return "", err
	}
	if err := d.build(ctx); err != nil {
		return "", err
	}

	w := startWriters(ctx, d.mysql)
	defer w.stop() //nolint:errcheck // its error counts only where the writers are stopped in order
	if err := d.service.start(); err != nil {
		return "", err
	}
	d.say("cdc2lake started; %d writers insert, update, delete and change keys meanwhile", len(writers))
	if err := d.service.await(ctx, "part of the initial load is committed", func(s status) bool {
		d.progress(s, w)
		return s.Checkpoint > 0 && s.read() > 0
	}); err != nil {
		return "", err
	}
	d.service.kill()
	d.say("killed cdc2lake with SIGKILL in the middle of the load (%d changes so far), starting it again", w.changes.Load())
	if err := d.service.start(); err != nil {
		return "", err
	}
	if err := d.service.await(ctx, "the initial load is complete", func(s status) bool {
		d.progress(s, w)
		return s.allLive()
	}); err != nil {
		return "", err
	}
	d.say("the initial load is complete; writing for another three seconds")
	live := w.changes.Load()
	after := time.NewTimer(3 * time.Second)
	defer after.Stop()
	select {
	case <-after.C:
	case <-w.failed:
	case <-ctx.Done():
	}
	if err := w.stop(); err != nil {
		return "", err
	}
	d.say("writers stopped after %d changes, %d of them since the load", w.changes.Load(), w.changes.Load()-live)
	if err := d.awaitEnd(ctx); err != nil {
		return "", err
	}
	d.say("caught up with MySQL; comparing every table row by row")
	res, err := d.compare(ctx)
	if err != nil {
		return "", err
	}
	d.howToQuery()
	if d.keep {
		fmt.Printf("\nEverything stays up until Ctrl-C, or kill %d. MySQL: %s, log of cdc2lake: %s\n", os.Getpid(), d.mysql.DSN(shop), d.service.logFile())
		<-ctx.Done()
		fmt.Println()
	} else if err := d.service.stop(); err != nil {
		return "", err
	}
	line := fmt.Sprintf("demo: %d tables, %d rows, %d changes, %d differences", len(tables), res.rows, w.changes.Load(), res.differences)
	if res.differences > 0 {
		return "", errors.New(line)
	}
	return line, nil
}

// servers starts MySQL and the S3 server.
func (d *demo) servers(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "cdc2lake-demo-")
	if err != nil {
		return err
	}
	d.dir = dir
	d.ends = append(d.ends, func() error { return os.RemoveAll(dir) })
	if dsn := os.Getenv("CDC2LAKE_MYSQL_DSN"); dsn != "" {
		d.mysql, err = testenv.ExternalMySQL(ctx, dsn)
	} else {
		d.say("starting MySQL (the first time it is fetched, about a minute)")
		d.mysql, err = testenv.MySQL(ctx, testenv.MySQLOptions{})
	}
	if err != nil {
		if errors.Is(err, testenv.ErrUnavailable) {
			err = fmt.Errorf("%w\nOn another system than Debian or Ubuntu for amd64: install a MySQL so that mysqld is on PATH, "+
				"or name a server with CDC2LAKE_MYSQL_DSN=root:PASSWORD@tcp(HOST:PORT)/", err)
		}
		return err
	}
	d.ends = append(d.ends, d.mysql.Stop)
	d.say("MySQL %s at %s", d.mysql.Version(), d.mysql.Addr())
	if d.s3, err = testenv.S3(ctx, testenv.S3Options{Bucket: "lake"}); err != nil {
		return err
	}
	d.ends = append(d.ends, d.s3.Stop)
	d.say("S3 server at %s, bucket %s", d.s3.Endpoint, d.s3.Bucket)
	return nil
}

// build makes the program and its configuration.
func (d *demo) build(ctx context.Context) error {
	d.say("building cdc2lake")
	s := &service{dir: d.dir, program: filepath.Join(d.dir, "cdc2lake")}
	if err := goBuild(ctx, s.program); err != nil {
		return err
	}
	if err := s.configure(d.mysql, d.s3); err != nil {
		return err
	}
	d.service = s
	d.ends = append(d.ends, func() error { s.kill(); return nil })
	if out, err := s.command(ctx, "check"); err != nil {
		return fmt.Errorf("cdc2lake check: %w\n%s", err, out)
	}
	return nil
}

// awaitEnd waits until all that MySQL has committed is in the tables.
func (d *demo) awaitEnd(ctx context.Context) error {
	end, gtids, err := d.mysql.BinlogEnd(ctx)
	if err != nil {
		return err
	}
	var asked error
	err = d.service.await(ctx, "the tables have caught up", func(s status) bool {
		if gtids == "" {
			return s.allLive() && s.Position == fmt.Sprintf("%s:%d", end.Name, end.Pos)
		}
		if !s.allLive() || s.Position == "" {
			return false
		}
		rows, err := d.mysql.Query(ctx, fmt.Sprintf("SELECT GTID_SUBSET('%s', '%s')", gtids, s.Position))
		if err != nil {
			asked = err
			return true
		}
		return rows[0][0] == "1"
	})
	return errors.Join(err, asked)
}

func (d *demo) progress(s status, w *workload) {
	if time.Since(d.service.shown) < time.Second {
		return
	}
	d.service.shown = time.Now()
	read, estimate := s.read(), s.estimate()
	if s.Generation == 0 || read == 0 {
		return
	}
	d.say("loaded %d of about %d rows, %d changes made by the writers, checkpoint %d", read, max(read, estimate), w.changes.Load(), s.Checkpoint)
}
