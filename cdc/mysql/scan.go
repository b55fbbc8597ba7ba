package mysql

import (
	"context"
	"encoding/binary"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// scan reads a part of the log a second time, on a connection of its own, beside the stream. Rows are not decoded: see
// binlog.Decoder.Hold.
type scan struct {
	// take gets each event with the place where the transaction that it belongs to starts. It says whether it wants more.
	take func(e *binlog.Event, start place) (more bool, err error)

	at   logPos
	txn  place // of the transaction being read
	done bool
}

// place is where a transaction starts in the log of the server that is connected.
type place struct {
	file string
	pos  uint64
}

// scanLog reads from a place on to the log's end, or until take has enough.
func (s *Source) scanLog(ctx context.Context, from place, take func(*binlog.Event, place) (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return err
	}
	defer cn.close()
	for _, q := range append(append([]string(nil), cn.dialect.dump...), "SET @replica_uuid = '"+uuid.NewString()+"', @slave_uuid = @replica_uuid") {
		if _, err := cn.exec(q); err != nil {
			return err
		}
	}
	pos := from.pos
	if pos > 1<<32-1 {
		pos = 4 // where the server can be asked to start; what lies before is not looked at
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(pos))
	b = binary.LittleEndian.AppendUint16(b, dumpNonBlock)
	id := s.cfg.ServerID
	if cn.dialect.mariadb {
		id ^= 1 << 29 // two connections with one id: it would end the other, whatever the uuid
	}
	b = binary.LittleEndian.AppendUint32(b, id)
	if err := sendCommand(cn.socket(), gomysql.COM_BINLOG_DUMP, append(b, from.file...)); err != nil {
		return classify(err, "read the log again")
	}
	sc := &scan{at: logPos{file: from.file, pos: from.pos, reading: pos}, take: take}
	dec := binlog.NewDecoder(sc, s.cfg.KeySeed)
	dec.Hold(true)
	defer dec.Close()
	f := newFramer(&patientReader{cn.socket(), 4*s.cfg.Heartbeat + 10*time.Second})
	f.seq = 1
	var buf []byte
	for {
		blk, err := f.read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if cdc.AsError(err) == nil {
				err = lostConnection(err)
			}
			return err
		}
		for {
			p, ok := blk.next()
			if !ok {
				break
			}
			switch {
			case len(p) > 0 && p[0] == 0:
				if err := dec.Event(p[1:]); err != nil {
					return err
				}
			case len(p) > 0 && p[0] == 0xff:
				return dumpError(parseError(p))
			case len(p) > 0 && p[0] == 0xfe:
				return nil
			default:
				return protocolError("a packet in the log that is no event")
			}
			if sc.done {
				return nil
			}
		}
		buf = blk.buf
	}
}

// Event implements binlog.Handler.
func (s *scan) Event(e *binlog.Event) error {
	if s.done {
		return nil // what is left of a compressed transaction
	}
	before := s.at.reading
	if e.Type == binlog.RotateEvent {
		s.at = logPos{file: string(e.File), pos: e.Position, reading: e.Position}
	} else if e.Flags&binlog.FlagArtificial == 0 && e.Type != binlog.HeartbeatEvent && e.Type != binlog.HeartbeatV2Event {
		s.at.advance(e.End)
	}
	switch e.Type {
	case binlog.GTIDEvent, binlog.GTIDTaggedEvent, binlog.DomainGTIDEvent, binlog.AnonymousGTIDEvent:
		s.txn = place{s.at.file, s.at.reading - uint64(e.Size)}
	case binlog.RotateEvent, binlog.HeartbeatEvent, binlog.HeartbeatV2Event, binlog.FormatDescriptionEvent:
		s.txn = place{s.at.file, before}
	}
	more, err := s.take(e, s.txn)
	s.done = !more
	return err
}

// Batch implements binlog.Handler; no table is registered.
func (s *scan) Batch(b *cdc.Batch) error { b.Release(); return nil }

// TableError implements binlog.Handler; no table is registered.
func (s *scan) TableError(err *cdc.Error) error { return err }

var _ binlog.Handler = (*scan)(nil)
