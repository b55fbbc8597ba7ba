package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Handler takes what a Decoder reads, in the log's order. An error ends Decoder.Event with that error.
type Handler interface {
	// Batch takes a batch over, with its reference. Batch.Seq is for the handler to set.
	Batch(b *cdc.Batch) error
	// Event takes an event that carries no rows: GTID, Query, Xid, Rotate, heartbeats and so on, also those inside
	// compressed transactions; and, before its rows are decoded, each UPDATE or DELETE of a watched table.
	Event(e *Event) error
	// TableError says that the table cannot be followed: it is unregistered, and its open batch is dropped.
	TableError(err *cdc.Error) error
}

// Decoder turns events into batches. It is used by one goroutine.
type Decoder struct {
	h      Handler
	seed   uint64
	tables map[string]*Table // by tableKey
	watch  map[string]cdc.TableID
	plans  map[uint64]*plan // by table id
	lastID uint64           // of last
	last   *plan
	open   []*Table
	touch  []*Table
	micros int64
	pos    []byte

	started   bool // a format description was read
	hold      bool
	checksums bool
	ev        Event
	key       []byte
	payload   payloadReader
	inflater  inflater
	images    []byte // of UPDATEs that were logged as partial ones
}

// NewDecoder returns a decoder. seed is the pipeline's (cdc.Seed).
func NewDecoder(h Handler, seed uint64) *Decoder {
	return &Decoder{h: h, seed: seed, tables: map[string]*Table{}, watch: map[string]cdc.TableID{}, plans: map[uint64]*plan{}}
}

func tableKey(buf []byte, database, table []byte) []byte {
	buf = append(buf[:0], database...)
	buf = append(buf, 0)
	return append(buf, table...)
}

func keyOf(id cdc.TableID) string { return id.Database + "\x00" + id.Name }

// Register selects a table under a definition: one that NewSchema made with the same options, with the version and the
// initial values that the source gave it. It takes the place of an earlier definition, whose open rows are handed on first.
func (d *Decoder) Register(schema *cdc.Schema, opts TableOptions) (*Table, error) {
	src, cols, cerr := recompile(schema, &opts)
	if cerr != nil {
		return nil, cerr
	}
	if err := d.Unregister(schema.Table); err != nil {
		return nil, err
	}
	t := &Table{schema: schema, source: *src, columns: cols}
	w, cerr := newWriter(schema, &opts, d.seed, cdc.NewBatchPool(schema), func(b *cdc.Batch) error {
		t.Batches++
		t.Rows += uint64(b.N)
		t.noted, t.folded = 0, 0
		return d.h.Batch(b)
	})
	if cerr != nil {
		return nil, cerr
	}
	t.writer = w
	d.tables[keyOf(schema.Table)] = t
	d.forget()
	return t, nil
}

// Unregister deselects a table after its open rows are handed on.
func (d *Decoder) Unregister(id cdc.TableID) error {
	t := d.tables[keyOf(id)]
	if t == nil {
		return nil
	}
	err := d.flushTable(t)
	d.remove(t)
	return err
}

func (d *Decoder) remove(t *Table) {
	t.writer.drop()
	t.gone = true
	if d.tables[keyOf(t.schema.Table)] == t {
		delete(d.tables, keyOf(t.schema.Table))
	}
	// The plans stay: a statement over several tables has its table maps first, and the others' rows are still to come.
	// Those of t see that it is gone.
}

// Watch makes UPDATEs and DELETEs of a table known to Handler.Event, whether it is selected or not: a source needs it
// for the parents of foreign keys with cascades that the server does not log.
func (d *Decoder) Watch(id cdc.TableID) {
	d.watch[keyOf(id)] = id
	d.forget()
}

// forget makes all plans be made anew.
func (d *Decoder) forget() {
	clear(d.plans)
	d.last = nil
}

// Begin says which transaction the next rows belong to, for metadata columns: its commit time and its position as people
// write it. pos is copied.
func (d *Decoder) Begin(commitMicros int64, pos []byte) {
	d.micros = commitMicros
	d.pos = append(d.pos[:0], pos...)
}

