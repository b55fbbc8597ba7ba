package main

import (
	"fmt"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// errorsPage renders docs/errors.md from the codes that the packages of the program have registered.
func errorsPage() string {
	var b strings.Builder
	b.WriteString("<!-- generated from the codes that the packages register with cdc.NewCode, by `make docs`; do not edit -->\n# Errors\n\n" +
		"Every error that a person may have to act on has a stable code: the same in the log (`code=`), in the metrics (`cdc2lake_errors_total{code=…}`), in\n" +
		"`cdc2lake tables`, and in what a command prints as it ends (`error CODE: what happened`, then `fix: what to do`). Its class says what the pipeline does:\n\n" +
		"| class | exit status | what happens |\n|---|---|---|\n")
	what := map[cdc.Class]string{
		cdc.Retryable:   "the service tries again by itself, with growing delays, from its last checkpoint; a command can be repeated",
		cdc.TablePaused: "one table stands still with the data of its last good checkpoint, the others go on; the service does not end",
		cdc.Fatal:       "the service ends: somebody has to change something first",
		cdc.Fenced:      "a newer process of the same pipeline has taken over; this one ends",
	}
	classes := []cdc.Class{cdc.Fatal, cdc.TablePaused, cdc.Retryable, cdc.Fenced}
	for _, c := range classes {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", c, c.ExitCode(), what[c])
	}
	fmt.Fprintf(&b, "\nBesides: 0 for success, %d for a command line that makes no sense, 130 or 143 for a command that a signal has ended. `cdc2lake run` takes a last\n"+
		"checkpoint after a signal and ends with 0. The service itself restarts after retryable errors, so 75 is the answer of commands.\n", exitUsage)
	for _, c := range classes {
		fmt.Fprintf(&b, "\n## %s%s\n\n| code | what happened | what to do |\n|---|---|---|\n", strings.ToUpper(c.String()[:1]), c.String()[1:])
		for _, code := range cdc.Codes() {
			if code.Class == c {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code.Name, cell(code.Summary), cell(code.Remedy))
			}
		}
	}
	return b.String()
}

func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ")
}
