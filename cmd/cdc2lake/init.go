package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented configuration file",
		Long:  "Writes a commented configuration file with every key: to FILE, which must not exist, or to standard output.",
		Args:  atMostOne,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(a.stdout, config.InitFile())
				return err
			}
			// It will hold secrets if its owner writes them there.
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				fix := "name a file that can be written"
				if errors.Is(err, fs.ErrExist) {
					fix = "name another file, or remove this one"
				}
				return &cdc.Error{Code: config.CodeConfig, Msg: "write configuration", Err: err, Fix: fix}
			}
			_, err = f.WriteString(config.InitFile())
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "wrote %s; edit it, then: cdc2lake check --config %s\n", args[0], args[0])
			return nil
		},
	}
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("at most one argument is expected, not %d", len(args)), cmd.CommandPath()}
	}
	return nil
}
