package main

import "syscall"

// childAttr ends the child with this process, however it ends, and keeps Ctrl-C from it: the benchmark ends it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// threadSeconds is the CPU that the calling thread has used.
func threadSeconds() float64 { return cpuOf(1) } // RUSAGE_THREAD
