package binlog

import (
	"encoding/binary"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// EventType is the type code of a log event.
type EventType uint8

// Types of events; those marked "table" or "rows" are consumed by the Decoder and never reach Handler.Event, unless watched.
const (
	QueryEvent              EventType = 2
	StopEvent               EventType = 3
	RotateEvent             EventType = 4
	IntvarEvent             EventType = 5
	AppendBlockEvent        EventType = 9
	DeleteFileEvent         EventType = 11
	RandEvent               EventType = 13
	UserVarEvent            EventType = 14
	FormatDescriptionEvent  EventType = 15
	XidEvent                EventType = 16
	BeginLoadQueryEvent     EventType = 17
	ExecuteLoadQueryEvent   EventType = 18
	TableMapEvent           EventType = 19 // table
	WriteRowsV1             EventType = 23 // rows
	UpdateRowsV1            EventType = 24 // rows
	DeleteRowsV1            EventType = 25 // rows
	IncidentEvent           EventType = 26
	HeartbeatEvent          EventType = 27
	IgnorableEvent          EventType = 28
	RowsQueryEvent          EventType = 29
	WriteRowsV2             EventType = 30 // rows
	UpdateRowsV2            EventType = 31 // rows
	DeleteRowsV2            EventType = 32 // rows
	GTIDEvent               EventType = 33
	AnonymousGTIDEvent      EventType = 34
	PreviousGTIDsEvent      EventType = 35
	TransactionContextEvent EventType = 36
	ViewChangeEvent         EventType = 37
	XAPrepareEvent          EventType = 38
	PartialUpdateRowsEvent  EventType = 39 // rows
	TransactionPayloadEvent EventType = 40 // its events are delivered one by one
	HeartbeatV2Event        EventType = 41
	GTIDTaggedEvent         EventType = 42

	// Of MariaDB. Compressed statements and rows are delivered as what they hold.

	AnnotateRowsEvent      EventType = 160 // the statement behind rows
	BinlogCheckpointEvent  EventType = 161
	DomainGTIDEvent        EventType = 162 // begins a transaction, also where no BEGIN follows
	GTIDListEvent          EventType = 163
	StartEncryptionEvent   EventType = 164
	QueryCompressedEvent   EventType = 165
	WriteRowsCompressedV1  EventType = 166 // rows
	UpdateRowsCompressedV1 EventType = 167 // rows
	DeleteRowsCompressedV1 EventType = 168 // rows
	WriteRowsCompressed    EventType = 169 // rows
	UpdateRowsCompressed   EventType = 170 // rows
	DeleteRowsCompressed   EventType = 171 // rows
)

// Bits of Event.Flags.
const (
	// FlagArtificial marks events that the server made up for this connection; they have no place in the log.
	FlagArtificial = 0x20
	flagIgnorable  = 0x80
)

// Bits of Event.RowFlags.
const (
	RowFlagStatementEnd       = 1
	RowFlagNoForeignKeyChecks = 2
)

// Event is an event that carries no rows. It and its slices are valid only during Handler.Event, and fields that name types
// only for these.
type Event struct {
	Type      EventType
	Flags     uint16
	Nested    bool   // it stood inside a TransactionPayloadEvent; End is that event's
	Timestamp uint32 // seconds since the epoch; 0 of events made up for this connection
	ServerID  uint32
	Size      uint32 // bytes, with header and checksum; of the payload event where Nested
	// End is the position in the file after the event, modulo 2^32; 0 of events made up for this connection.
	End  uint32
	Body []byte // what follows the header, without the checksum

	GTID  GTID  // GTIDEvent, GTIDTaggedEvent, DomainGTIDEvent; AnonymousGTIDEvent has only the times
	Query Query // QueryEvent, ExecuteLoadQueryEvent

	// RotateEvent: the next file and position. Heartbeats: where the log stands.
	File     []byte
	Position uint64

	Xid           uint64 // XidEvent
	ServerVersion []byte // FormatDescriptionEvent
	Checksums     bool   // FormatDescriptionEvent: events carry CRC32 checksums
	Incident      uint16 // IncidentEvent: 1 is LOST_EVENTS

	// Rows events of watched tables, before their rows are decoded.
	Table    cdc.TableID
	RowFlags uint16
}

const headerSize = 19

// header fills e from the event's first bytes and returns the length that it claims. Fields of the types' own are left as
// they were: parse sets those of the type.
func (e *Event) header(ev []byte) uint32 {
	_ = ev[headerSize-1]
	e.Timestamp = binary.LittleEndian.Uint32(ev)
	e.Type = EventType(ev[4])
	e.ServerID = binary.LittleEndian.Uint32(ev[5:])
	e.End = binary.LittleEndian.Uint32(ev[13:])
	e.Flags = binary.LittleEndian.Uint16(ev[17:])
	e.Nested = false
	return binary.LittleEndian.Uint32(ev[9:])
}

// parse reads the type's own fields from Body.
func (e *Event) parse() error {
	b := e.Body
	e.Table, e.RowFlags = cdc.TableID{}, 0
	switch e.Type {
	case QueryEvent:
		return e.Query.parse(b, 0)
	case ExecuteLoadQueryEvent:
		return e.Query.parse(b, loadHeader)
	case GTIDEvent, AnonymousGTIDEvent:
		return e.GTID.parse(b)
	case GTIDTaggedEvent:
		return e.GTID.parseTagged(b)
	case DomainGTIDEvent:
		return e.GTID.parseDomain(b, e.ServerID)
	case XidEvent:
		if len(b) < 8 {
			return errShortEvent
		}
		e.Xid = binary.LittleEndian.Uint64(b)
	case RotateEvent:
		if len(b) < 8 {
			return errShortEvent
		}
		e.Position, e.File = binary.LittleEndian.Uint64(b), b[8:]
	case HeartbeatEvent:
		e.Position, e.File = uint64(e.End), b
	case HeartbeatV2Event:
		return e.parseHeartbeatV2(b)
	case IncidentEvent:
		if len(b) < 2 {
			return errShortEvent
		}
		e.Incident = binary.LittleEndian.Uint16(b)
	}
	return nil
}

// parseHeartbeatV2 reads type, length, value triples: 1 is the file's name, 2 the position, 0 the end.
func (e *Event) parseHeartbeatV2(b []byte) error {
	e.File, e.Position = nil, 0
	for len(b) > 0 && b[0] != 0 {
		typ := b[0]
		n, k := lenenc(b[1:])
		if k == 0 || n > uint64(len(b)-1-k) {
			return errShortEvent
		}
		value := b[1+k : 1+k+int(n)]
		b = b[1+k+int(n):]
		switch typ {
		case 1:
			e.File = value
		case 2:
			p, k := lenenc(value)
			if k == 0 {
				return errShortEvent
			}
			e.Position = p
		}
	}
	return nil
}

// lenenc reads a length-encoded integer and returns how many bytes it took; 0 if it is cut off or no integer.
func lenenc(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch b[0] {
	default:
		return uint64(b[0]), 1
	case 0xfb, 0xff:
		return 0, 0
	case 0xfc:
		n = 3
	case 0xfd:
		n = 4
	case 0xfe:
		n = 9
	}
	if len(b) < n {
		return 0, 0
	}
	return littleEndian(b[1:n]), n
}