// Commit notes the end of a transaction in the open batches that have rows of it.
func (d *Decoder) Commit(commitMicros int64) {
	for _, t := range d.touch {
		t.touched = false
		if b := t.writer.b; b != nil && !t.gone && b.N > t.noted {
			if n := len(b.Txns); n == cap(b.Txns) {
				b.Txns = slices.Grow(b.Txns, max(16, 3*n)) // small transactions: there will be as many as rows
			}
			b.Txns = append(b.Txns, cdc.Txn{End: int32(b.N), CommitMicros: commitMicros})
			t.noted = b.N
		}
		if b := t.writer.b; b != nil && !t.gone && b.Folded > t.folded {
			b.FoldedMicros, t.folded = max(b.FoldedMicros, commitMicros), b.Folded
		}
	}
	d.touch = d.touch[:0]
}

// Flush hands all open batches on. Call it at transaction boundaries.
func (d *Decoder) Flush() error {
	open := d.open
	d.open = d.open[:0]
	for i, t := range open {
		if t.gone {
			continue
		}
		if err := d.flushTable(t); err != nil {
			d.open = append(d.open, open[i+1:]...)
			return err
		}
	}
	return nil
}

func (d *Decoder) flushTable(t *Table) error {
	err := t.writer.flush()
	t.noted, t.folded = 0, 0
	return d.settle(t, err)
}

// settle passes an error of the table's own data to the handler, and gives the table up.
func (d *Decoder) settle(t *Table, err error) error {
	if err == nil {
		return nil
	}
	var f *fault // allocates: errors.As lets it escape
	if !errors.As(err, &f) {
		return err
	}
	if f.end != 0 {
		f.err.Msg += " (before position " + uintText(uint64(f.end)) + ")"
	}
	d.remove(t)
	return d.h.TableError(f.err)
}

// Reset forgets what belongs to a connection: the format description, table maps, Hold. Open rows stay.
func (d *Decoder) Reset() {
	d.started, d.checksums, d.hold = false, false, false
	d.forget()
}

// Close gives everything back; open rows are dropped.
func (d *Decoder) Close() {
	for _, t := range d.tables {
		t.writer.drop()
		t.gone = true
	}
	clear(d.tables)
	d.open, d.touch = nil, nil
	d.forget()
	d.payload.close()
}

// maxEvent bounds an event's size: MySQL's limit of a packet and room for headers.
const maxEvent = 1<<30 + 1<<16

// Event decodes one event, header and checksum included, as it follows the status byte of a replication packet or as it
// stands in a log file. It may hand on batches. ev is not retained. The error is the handler's, or has code
// BINLOG_DAMAGED or BINLOG_EVENT; after an error the decoder must be closed.
func (d *Decoder) Event(ev []byte) error {
	if len(ev) < headerSize || len(ev) > maxEvent {
		return damaged(ev, "an event of %d bytes", len(ev))
	}
	e := &d.ev
	if n := e.header(ev); int64(n) != int64(len(ev)) {
		return damaged(ev, "its header says %d bytes, %d came", n, len(ev))
	}
	e.Size = uint32(len(ev))
	body := ev[headerSize:]
	if e.Type == FormatDescriptionEvent {
		return d.format(ev)
	}
	if !d.started {
		// Only events made up for the connection stand in front of the format description, with a checksum if the
		// client's session asked for it.
		if n := len(ev) - 4; n >= headerSize && crc32.ChecksumIEEE(ev[:n]) == binary.LittleEndian.Uint32(ev[n:]) {
			body = ev[headerSize:n]
		}
	} else if d.checksums {
		n := len(ev) - 4
		if n < headerSize {
			return damaged(ev, "no room for a checksum")
		}
		if crc32.ChecksumIEEE(ev[:n]) != binary.LittleEndian.Uint32(ev[n:]) {
			return damaged(ev, "its checksum is wrong")
		}
		body = ev[headerSize:n]
	}
	return d.dispatch(e, body)
}

