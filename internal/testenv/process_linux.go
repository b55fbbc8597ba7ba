package testenv

import (
	"os"
	"syscall"
	"unsafe"
)

func tie(attr *syscall.SysProcAttr, last syscall.Signal) {
	attr.Setpgid = true
	attr.Pdeathsig = last
}

func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// awaitStop returns when all threads of a child have stopped: the signal alone leaves them time to answer a request.
func awaitStop(pid int) error {
	const idIsPID = 1
	var info [128]byte // siginfo_t
	for {
		// Without WEXITED, so that the end is left to Wait; ECHILD then. WNOWAIT lets a second call see the stop, too.
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idIsPID, uintptr(pid), uintptr(unsafe.Pointer(&info)),
			syscall.WSTOPPED|syscall.WNOWAIT, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return errno
		}
	}
}
