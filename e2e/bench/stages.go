package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// stageNames are the stages in the order of a change's way, and behind them what belongs to no change.
var stageNames = []string{"receive", "decode", "route", "collapse", "state", "gather", "encode", "compress", "upload", "commit", "collector", "start", "observe", "other"}

// stage is a part of the way of a change; frames are texts in the names of its functions.
type stage struct {
	name   string
	frames []string
}

// wholes are stages that count with all that they call, such as the encoder of position deletes in a commit. The first that is found counts.
var wholes = []stage{
	// What a goroutine that allocates does for the collector is the collector's too.
	{"collector", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcAssistAlloc", "runtime.deductSweepCredit", "runtime.gcStart"}},
	{"start", []string{"stream.(*generation).recover", "iceberg.(*Sink).CatchUp", "iceberg.Open", "runtime.main", "runtime.schedinit"}},
	{"observe", []string{"net/http.(*conn).serve"}},
	{"commit", []string{"iceberg.(*Sink).Commit", "iceberg.(*Sink).Part", "iceberg.(*Prepared).", "iceberg.(*tablePart)", "stream.(*commitDriver)",
		"stream.(*generation).build", "stream.(*generation).coordinate", "stream/checkpoint."}},
}

// stages take a sample by the innermost of its functions that belongs to any. What the runtime does for a function (clearing and growing
// memory, first touches of pages) counts where the function does, and so do the vectors of package cdc, which all stages use.
var stages = []stage{
	{"compress", []string{"klauspost/compress", "parquet/file.(*serializedPageWriter).Compress"}},
	{"upload", []string{"internal/objstore", "aws-sdk-go", "net/http"}},
	{"gather", []string{"iceberg.gather", "iceberg.(*colSet)", "iceberg.(*colPool)", "iceberg.(*colBuf)", "iceberg.(*tableWriter).gather", "iceberg.(*tableWriter).emit",
		"iceberg.(*tableWriter).liveRows", "iceberg.(*tableWriter).flush", "iceberg.(*tableWriter).file", "iceberg.room"}},
	{"state", []string{"stream/state.", "iceberg.(*tableWriter).decide", "iceberg.(*tableWriter).store"}},
	{"collapse", []string{"iceberg.(*collapser)", "iceberg.oneKey", "iceberg.(*tableWriter)", "iceberg.(*heldBatch)", "iceberg.(*ShardWriter)"}},
	{"encode", []string{"iceberg.(*parquetWriter)", "iceberg.(*encoder)", "iceberg.(*bufferAllocator)", "arrow-go", "iceberg.bloom", "iceberg.xxh64", "iceberg.(*byteStats)"}},
	{"decode", []string{"cdc/binlog."}},
	{"receive", []string{"cdc/mysql.", "go-mysql"}},
	{"route", []string{"cdc2lake/stream."}},
	{"commit", []string{"cdc2lake/iceberg."}}, // reloading metadata, looking around
}

// classify names the stage of a stack, innermost function first.
func classify(stack []string) string {
	functions := make([]string, len(stack))
	for i, f := range stack {
		functions[i], _, _ = strings.Cut(f, "[") // a type argument says nothing of the function
	}
	for _, s := range wholes {
		if slices.ContainsFunc(functions, s.has) {
			return s.name
		}
	}
	for _, f := range functions {
		for _, s := range stages {
			if s.has(f) {
				return s.name
			}
		}
	}
	return "other"
}

func (s stage) has(function string) bool {
	return slices.ContainsFunc(s.frames, func(text string) bool { return strings.Contains(function, text) })
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

// stageLines summarize a CPU profile: each stage's share of it, and its nanoseconds per change.
func stageLines(ctx context.Context, r *result, file string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	parts, err := parseTraces(strings.NewReader(string(out)))
	if err != nil {
		return "", err
	}
	return formatStages(r, parts), nil
}

// formatStages scales the samples to the CPU that was measured: those of a profile are a few per cent less or more, and it goes on until
// the process has ended.
func formatStages(r *result, parts map[string]time.Duration) string {
	var sum time.Duration
	for _, d := range parts {
		sum += d
	}
	var share, ns strings.Builder
	fmt.Fprintf(&share, "STAGES name=%s cpu_s=%.2f", r.name, sum.Seconds())
	perChange := r.cpu * 1e9 / float64(r.changes)
	fmt.Fprintf(&ns, "STAGE_NS name=%s changes=%d total=%s", r.name, r.changes, number(perChange, 0))
	for _, n := range stageNames {
		part := parts[n].Seconds() / max(sum.Seconds(), 1e-9)
		fmt.Fprintf(&share, " %s=%.1f%%", n, 100*part)
		fmt.Fprintf(&ns, " %s=%s", n, number(perChange*part, 0))
	}
	return share.String() + "\n" + ns.String()
}
