package mysql

import (
	"context"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// pool holds the connections of chunk readers, at most max of them.
type pool struct {
	cfg    *Config
	addr   string
	slots  chan struct{} // one token per open or lent connection
	ctx    context.Context
	cancel context.CancelFunc

	mu   sync.Mutex // guards idle
	idle []idleConn
}

type idleConn struct {
	cn    *conn
	since time.Time
}

// maxIdle is the age at which an idle connection is not trusted any more: proxies and firewalls drop them.
const maxIdle = time.Minute

func newPool(cfg *Config, addr string, limit int) *pool {
	p := &pool{cfg: cfg, addr: addr, slots: make(chan struct{}, limit)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// with runs f with a connection. If f fails, or ctx ends, the connection is closed: its session may be in any state.
func (p *pool) with(ctx context.Context, f func(*conn) error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	defer func() { <-p.slots }()
	cn := p.take()
	if cn == nil {
		var err error
		if cn, err = p.open(ctx); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, cn.close)
	err := f(cn)
	if !stop() || err != nil {
		cn.close()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		cn.close()
		return nil
	}
	p.idle = append(p.idle, idleConn{cn, time.Now()})
	return nil
}

// open connects: dialling ends with ctx, the connection lives as long as the pool.
func (p *pool) open(ctx context.Context) (*conn, error) {
	dial, cancel := context.WithCancel(p.ctx)
	stop := context.AfterFunc(ctx, cancel)
	cn, err := p.cfg.connect(dial, p.addr)
	if !stop() && err == nil {
		cn.close()
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if _, err := cn.exec(binlog.RowSession); err != nil {
		cn.close()
		cancel()
		return nil, err
	}
	unhook := cn.stop
	cn.stop = func() bool { cancel(); return unhook() }
	return cn, nil
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if time.Since(c.since) < maxIdle {
			return c.cn
		}
		c.cn.close()
	}
	return nil
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	for _, c := range p.idle {
		c.cn.close()
	}
	p.idle = nil
}
