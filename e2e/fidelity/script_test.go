package fidelity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// sstep is a statement of a script, in one of its sessions. A failed statement is part of it: MySQL takes back what it did.
type sstep struct {
	session int
	sql     string
	failed  string
}

// sscript is what was executed in a database: parts[0] before the pipeline starts, the others while it runs.
type sscript struct {
	parts [][]sstep
}

// String is the script for people, in the notation of a case as far as one has it.
func (s *sscript) String() string {
	var b strings.Builder
	for i, part := range s.parts {
		if i > 0 {
			b.WriteString("-- then\n")
		}
		for _, st := range part {
			if st.failed != "" {
				fmt.Fprintf(&b, "-- failed: %s: ", st.failed)
			}
			if st.session > 0 {
				fmt.Fprintf(&b, "/* session %d */ ", st.session)
			}
			b.WriteString(st.sql + ";\n")
		}
	}
	return b.String()
}

func (s *sscript) len() int {
	n := 0
	for _, p := range s.parts {
		n += len(p)
	}
	return n
}

// goneSession is a step that closes the session's connection, whatever it is in.
const goneSession = "-- the connection is closed"

// player executes statements in the sessions of a script, and writes them down.
type player struct {
	ctx    context.Context
	m      *testenv.MySQLServer
	db     string
	conns  map[int]*client.Conn
	script sscript
	errors map[uint16]int
	rows   int64
}

func newPlayer(ctx context.Context, m *testenv.MySQLServer, db string) *player {
	return &player{ctx: ctx, m: m, db: db, conns: map[int]*client.Conn{}, script: sscript{parts: [][]sstep{nil}}, errors: map[uint16]int{}}
}

func (p *player) close() {
	for _, c := range p.conns {
		c.Close() //nolint:errcheck // a test's connection
	}
	clear(p.conns)
}

// part begins the next part of the script.
func (p *player) part() { p.script.parts = append(p.script.parts, nil) }

// do executes a statement. ok is false if MySQL refused it; err is anything worse.
func (p *player) do(session int, sql string) (ok bool, err error) {
	last := len(p.script.parts) - 1
	c := p.conns[session]
	if sql == goneSession {
		if delete(p.conns, session); c != nil {
			c.Close() //nolint:errcheck // a test's connection
		}
		p.script.parts[last] = append(p.script.parts[last], sstep{session: session, sql: sql})
		return true, nil
	}
	if c == nil {
		if c, err = p.m.Connect(p.ctx, p.db); err != nil {
			return false, err
		}
		p.conns[session] = c
		for _, s := range []string{"SET NAMES utf8mb4", "SET innodb_lock_wait_timeout = 1", "SET lock_wait_timeout = 5"} {
			if _, err := c.Execute(s); err != nil {
				return false, err
			}
		}
	}
	if p.m.Flavor() == "mariadb" { // whose literals have no time zone
		sql = strings.ReplaceAll(sql, "+00:00'", "'")
	}
	st := sstep{session: session, sql: sql}
	res, err := c.Execute(strings.ReplaceAll(sql, "{db}", p.db))
	var refused *mysql.MyError
	if errors.As(err, &refused) {
		st.failed, err = fmt.Sprint(refused.Code), nil
		p.errors[refused.Code]++
		if os.Getenv("CDC2LAKE_PROPERTY_ERRORS") != "" {
			fmt.Printf("%v: %s\n", refused, sql)
		}
	} else if err == nil {
		p.rows += int64(res.AffectedRows)
		res.Close()
	}
	p.script.parts[last] = append(p.script.parts[last], st)
	return st.failed == "", err
}

// replay executes a part of a script again.
func (p *player) replay(part []sstep) error {
	for _, s := range part {
		if _, err := p.do(s.session, s.sql); err != nil {
			return err
		}
	}
	return nil
}
