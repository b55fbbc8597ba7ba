package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Flags of MariaDB's GTID events.
const (
	domainStandalone  = 0x01 // one event follows, and it has no end of its own
	domainGroupCommit = 0x02 // a number of 8 bytes
	domainPrepared    = 0x40 // the first half of an XA transaction
	domainXA          = domainPrepared | 0x80
	domainAlter       = byte(AlterStart | AlterCommit | AlterRollback) // of the second byte of flags
)

var errDomainGTID = errors.New("a malformed GTID event of MariaDB")

// parseDomain reads number 8, domain 4, flags 1, then where the flags say so a commit number 8 and the name of an XA
// transaction (format 4, two lengths of 1, both parts), then a second byte of flags; zeros fill it up to 19 bytes.
func (g *GTID) parseDomain(b []byte, server uint32) error {
	if len(b) < 19 {
		return errShortEvent
	}
	*g = GTID{GNO: int64(binary.LittleEndian.Uint64(b)), Domain: binary.LittleEndian.Uint32(b[8:]), Server: server}
	flags := b[12]
	g.Standalone = flags&domainStandalone != 0
	if b = b[13:]; flags&domainGroupCommit != 0 {
		if len(b) < 8 {
			return errShortEvent
		}
		b = b[8:]
	}
	if flags&domainXA != 0 {
		if len(b) < 6 || len(b) < 6+int(b[4])+int(b[5]) {
			return errShortEvent
		}
		n := 6 + int(b[4])
		if flags&domainPrepared != 0 { // as in the statements of the log
			g.XA = fmt.Sprintf("X'%x',X'%x',%d", b[6:n], b[n:n+int(b[5])], int32(binary.LittleEndian.Uint32(b)))
		}
		b = b[n+int(b[5]):]
	}
	if len(b) > 0 {
		g.Alter = AlterPhase(b[0] & domainAlter)
	}
	if g.GNO <= 0 || server == 0 {
		return errDomainGTID
	}
	return nil
}

// expand turns the type of a compressed rows event into that of the event that it holds.
func (t *EventType) expand() bool {
	switch {
	case *t < WriteRowsCompressedV1 || *t > DeleteRowsCompressed:
		return false
	case *t < WriteRowsCompressed:
		*t -= WriteRowsCompressedV1 - WriteRowsV1
	default:
		*t -= WriteRowsCompressed - WriteRowsV2
	}
	return true
}

// queryCompressed delivers a statement that MariaDB has compressed.
func (d *Decoder) queryCompressed(e *Event, body []byte) error {
	e.Type, e.Body, e.Table, e.RowFlags = QueryEvent, body, cdc.TableID{}, 0
	if err := e.Query.parse(body, 0); err != nil {
		return d.bad(e, err)
	}
	sql, err := d.inflater.record(e.Query.SQL)
	if err != nil {
		return d.bad(e, err)
	}
	e.Query.SQL = sql
	return d.h.Event(e)
}

// appendUUID prints a UUID column's value; trailing zero bytes are missing in the log.
func appendUUID(dst, raw []byte) []byte {
	var b [16]byte
	copy(b[:], raw)
	const digits = "0123456789abcdef"
	for i, x := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[x>>4], digits[x&15])
	}
	return dst
}

// appendINET4 prints an INET4 column's value.
func appendINET4(dst, raw []byte) []byte {
	var b [4]byte
	copy(b[:], raw)
	for i, x := range b {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(x), 10)
	}
	return dst
}

// appendINET6 prints an INET6 column's value as MariaDB does: the longest run of zero words (the first of several) as "::", also if
// it is a single one, and the last two words of an IPv4 address in its own notation.
func appendINET6(dst, raw []byte) []byte {
	var b [16]byte
	copy(b[:], raw)
	var words [8]uint16
	gap, length := -1, 0
	for i, n := 0, 0; i < 8; i++ {
		if words[i] = binary.BigEndian.Uint16(b[2*i:]); words[i] != 0 {
			n = 0
			continue
		}
		if n++; n > length {
			gap, length = i+1-n, n
		}
	}
	for i := 0; i < 8; i++ {
		switch {
		case i == gap:
			if i == 0 {
				dst = append(dst, ':')
			}
			dst = append(dst, ':')
			i += length - 1
		case i == 6 && gap == 0 && (length == 6 || length == 5 && words[5] == 0xffff):
			return appendINET4(dst, b[12:])
		default:
			dst = strconv.AppendUint(dst, uint64(words[i]), 16)
			if i < 7 {
				dst = append(dst, ':')
			}
		}
	}
	return dst
}