// dispatch decodes an event whose header is in e.
func (d *Decoder) dispatch(e *Event, body []byte) error {
	switch e.Type {
	case TableMapEvent, WriteRowsV1, UpdateRowsV1, DeleteRowsV1, WriteRowsV2, UpdateRowsV2, DeleteRowsV2, PartialUpdateRowsEvent,
		WriteRowsCompressedV1, UpdateRowsCompressedV1, DeleteRowsCompressedV1, WriteRowsCompressed, UpdateRowsCompressed, DeleteRowsCompressed:
		e.Body = body
		if d.hold {
			return d.h.Event(e)
		}
		return d.Apply(e)
	case QueryCompressedEvent:
		return d.queryCompressed(e, body)
	case TransactionPayloadEvent:
		if e.Nested {
			return d.bad(e, errors.New("a compressed transaction within another"))
		}
		return d.transaction(e, body)
	case QueryEvent, XidEvent, GTIDEvent, AnonymousGTIDEvent, GTIDTaggedEvent, RotateEvent, HeartbeatEvent, HeartbeatV2Event,
		IncidentEvent, ExecuteLoadQueryEvent, StopEvent, IntvarEvent, RandEvent, UserVarEvent, RowsQueryEvent, PreviousGTIDsEvent,
		TransactionContextEvent, ViewChangeEvent, XAPrepareEvent, IgnorableEvent, BeginLoadQueryEvent, AppendBlockEvent, DeleteFileEvent,
		AnnotateRowsEvent, BinlogCheckpointEvent, DomainGTIDEvent, GTIDListEvent, StartEncryptionEvent:
	default:
		if e.Flags&flagIgnorable == 0 {
			return cdc.Errorf(CodeEvent, cdc.TableID{}, "event of type %d before position %d", e.Type, e.End)
		}
	}
	e.Body = body
	if err := e.parse(); err != nil {
		return d.bad(e, err)
	}
	return d.h.Event(e)
}

// Hold says that table maps and rows events are not decoded from now on, but handed to Handler.Event as they are, with their Body,
// for Apply.
func (d *Decoder) Hold(on bool) { d.hold = on }

// Apply decodes a table map or rows event that was held, of this decoder or another one. Only Type, End and Body are looked at.
func (d *Decoder) Apply(e *Event) error {
	if e.Type == TableMapEvent {
		return d.tableMap(e, e.Body)
	}
	compressed := e.Type.expand()
	return d.rows(e, e.Body, compressed)
}

// format reads a format description: version 2, server version 50, time 4, header length 1, lengths of the other
// events' headers, the checksum algorithm 1 (servers since 5.6.1), and the checksum.
func (d *Decoder) format(ev []byte) error {
	body := ev[headerSize:]
	const fixed = 2 + 50 + 4 + 1
	if len(body) < fixed+40+5 || binary.LittleEndian.Uint16(body) != 4 || body[fixed-1] != headerSize {
		return damaged(ev, "a format description that is not of version 4")
	}
	lengths := body[fixed : len(body)-5]
	if int(UpdateRowsV2) <= len(lengths) && lengths[UpdateRowsV2-1] != 10 || lengths[TableMapEvent-1] != 8 {
		return damaged(ev, "a format description with row events of an unknown layout")
	}
	switch alg := body[len(body)-5]; alg {
	case 0:
		d.checksums = false
	case 1:
		if n := len(ev) - 4; crc32.ChecksumIEEE(ev[:n]) != binary.LittleEndian.Uint32(ev[n:]) {
			return damaged(ev, "the checksum of the format description is wrong")
		}
		d.checksums = true
	default:
		return damaged(ev, "checksum algorithm %d is not known", alg)
	}
	d.started = true
	e := &d.ev
	e.Body, e.Checksums = body[:len(body)-4], d.checksums
	e.ServerVersion, _, _ = bytes.Cut(body[2:52], []byte{0})
	return d.h.Event(e)
}

func (d *Decoder) bad(e *Event, cause error) error {
	return cdc.Errorf(CodeDamaged, cdc.TableID{}, "event of type %d before position %d: %w", e.Type, e.End, cause)
}

// damaged describes an event that cannot be trusted.
func damaged(ev []byte, format string, args ...any) error {
	where := ""
	if len(ev) >= headerSize {
		where = fmt.Sprintf("event of type %d before position %d: ", ev[4], binary.LittleEndian.Uint32(ev[13:]))
	}
	return cdc.Errorf(CodeDamaged, cdc.TableID{}, "%s%s", where, fmt.Sprintf(format, args...))
}
