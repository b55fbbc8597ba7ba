package binlog

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

var (
	errShortEvent = errors.New("the event ends too early")
	errGTID       = errors.New("a malformed GTID event")
)

// GTID is the identity and the times of a transaction.
type GTID struct {
	UUID [16]byte
	Tag  []byte // empty for untagged ones; valid only during Handler.Event
	GNO  int64
	// ImmediateMicros is when the server that we read from committed, OriginalMicros when the first server did;
	// microseconds since the epoch; 0 from servers before 8.0.
	ImmediateMicros, OriginalMicros int64
	// Length is the transaction's size in the log in bytes, this event included; 0 if unknown.
	Length uint64

	// Domain and Server, with GNO, are the identity of MariaDB's. Standalone ones consist of the one event that follows.
	Domain, Server uint32
	Standalone     bool
	// XA is the name of the XA transaction whose first half begins; there is no XA START then.
	XA string
	// Alter is the half of an ALTER TABLE that is logged when it starts and again when it ends (binlog_alter_two_phase).
	Alter AlterPhase
}

// AlterPhase tells the two halves of an ALTER TABLE apart.
type AlterPhase uint8

// The halves; zero is a statement that is logged once.
const (
	AlterStart    AlterPhase = 2 // it has begun, and changed nothing yet
	AlterCommit   AlterPhase = 4 // it is done
	AlterRollback AlterPhase = 8 // it was given up
)

// parse reads a GTID_LOG_EVENT: flags 1, UUID 16, number 8, then in servers since 5.7 a type byte 2 and two logical
// clocks of 8 bytes, since 8.0 the commit times of 7 bytes each (the second only if bit 55 of the first is set), the
// length, and server versions.
func (g *GTID) parse(b []byte) error {
	if len(b) < 25 {
		return errShortEvent
	}
	*g = GTID{GNO: int64(binary.LittleEndian.Uint64(b[17:]))}
	copy(g.UUID[:], b[1:])
	if b = b[25:]; len(b) < 17+7 || b[0] != 2 {
		return nil
	}
	b = b[17:]
	t := littleEndian(b[:7])
	b = b[7:]
	g.ImmediateMicros = int64(t &^ (1 << 55))
	g.OriginalMicros = g.ImmediateMicros
	if t>>55 == 1 {
		if len(b) < 7 {
			return errShortEvent
		}
		g.OriginalMicros = int64(littleEndian(b[:7]))
		b = b[7:]
	}
	g.Length, _ = lenenc(b)
	return nil
}

// parseTagged reads a GTID_TAGGED_LOG_EVENT, a message of mysql::serialization: version, size, number of the last field
// that must be understood, then fields as number and value in ascending order; absent ones have their defaults.
func (g *GTID) parseTagged(b []byte) error {
	*g = GTID{}
	r := varReader{b: b}
	r.uint() // version
	r.uint() // size
	r.uint() // last field that must not be ignored
	seen, original := 0, false
	for len(r.b) > 0 && !r.failed {
		switch id := r.uint(); id {
		case 0: // flags
			r.uint()
		case 1:
			for i := range g.UUID {
				u := r.uint()
				if u > 255 {
					return errGTID
				}
				g.UUID[i] = byte(u)
			}
			seen++
		case 2:
			g.GNO = r.int()
			seen++
		case 3:
			g.Tag = r.bytes()
		case 4, 5: // last committed, sequence number
			r.int()
		case 6:
			g.ImmediateMicros = int64(r.uint())
		case 7:
			g.OriginalMicros, original = int64(r.uint()), true
		case 8:
			g.Length = r.uint()
		case 9, 10, 11: // server versions, commit group ticket
			r.uint()
		default:
			return errGTID
		}
	}
	if r.failed || seen != 2 || g.GNO <= 0 {
		return errGTID
	}
	if !original {
		g.OriginalMicros = g.ImmediateMicros
	}
	return nil
}

// varReader reads the integers of mysql::serialization: the number of trailing one bits of the first byte is the number
// of bytes that follow; the value stands above them, little endian. Signed ones are zigzagged.
type varReader struct {
	b      []byte
	failed bool
}

func (r *varReader) uint() uint64 {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	n := bits.TrailingZeros8(^r.b[0]) + 1
	if len(r.b) < n {
		r.failed = true
		r.b = nil
		return 0
	}
	var v uint64
	if n == 9 { // the first byte is all ones
		v = littleEndian(r.b[1:9])
	} else {
		v = littleEndian(r.b[:n]) >> n
	}
	r.b = r.b[n:]
	return v
}

func (r *varReader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *varReader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}
