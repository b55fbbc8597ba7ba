// Command cdc2lake replicates MySQL tables into Apache Iceberg tables, continuously and exactly once.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

// run ends its context at the first signal, so that a last checkpoint is taken; the second one ends the process.
func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s := <-signals
		cancel(stopped{s})
		s = <-signals
		os.Exit(stopped{s}.exitCode())
	}()
	cmd := newRoot(os.Stdout, os.Stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if stop := (stopped{}); err != nil && errors.As(context.Cause(ctx), &stop) && errors.Is(err, context.Canceled) {
		return stop.exitCode()
	}
	return report(os.Stderr, err)
}

// stopped is the cause of a context that a signal has ended.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return "stopped by " + s.String() }

func (s stopped) exitCode() int {
	if n, ok := s.Signal.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
