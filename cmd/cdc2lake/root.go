package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer

	configFile                 string
	mysql, warehouse, pipeline string
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "cdc2lake",
		Short: "Replicate MySQL into Apache Iceberg, continuously and exactly once",
		Long: "cdc2lake replicates MySQL tables into Apache Iceberg tables, continuously and exactly once.\n\n" +
			"First try:    cdc2lake run --mysql mysql://USER@HOST:3306/DATABASE --warehouse file:///tmp/lake   (password in MYSQL_PWD)\n" +
			"For real:     cdc2lake init > pipeline.yaml, edit it, cdc2lake check, cdc2lake run\n\n" +
			"Exit status:  0 done; 1 fatal error; 2 wrong usage; 3 a table is paused; 4 a newer process of the pipeline has taken over;\n" +
			"              75 try again later; 130, 143 stopped by a signal. docs/errors.md lists the error codes.",
		SilenceErrors: true, SilenceUsage: true,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath()} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.initCommand(), a.checkCommand(), a.runCommand(), a.tablesCommand(), a.ddlHistoryCommand(), a.pauseCommand(), a.resumeCommand(), a.reloadCommand(), a.verifyCommand(), a.catalogCommand(), a.versionCommand())
	return root
}

// configFlags adds the flags that say which pipeline is meant.
func (a *app) configFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&a.configFile, "config", "c", "", "configuration `FILE` (default pipeline.yaml, if no other flag says what to do)")
	f.StringVar(&a.mysql, "mysql", "", "without a file: the source, mysql://USER@HOST:PORT/DATABASE; the password in MYSQL_PWD")
	f.StringVar(&a.warehouse, "warehouse", "", "without a file: the target, file:///DIRECTORY")
	f.StringVar(&a.pipeline, "pipeline", "default", "without a file: `NAME` of the pipeline")
}

const defaultConfigFile = "pipeline.yaml"

// config reads the configuration that the flags name.
func (a *app) config(cmd *cobra.Command) (*config.Config, error) {
	flags := a.mysql != "" || a.warehouse != "" || cmd.Flags().Changed("pipeline")
	switch {
	case a.configFile != "" && flags:
		return nil, usageError{errors.New("--config and --mysql, --warehouse or --pipeline exclude each other"), cmd.CommandPath()}
	case flags:
		if a.mysql == "" || a.warehouse == "" {
			return nil, usageError{errors.New("--mysql and --warehouse belong together"), cmd.CommandPath()}
		}
		return config.FromFlags(a.pipeline, a.mysql, a.warehouse)
	case a.configFile == "":
		a.configFile = defaultConfigFile
	}
	return config.Read(a.configFile)
}

// usageError is a command line that makes no sense.
type usageError struct {
	error
	command string
}

func (e usageError) Unwrap() error { return e.error }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		err := fmt.Errorf("unknown command or argument %q", args[0])
		if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
			err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(s, " or "))
		}
		return usageError{err, cmd.CommandPath()}
	}
	return nil
}

const exitUsage = 2

// report prints an error the way docs/errors.md explains, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "error: %v\nfix: see %s --help\n", usage, usage.command)
		return exitUsage
	}
	var failed checksFailed
	if errors.As(err, &failed) {
		fmt.Fprintf(w, "error: %v\n", failed)
		return cdc.Fatal.ExitCode()
	}
	e := cdc.AsError(err)
	if e == nil {
		fmt.Fprintf(w, "error: %v\n", err)
		return cdc.ClassOf(err).ExitCode()
	}
	// The whole chain is printed, since what wraps the Error says more of where it happened.
	text := err.Error()
	if i := strings.Index(text, e.Code.Name); i >= 0 { // it comes first
		text = text[:i] + strings.TrimLeft(text[i+len(e.Code.Name):], ": ")
	}
	fmt.Fprintf(w, "error %s: %s\n", e.Code.Name, text)
	for line := range strings.SplitSeq(e.Remedy(), "\n") {
		fmt.Fprintf(w, "fix: %s\n", line)
	}
	return e.Code.Class.ExitCode()
}

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
