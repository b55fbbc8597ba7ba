package objtest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// LossyTransport is an HTTP transport that loses answers: the server does what it was asked,
// and the client never hears of it. For objstore.Config.WrapTransport.
type LossyTransport struct {
	Next http.RoundTripper
	lose atomic.Pointer[func(*http.Request) bool]
	lost atomic.Int64
}

// Lose chooses the requests whose answer is lost; nil: none.
func (l *LossyTransport) Lose(which func(*http.Request) bool) {
	if which == nil {
		l.lose.Store(nil)
		return
	}
	l.lose.Store(&which)
}

// Lost is the number of answers lost so far.
func (l *LossyTransport) Lost() int { return int(l.lost.Load()) }

var errReset = errors.New("simulated: connection reset by peer")

// RoundTrip sends the request, and fails afterwards where Lose says so.
func (l *LossyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.Next.RoundTrip(r)
	if which := l.lose.Load(); err == nil && which != nil && (*which)(r) {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		l.lost.Add(1)
		return nil, errReset
	}
	return resp, err
}
