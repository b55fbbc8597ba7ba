package mysql

import (
	"bytes"
	"log/slog"
	"sync"
)

// captureLog makes a configuration's log readable.
func captureLog(cfg *Config) func() string {
	l := &lockedBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(l, nil))
	return func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.b.String()
	}
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
