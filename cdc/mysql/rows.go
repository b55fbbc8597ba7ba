package mysql

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// stream reads the rows that fulfil a condition with a prepared statement, whose rows come in the binary protocol, and
// hands them on in batches. The connection must be from the pool. An error of emit is returned as it is.
func (s *Source) stream(ctx context.Context, cn *conn, schema *cdc.Schema, where, order, label string, emit func(*cdc.Batch) error) error {
	dec, err := binlog.NewRowDecoder(s.batches.of(schema), s.cfg.TableOptions(schema.Table), s.cfg.KeySeed, emit)
	if err != nil {
		return err
	}
	defer dec.Drop()
	dec.Begin(time.Now().UnixMicro(), []byte(label))
	columns := make([]string, len(dec.Columns()))
	for i, c := range dec.Columns() {
		columns[i] = quoteName(c)
	}
	q := "SELECT " + strings.Join(columns, ", ") + " FROM " + quoteTable(schema.Table) + " WHERE " + where
	if order != "" {
		q += " ORDER BY " + order
	}
	id, err := cn.prepare(q)
	if err != nil {
		return chunkError(schema.Table, err)
	}
	if err := cn.execute(id, len(columns), dec); err != nil {
		if serverError(err) != 0 {
			err = classify(err, "read rows")
		}
		return chunkError(schema.Table, err)
	}
	if err := dec.Flush(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return classify(sendCommand(cn.socket(), gomysql.COM_STMT_CLOSE, binary.LittleEndian.AppendUint32(nil, id)), "close a statement")
}

// prepare sends COM_STMT_PREPARE and returns the statement's id. The statement has no parameters.
func (cn *conn) prepare(q string) (uint32, error) {
	if !strings.Contains(cn.CapabilityString(), "CLIENT_DEPRECATE_EOF") {
		return 0, &cdc.Error{Code: codePreflight, Msg: "what is connected speaks the protocol of servers before 5.7.5", Fix: "connect to the server itself, not by a proxy"}
	}
	if err := sendCommand(cn.socket(), gomysql.COM_STMT_PREPARE, []byte(q)); err != nil {
		return 0, classify(err, "prepare")
	}
	cn.packets.reset()
	p, err := cn.packets.next()
	if err != nil {
		return 0, classify(err, "prepare")
	}
	if p[0] == 0xff {
		return 0, classify(parseError(p), "prepare "+abbreviate(q))
	}
	if p[0] != 0 || len(p) < 12 {
		return 0, protocolError("an answer of %d bytes to prepare", len(p))
	}
	id, columns, params := binary.LittleEndian.Uint32(p[1:]), binary.LittleEndian.Uint16(p[5:]), binary.LittleEndian.Uint16(p[7:])
	if params != 0 {
		return 0, protocolError("a statement without parameters has %d", params)
	}
	for range columns { // CLIENT_DEPRECATE_EOF: nothing follows
		if _, err := cn.packets.next(); err != nil {
			return 0, classify(err, "prepare")
		}
	}
	return id, nil
}

// execute runs a prepared statement and gives its rows to the decoder.
func (cn *conn) execute(id uint32, columns int, dec *binlog.RowDecoder) error {
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = append(b, 0)          // no cursor
	b = append(b, 1, 0, 0, 0) // iterations
	if err := sendCommand(cn.socket(), gomysql.COM_STMT_EXECUTE, b); err != nil {
		return classify(err, "read rows")
	}
	cn.packets.reset()
	next := func() ([]byte, error) {
		p, err := cn.packets.next()
		if err != nil {
			return nil, classify(err, "read rows")
		}
		if p[0] == 0xff {
			return nil, parseError(p)
		}
		return p, nil
	}
	p, err := next()
	if err != nil {
		return err
	}
	if n, _, _ := gomysql.LengthEncodedInt(p); int(n) != columns {
		return protocolError("%d columns where %d were selected", n, columns)
	}
	for i := range columns {
		if p, err = next(); err != nil {
			return err
		}
		if err := dec.Definition(i, p); err != nil {
			return err
		}
	}
	for {
		if err = cn.packets.take(dec.Rows); err != nil {
			return err
		}
		if p, err = next(); err != nil {
			return err
		}
		if p[0] == 0xfe && len(p) < maxPart {
			return nil
		}
		if err := dec.Row(p); err != nil {
			return err
		}
	}
}
