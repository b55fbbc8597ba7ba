package mysql

import "github.com/cdc2lake/cdc2lake/cdc"

// Observer is told how the log is followed; any field may be nil. Functions are called from several goroutines and must not
// block.
type Observer struct {
	// Connected: the log flows on a new connection.
	Connected func()
	// Disconnected: it does not flow any more, because the connection was lost or because Follow ends.
	Disconnected func(err error)
	// Received: bytes of the log's connection, once a block of up to some hundred kilobytes. Heartbeats count.
	Received func(bytes int)
	// Meter measures the goroutine that decodes the log: idle while it waits for bytes, blocked while it hands rows on.
	Meter *cdc.Meter
}

func (o *Observer) connected() {
	if o.Connected != nil {
		o.Connected()
	}
}

func (o *Observer) disconnected(err error) {
	if o.Disconnected != nil {
		o.Disconnected(err)
	}
}

func (o *Observer) received(n int) {
	if o.Received != nil {
		o.Received(n)
	}
}
