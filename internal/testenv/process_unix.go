//go:build unix && !linux

package testenv

import (
	"os"
	"syscall"
)

// tie cannot make a child end with a killed parent here: there is no such signal outside Linux.
func tie(attr *syscall.SysProcAttr, _ syscall.Signal) { attr.Setpgid = true }

func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func awaitStop(int) error { return nil }
