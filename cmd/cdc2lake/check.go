package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Connect to everything, and say what is missing and how to fix it",
		Long: "Connects to MySQL, the storage and the catalog, and changes nothing but a probe object that it removes again.\n" +
			"✓ is right, ! should be changed, ✗ must be changed before cdc2lake run; exit status 1 if there is a ✗.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			return a.check(cmd.Context(), cfg)
		},
	}
	a.configFlags(cmd)
	return cmd
}

// finding is one line of the report.
type finding struct {
	area    string
	ok      bool
	fatal   bool // it must be fixed before a run
	message string
	fix     string
}

// checksFailed ends a check with something that must be fixed.
type checksFailed int

func (n checksFailed) Error() string {
	if n == 1 {
		return "1 check failed"
	}
	return fmt.Sprintf("%d checks failed", int(n))
}

// checkTimeout bounds each area: whoever waits for a check should soon know.
const checkTimeout = 60 * time.Second

// commandPatience bounds the retries of a command that somebody waits for; the service has more.
const commandPatience = 3 * time.Second

// check looks at all areas, also after one has failed.
func (a *app) check(ctx context.Context, cfg *config.Config) error {
	if cfg.File() != "" {
		printFinding(a.stdout, finding{area: "config", ok: true, message: cfg.File() + " is well-formed"})
	}
	failed := 0
	for _, area := range []struct {
		name string
		look func(context.Context, *config.Config) ([]finding, error)
	}{{"mysql", checkMySQL}, {"storage", checkStorage}, {"catalog", checkCatalog}, {"state", checkState}} {
		actx, cancel := context.WithTimeout(ctx, checkTimeout)
		found, err := area.look(actx, cfg)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			found = append(found, failure(err))
		}
		for _, f := range found {
			f.area = area.name
			printFinding(a.stdout, f)
			if !f.ok && f.fatal {
				failed++
			}
		}
	}
	if failed > 0 {
		return checksFailed(failed)
	}
	fmt.Fprintln(a.stdout, "all right: start it with cdc2lake run")
	return nil
}

// failure is the finding of an error.
func failure(err error) finding {
	f := finding{fatal: true, message: err.Error()}
	if e := cdc.AsError(err); e != nil {
		f.fix = e.Remedy()
	}
	return f
}

func printFinding(w io.Writer, f finding) {
	mark := "✓"
	switch {
	case !f.ok && f.fatal:
		mark = "✗"
	case !f.ok:
		mark = "!"
	}
	fmt.Fprintf(w, "%s %-8s %s\n", mark, f.area, strings.ReplaceAll(f.message, "\n", "\n           "))
	if !f.ok && f.fix != "" {
		fmt.Fprintf(w, "           fix: %s\n", strings.ReplaceAll(f.fix, "\n", "\n           fix: "))
	}
}

func checkMySQL(ctx context.Context, cfg *config.Config) ([]finding, error) {
	src, err := newSource(cfg, mysql.Observer{}, nil)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	fs, err := src.Check(ctx)
	var out []finding
	for _, f := range fs {
		out = append(out, finding{ok: f.OK, fatal: f.Fatal, message: f.Message, fix: f.Fix})
	}
	return out, err
}

// checkStorage tries what the warehouse and the checkpoint store must be able to do.
func checkStorage(ctx context.Context, cfg *config.Config) ([]finding, error) {
	client, err := openObjects(cfg, nil, commandPatience, 0)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var out []finding
	for _, at := range []struct{ what, location string }{{"checkpoint store", cfg.Checkpoints.Store}, {"warehouse", cfg.Iceberg.Warehouse}} {
		f := finding{ok: true, fatal: true, message: fmt.Sprintf("%s %s: write, read, list and delete work; a second conditional PUT is refused", at.what, at.location)}
		if err := probe(ctx, client, at.location); err != nil {
			f.ok, f.message, f.fix = false, fmt.Sprintf("%s: %v", at.what, err), storageFix(err)
		}
		out = append(out, f)
	}
	return out, nil
}

func probe(ctx context.Context, c *objstore.Client, location string) error {
	s, err := c.Store(ctx, location)
	if err != nil {
		return err
	}
	_, err = objstore.Probe(ctx, s)
	return err
}

func storageFix(err error) string {
	var e *objstore.Error
	if errors.As(err, &e) && e.Hint != "" {
		return "" // the message has it
	}
	switch {
	case errors.Is(err, objstore.ErrNoBucket):
		return "create the bucket, or correct the name"
	case errors.Is(err, objstore.ErrAccess):
		return "correct s3.access_key and secret_key, or allow them to get, put, delete and list objects in the bucket"
	case errors.Is(err, objstore.ErrUnsupported):
		return "use storage with conditional writes (If-None-Match): AWS S3, MinIO, Cloudflare R2, versitygw"
	case errors.Is(err, objstore.ErrUnavailable):
		return "correct s3.endpoint, and see whether the server can be reached from here"
	}
	return ""
}

func checkState(_ context.Context, cfg *config.Config) ([]finding, error) {
	if err := writable(cfg.State.Dir, "state.dir"); err != nil {
		return nil, err
	}
	return []finding{{ok: true, fatal: true, message: filepath.Clean(cfg.State.Dir) + " can be written"}}, nil
}

// writable tries a directory, or where it does not exist the one in which it will be made. It leaves nothing behind.
func writable(dir, key string) error {
	for at := dir; ; at = filepath.Dir(at) {
		f, err := os.CreateTemp(at, ".cdc2lake-check-*")
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		if err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
		if err != nil {
			return &cdc.Error{Code: config.CodeConfig, Msg: key, Err: err, Fix: "name a directory that can be written"}
		}
		return nil
	}
}
