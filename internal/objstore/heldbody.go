package objstore

import (
	"errors"
	"io"
	"sync"
)

// heldBody lends memory to an HTTP request and can take it back. Go's transport may go on
// reading a body after the request has failed or was cancelled; by then the memory is another
// part's, or the caller's again. A record changed while it is being sent, with an outcome
// reported as unknown, would be a decision that nobody took.
type heldBody struct {
	mu   sync.Mutex // guards all below
	r    io.ReadSeeker
	gone bool
}

var errBodyGone = errors.New("request is over")

func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return 0, errBodyGone
	}
	return b.r.Read(p)
}

func (b *heldBody) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return 0, errBodyGone
	}
	return b.r.Seek(offset, whence)
}

// letGo ends the loan: no Read touches the memory after it returns.
func (b *heldBody) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = true
}
