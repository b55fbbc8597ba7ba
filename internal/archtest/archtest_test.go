// Package archtest keeps the arrows between packages as they were decided. It needs nothing but the go tool, so it
// holds where the linter is not installed; the linter's configuration says the same to editors, and is compared.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const module = "github.com/cdc2lake/cdc2lake"

// arrows: what the code of a package (not its tests) may import of ours. A folder below a row's without a row of its
// own belongs to it. A new package needs a row: decide its place.
var arrows = map[string][]string{
	"cdc":                 {},
	"cdc/binlog":          {"cdc"},
	"cdc/mysql":           {"cdc", "cdc/binlog"},
	"stream":              {"cdc", "stream/checkpoint"},
	"stream/state":        {"cdc"},
	"stream/checkpoint":   {"cdc", "internal/objstore"}, // a record holds positions
	"iceberg":             {"cdc", "stream/state", "internal/objstore"},
	"iceberg/restcatalog": {"iceberg"},
	"iceberg/verify":      {"cdc", "iceberg"},
	"compaction":          {"iceberg"},
	"internal/objstore":   {},
	"internal/telemetry":  {},
	"internal/testenv":    {},
	"docs/model":          {}, // a model is of the protocol, not of the code
}

// free may import anything of ours: they put the parts together, or test them.
var free = []string{"cmd", "e2e", "docker/local", "internal/archtest"}

// reserved: packages of others that only some of ours may import, tests aside.
var reserved = map[string][]string{
	// The library's API moves with every release, so it is met in one place. The demo reads the tables with it, as an
	// independent reader would.
	"github.com/apache/iceberg-go": {"iceberg", "compaction", "docker/local"},
	// There is one S3 client, with one set of retries, credentials and metrics.
	"github.com/aws/aws-sdk-go-v2/service/s3": {"internal/objstore"},
	// A program for tests, with a dependency graph of its own.
	"github.com/versity/versitygw": {},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Error      *struct{ Err string }
}

// list asks the go tool for our packages, less those that are for tests only and may import what they like.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Error", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 3 {
		t.Fatalf("go list found %d packages", len(pkgs))
	}
	return pkgs
}

// within says whether a path is a folder or lies below it.
func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// forTests are suites and fakes such as cdc/cdctest, and testenv: test code in files that other packages can import.
func forTests(p string) bool {
	return strings.HasSuffix(path.Base(p), "test") || within(p, "internal/testenv")
}

// owner is the row that a package belongs to.
func owner(p string) (string, bool) {
	for ; p != "."; p = path.Dir(p) {
		if _, ok := arrows[p]; ok {
			return p, true
		}
	}
	return "", false
}

// check returns what is wrong with one import.
func check(from, imp string) error {
	isFree := slices.ContainsFunc(free, func(f string) bool { return within(from, f) })
	to, ours := strings.CutPrefix(imp, module+"/")
	if !ours {
		for prefix, by := range reserved {
			if within(imp, prefix) && !forTests(from) && !slices.ContainsFunc(by, func(f string) bool { return within(from, f) }) {
				return fmt.Errorf("%s imports %s, which is left to %v", from, imp, by)
			}
		}
		return nil
	}
	if forTests(to) && !forTests(from) && !within(from, "e2e") && !within(from, "docker/local") {
		return fmt.Errorf("%s imports %s, which is for tests, e2e and the demo", from, to)
	}
	if isFree {
		return nil
	}
	fromRow, ok := owner(from)
	if !ok {
		return fmt.Errorf("%s has no row in the table of arrows: decide what it may import", from)
	}
	toRow, ok := owner(to)
	if ok && (fromRow == toRow || slices.Contains(arrows[fromRow], toRow)) || forTests(to) {
		return nil
	}
	return fmt.Errorf("%s imports %s; %s may import %v", from, to, fromRow, arrows[fromRow])
}

func TestArrows(t *testing.T) {
	for _, p := range list(t) {
		from, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok {
			t.Errorf("there is Go code in the top folder: %s", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if err := check(from, imp); err != nil {
				t.Error(err)
			}
		}
		if _, ok := owner(from); !ok && !slices.ContainsFunc(free, func(f string) bool { return within(from, f) }) {
			t.Errorf("%s has no row in the table of arrows: decide what it may import", from)
		}
	}
}

// The check itself must tell right from wrong, or it would pass when nothing is checked.
func TestCheckRefuses(t *testing.T) {
	const iceberggo, s3 = "github.com/apache/iceberg-go/table", "github.com/aws/aws-sdk-go-v2/service/s3"
	for _, c := range []struct {
		from, imp string
		ok        bool
	}{
		{"cdc/mysql", module + "/cdc/binlog", true},
		{"cdc/binlog", module + "/cdc/mysql", false},
		{"cdc", module + "/internal/telemetry", false},
		{"iceberg/types", module + "/iceberg", true},
		{"iceberg/types", module + "/stream", false},
		{"iceberg", module + "/iceberg/verify", false},
		{"stream", module + "/iceberg", false},
		{"stream/streamtest", module + "/cdc/cdctest", true},
		{"stream", module + "/cdc/cdctest", false},
		{"cdc/mysql", module + "/internal/testenv", false},
		{"e2e", module + "/internal/testenv", true},
		{"docker/local/demo", module + "/internal/testenv", true},
		{"cmd/cdc2lake", module + "/stream", true},
		{"cmd/cdc2lake", module + "/internal/testenv", false},
		{"newcomer", module + "/cdc", false},
		{"iceberg/verify", iceberggo, true},
		{"compaction", iceberggo, true},
		{"stream", iceberggo, false},
		{"cmd/cdc2lake", iceberggo, false},
		{"docker/local/demo", iceberggo, true},
		{"cmd/cdc2lake", s3, false},
		{"stream/checkpoint", "net/http", true},
	} {
		if err := check(c.from, c.imp); (err == nil) != c.ok {
			t.Errorf("%s → %s: %v, want ok %v", c.from, c.imp, err, c.ok)
		}
	}
}

// The linter's rules are the same table: a rule named after each row, that allows what the row does.
func TestLinterSaysTheSame(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files []string `yaml:"files"`
						Allow []string `yaml:"allow"`
					} `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	rules := config.Linters.Settings.Depguard.Rules
	for row, allowed := range arrows {
		if forTests(row) {
			continue
		}
		rule, ok := rules[row]
		if !ok {
			t.Errorf(".golangci.yml has no depguard rule %q", row)
			continue
		}
		if want := "**/" + row + "/*.go"; !slices.Contains(rule.Files, want) {
			t.Errorf("rule %s is for %v, want %s", row, rule.Files, want)
		}
		var got []string
		for _, a := range rule.Allow {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(a, module+"/"), "$"))
		}
		want := append([]string{row}, allowed...) // a package's external tests import it
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("rule %s allows %v, the table %v", row, got, want)
		}
	}
}
