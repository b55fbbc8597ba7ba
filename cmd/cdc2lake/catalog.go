package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/iceberg/restcatalog"
	"github.com/cdc2lake/cdc2lake/internal/telemetry"
)

func (a *app) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Offer the SQL catalog to readers over the Iceberg REST protocol",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var listen string
	serve := &cobra.Command{
		Use:   "serve",
		Short: "Serve the catalog until stopped",
		Long: "Offers the configured SQL catalog (sqlite, postgres) over the Iceberg REST protocol, for reading and writing, so that readers\n" +
			"attach with one line. Storage credentials are never handed out. There is no access control yet, so only loopback addresses are\n" +
			"listened on. It may run beside cdc2lake run, and more than once.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd)
			if err != nil {
				return err
			}
			return a.serveCatalog(cmd.Context(), cfg, listen)
		},
	}
	a.configFlags(serve)
	serve.Flags().StringVar(&listen, "listen", "127.0.0.1:8181", "`ADDRESS` to listen on; port 0 takes a free one")
	cmd.AddCommand(serve)
	return cmd
}

// serveCatalog returns nil when ctx ends.
func (a *app) serveCatalog(ctx context.Context, cfg *config.Config, listen string) (err error) {
	log, err := telemetry.NewLogger(a.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	l, err := listenLoopback(ctx, listen)
	if err != nil {
		return err
	}
	defer l.Close()
	objs, err := openObjects(cfg, nil, 0, 0)
	if err != nil {
		return err
	}
	defer objs.Close()
	cc, err := catalogConfig(cfg)
	if err != nil {
		return err
	}
	cat, err := iceberg.OpenServedCatalog(ctx, cc, objs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cat.Close()) }()

	srv := &http.Server{
		Handler:           restcatalog.New(restcatalog.Options{Catalog: cat, Defaults: clientDefaults(cfg), Log: log}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Fprintf(a.stdout, "catalog %s at http://%s\n", cat.Name(), l.Addr())
	select {
	case err := <-served:
		return &cdc.Error{Code: codeListen, Err: err}
	case <-ctx.Done():
	}
	// What is under way may finish: a commit that was begun should be answered.
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(c); err != nil {
		srv.Close() //nolint:errcheck // it ends with the process anyway
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return &cdc.Error{Code: codeListen, Err: err}
	}
	return nil
}

func listenLoopback(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &cdc.Error{Code: codeListen, Msg: "--listen", Err: err}
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, &cdc.Error{Code: codeListen, Msg: addr + " is not a loopback address: without access control, everybody who reaches it could change the tables",
			Fix: "listen on 127.0.0.1, and put a proxy that checks its users in front if others must reach it"}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, &cdc.Error{Code: codeListen, Err: err}
	}
	return l, nil
}

// clientDefaults is what readers need to know of the storage, less its credentials.
func clientDefaults(cfg *config.Config) map[string]string {
	d := map[string]string{}
	if cfg.S3.Endpoint != "" {
		d["s3.endpoint"] = cfg.S3.Endpoint
	}
	if cfg.S3.Region != "" {
		d["s3.region"] = cfg.S3.Region
	}
	if p := cfg.S3.PathStyle; p != nil || cfg.S3.Endpoint != "" {
		d["s3.path-style-access"] = strconv.FormatBool(p == nil || *p)
	}
	return d
}
