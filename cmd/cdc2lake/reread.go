package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

// rereading applies another selection of tables to a running pipeline.
type rereading struct {
	cfg *config.Config // that the service was started with
	now *config.Config // in force
	src *mysql.Source
	obs *observation
	// again begins a generation, with which tables join and leave.
	again chan<- string
}

// run reads the configuration file again whenever a signal comes, until ctx ends.
func (r *rereading) run(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		log := r.obs.log
		if r.cfg.File() == "" {
			log.Warn("there is no configuration file to read again: the configuration comes from flags")
			continue
		}
		next, err := config.Read(r.cfg.File())
		if err == nil {
			err = r.apply(next)
		}
		if err != nil {
			remedy := ""
			if e := cdc.AsError(err); e != nil {
				remedy = e.Remedy()
			}
			log.Error("the configuration was read again and is not applied; everything goes on as it was", "file", r.cfg.File(), "err", err, "remedy", remedy)
			continue
		}
		log.Info("the configuration was read again", "file", r.cfg.File(), "include", r.now.Tables.Include, "exclude", r.now.Tables.Exclude)
	}
}

// live are the keys that change while the service runs.
var live = []string{"tables.include", "tables.exclude", "tables.rules"}

// apply puts the selection and the rules of next in force, if nothing else has changed.
func (r *rereading) apply(next *config.Config) error {
	keys := config.Changed(r.now, next)
	if len(keys) == 0 {
		return nil
	}
	if other := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(live, k) }); len(other) > 0 {
		return &cdc.Error{Code: config.CodeConfig, Msg: "these keys need a restart: " + strings.Join(other, ", "), Fix: "restart the service, or undo these changes"}
	}
	var bound []string
	for _, t := range r.obs.board.snapshot().Tables {
		if !reflect.DeepEqual(r.now.Rule(t.Table), next.Rule(t.Table)) {
			bound = append(bound, t.Table)
		}
	}
	if len(bound) > 0 {
		return &cdc.Error{Code: config.CodeConfig, Msg: fmt.Sprintf("tables.rules needs a restart: the rule of %s changes", strings.Join(bound, ", ")),
			Fix: "restart the service, or change only rules of tables that it does not know yet"}
	}
	if err := r.src.Select(next.Tables.Include, next.Tables.Exclude); err != nil {
		return err
	}
	r.cfg.UseRules(next)
	r.now = next
	select {
	case r.again <- "the selection of tables changed":
	default: // one waits already
	}
	return nil
}
