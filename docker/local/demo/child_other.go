//go:build !linux

package main

import "syscall"

// childAttr keeps Ctrl-C from the child: the demo ends it.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
