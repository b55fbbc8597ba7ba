//go:build !linux

package main

import "syscall"

func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// threadSeconds is the CPU of all threads: others than Linux do not tell.
func threadSeconds() float64 { return processSeconds() }
