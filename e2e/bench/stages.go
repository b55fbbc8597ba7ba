package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"sort"
	"strings"
	"time"
)

// stage is a part of the way of a change; frames are texts in the names of its functions.
type stage struct {
	name   string
	frames []string
}

// wholes are stages that count with all that they call, such as the encoder of position deletes in a commit.
var wholes = []stage{
	{"commit", []string{"iceberg.(*Sink).Commit", "stream.(*committer)", "stream/checkpoint."}},
	{"start", []string{"stream.(*generation).recover"}},
	{"collector", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"observe", []string{"net/http.(*conn).serve"}},
}

// stages take a sample by the innermost of its functions that belongs to any.
var stages = []stage{
	{"compress", []string{"klauspost/compress", "parquet/file.(*serializedPageWriter).Compress"}},
	{"upload", []string{"internal/objstore", "aws-sdk-go", "net/http"}},
	{"gather", []string{"iceberg.gather", "iceberg.(*colSet)"}},
	{"collapse", []string{"iceberg.(*collapser)"}},
	{"state", []string{"stream/state."}},
	{"encode", []string{"iceberg.(*parquetWriter)", "iceberg.(*encoder)", "arrow-go", "iceberg.bloom", "iceberg.(*byteStats)"}},
	{"decode", []string{"cdc/binlog."}},
	{"receive", []string{"cdc/mysql.", "go-mysql"}},
	{"shard", []string{"iceberg."}},
	{"route", []string{"cdc2lake/stream.", "cdc2lake/cdc."}},
}

// classify names the stage of a stack, innermost function first.
func classify(stack []string) string {
	find := func(from []stage, f string) string {
		for _, s := range from {
			for _, text := range s.frames {
				if strings.Contains(f, text) {
					return s.name
				}
			}
		}
		return ""
	}
	for _, f := range stack {
		if s := find(wholes, f); s != "" {
			return s
		}
	}
	for _, f := range stack {
		if s := find(stages, f); s != "" {
			return s
		}
	}
	return "other"
}

// parseTraces adds up the output of go tool pprof -traces by stage.
func parseTraces(r io.Reader) (map[string]time.Duration, error) {
	total := map[string]time.Duration{}
	var stack []string
	var took time.Duration
	flush := func() {
		if len(stack) > 0 {
			total[classify(stack)] += took
		}
		stack = nil
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "-----") {
			flush()
			continue
		}
		f := strings.Fields(line)
		if len(stack) == 0 && len(f) > 1 {
			if d, err := time.ParseDuration(f[0]); err == nil {
				took, stack = d, append(stack, f[1])
			}
		} else if len(stack) > 0 && len(f) > 0 {
			stack = append(stack, f[0])
		}
	}
	flush()
	return total, lines.Err()
}

// stageLine summarizes a CPU profile.
func stageLine(ctx context.Context, name, file string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	parts, err := parseTraces(strings.NewReader(string(out)))
	if err != nil {
		return "", err
	}
	var sum time.Duration
	var names []string
	for n, d := range parts {
		sum += d
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool { return parts[names[i]] > parts[names[j]] })
	var b strings.Builder
	fmt.Fprintf(&b, "STAGES name=%s cpu_s=%.2f", name, sum.Seconds())
	for _, n := range names {
		fmt.Fprintf(&b, " %s=%.1f%%", n, 100*parts[n].Seconds()/sum.Seconds())
	}
	return b.String(), nil
}
