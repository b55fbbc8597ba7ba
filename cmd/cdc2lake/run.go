package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/internal/telemetry"
)

func (a *app) runCommand() *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Replicate until stopped",
		Long: "Loads the tables, then follows MySQL's log until it is stopped. SIGTERM or SIGINT end it after a last checkpoint, a second one\n" +
			"at once; whatever ends it, the next start goes on from the last checkpoint. SIGHUP has it read the configuration again and replicate\n" +
			"the tables that tables.include and exclude select then; the others go on.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			stop, err := startProfile(profile)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, stop()) }()
			return a.run(cmd.Context(), cfg)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().StringVar(&profile, "cpuprofile", "", "`FILE` for a CPU profile, written at the end")
	_ = cmd.Flags().MarkHidden("cpuprofile") // for e2e/bench
	return cmd
}

// run is the service: it returns nil after a signal, and otherwise what ended it.
func (a *app) run(ctx context.Context, cfg *config.Config) (err error) {
	prog := newProgress(a.stderr)
	defer prog.close()
	log, err := telemetry.NewLogger(prog.writer(), cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	log = log.With("pipeline", cfg.Pipeline)
	if l, ok := prog.(*lines); ok {
		l.log = log
	}
	// The budget is soft for the garbage collector; queues and buffers are bounded by their own limits.
	debug.SetMemoryLimit(budgetOf(cfg).collectLimit)

	m := telemetry.New(cfg.Pipeline)
	m.Build(version, buildCommit(), runtime.Version())
	obs := &observation{metrics: m, health: telemetry.NewHealth(m), board: newBoard(cfg.Pipeline), liveness: newLiveness(time.Duration(cfg.Checkpoints.Interval)),
		progress: prog, log: log}
	if cfg.HTTP.Listen != "off" {
		token, err := cfg.HTTP.Token.Reveal()
		if err != nil {
			return &cdc.Error{Code: config.CodeConfig, Msg: "http.token", Err: err}
		}
		srv, err := telemetry.Listen(telemetry.ServerOptions{Addr: cfg.HTTP.Listen, Token: token, Metrics: m, Health: obs.health, Logger: log,
			Status: func() any { return obs.status() }})
		if err != nil {
			return &cdc.Error{Code: codeListen, Err: err}
		}
		log.Info("listening", "metrics", "http://"+srv.Addr()+"/metrics")
		defer func() {
			c, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			err = errors.Join(err, ignoreDeadline(srv.Close(c)))
		}()
	}
	var ticking sync.WaitGroup
	tickCtx, stopTick := context.WithCancel(ctx)
	ticking.Go(func() { obs.tick(tickCtx) })
	defer ticking.Wait()
	defer stopTick()

	log.Info("starting", "version", version, "warehouse", cfg.Iceberg.Warehouse, "interval", cfg.Checkpoints.Interval.String())
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	err = runPipeline(ctx, cfg, obs, hangups)
	if err == nil {
		log.Info("stopped")
		return nil
	}
	if ctx.Err() == nil {
		obs.metrics.Error(codeName(err), cdc.ClassOf(err).String())
		obs.health.Failed(err.Error())
		log.Error("ended", "code", codeName(err), "err", err)
	}
	return err
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

var codeListen = cdc.NewCode("HTTP_LISTEN", cdc.Fatal, "the address of the HTTP server cannot be listened on",
	"set http.listen to a free address, to port 0 for any free port, or to off")
