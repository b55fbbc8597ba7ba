package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

// cli runs a command line in this process.
func cli(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newRoot(&out, &errs)
	cmd.SetArgs(args)
	code = report(&errs, cmd.ExecuteContext(t.Context()))
	return out.String(), errs.String(), code
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args string
		code int
		want string // in either output
	}{
		{"", 0, "Available Commands"},
		{"--help", 0, "Exit status"},
		{"run --help", 0, "SIGTERM"},
		{"check --help", 0, "--config"},
		{"tables --help", 0, "--json"},
		{"reload --help", 0, "--no-wait"},
		{"version", 0, "cdc2lake dev (commit "},
		{"init", 0, "pipeline: shop"},
		{"rum", 2, "did you mean run?"},
		{"run --confg x", 2, "unknown flag: --confg"},
		{"run x", 2, `unknown command or argument "x"`},
		{"run --mysql mysql://u@h", 2, "--mysql and --warehouse belong together"},
		{"run --config a.yaml --warehouse file:///x", 2, "exclude each other"},
		{"run --config a.yaml --pipeline x", 2, "exclude each other"},
		{"reload", 2, "DATABASE.TABLE"},
		{"pause", 2, "DATABASE.TABLE"},
		{"resume orders", 2, "orders"},
		{"reload orders", 2, "expected database.table"},
		{"init a b", 2, "at most one argument"},
		{"run", 1, "error CONFIG: open pipeline.yaml"},
		{"check --config nope.yaml", 1, "fix: write a configuration with cdc2lake init"},
		{"tables --mysql u:p@tcp(h)/ --warehouse file:///x", 1, "write mysql://user:password@host:port/database"},
		{"tables --mysql mysql://u@h --warehouse /x", 1, "neither s3://bucket/prefix nor file:///directory"},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, errs, code := cli(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("status %d, want %d with %q:\n%s%s", code, c.code, c.want, out, errs)
			}
			if code != 0 && out != "" {
				t.Errorf("an error went to standard output: %s", out)
			}
		})
	}
}

func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, errs, code := cli(t, "init", "p.yaml"); code != 0 || !strings.Contains(errs, "cdc2lake check --config p.yaml") {
		t.Fatal(code, errs)
	}
	info, err := os.Stat("p.yaml")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	t.Setenv("MYSQL_PASSWORD", "x")
	if _, err := config.Read("p.yaml"); err != nil {
		t.Error(err)
	}
	if _, errs, code := cli(t, "init", "p.yaml"); code != 1 || !strings.Contains(errs, "fix: name another file") {
		t.Error("overwritten:", code, errs)
	}
}

func TestReport(t *testing.T) {
	table := cdc.TableID{Database: "shop", Name: "orders"}
	paused := cdc.NewCode("TEST_PAUSED", cdc.TablePaused, "summary", "do this")
	fenced := cdc.NewCode("TEST_FENCED", cdc.Fenced, "summary", "do that")
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("odd"), 75, "error: odd\n"},
		{&cdc.Error{Code: paused, Table: table, Msg: "m"}, 3, "error TEST_PAUSED: shop.orders: m\nfix: do this\n"},
		{fmt.Errorf("deep: %w", &cdc.Error{Code: fenced, Msg: "m", Fix: "one\ntwo"}), 4, "error TEST_FENCED: deep: m\nfix: one\nfix: two\n"},
		{&cdc.Error{Code: config.CodeConfig, Msg: "m"}, 1, "error CONFIG: m\nfix: " + config.CodeConfig.Remedy + "\n"},
		{usageError{errors.New("u"), "cdc2lake run"}, 2, "error: u\nfix: see cdc2lake run --help\n"},
		{checksFailed(2), 1, "error: 2 checks failed\n"},
	} {
		var b bytes.Buffer
		if code := report(&b, c.err); code != c.code || b.String() != c.want {
			t.Errorf("%v: status %d, %q; want %d, %q", c.err, code, b.String(), c.code, c.want)
		}
	}
}

// The names of codes registered by tests must not reach the page.
func withoutTestCodes(page string) string {
	var keep []string
	for line := range strings.SplitSeq(page, "\n") {
		if !strings.HasPrefix(line, "| `TEST_") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n")
}

// Run with UPDATE_DOCS=1 (make docs) to write the page.
func TestErrorsPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "errors.md")
	want := withoutTestCodes(errorsPage())
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/errors.md is not what the codes say: run make docs")
	}
	for _, c := range cdc.Codes() {
		if c.Summary == "" || c.Remedy == "" {
			t.Errorf("%s lacks a summary or a remedy", c.Name)
		}
	}
}

// Nobody listens at these addresses: every check fails, names what to do, and no secret is shown.
func TestCheckOfNothing(t *testing.T) {
	const secret = "hunter2"
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := "version: 1\npipeline: p\nmysql: {host: 127.0.0.1, port: 1, user: u, password: hunter2}\n" +
		"iceberg: {warehouse: 's3://bucket/x', catalog: {type: postgres, uri: 'postgres://u:hunter2@127.0.0.1:1/db'}}\n" +
		"s3: {endpoint: 'http://127.0.0.1:1', access_key: k, secret_key: hunter2}\nstate: {dir: '" + dir + "'}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := cli(t, "check", "--config", file)
	if code != 1 || !strings.Contains(errs, "checks failed") {
		t.Errorf("status %d: %s", code, errs)
	}
	for _, area := range []string{"✓ config", "✗ mysql", "✗ storage", "✗ catalog", "✓ state"} {
		if !strings.Contains(out, area) {
			t.Errorf("%q is missing", area)
		}
	}
	if strings.Contains(out+errs, secret) {
		t.Error("a secret is shown")
	}
	t.Log(out)
}

func TestStoppedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg, err := config.FromFlags("p", "mysql://u@127.0.0.1:1", "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	if err := a.check(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
