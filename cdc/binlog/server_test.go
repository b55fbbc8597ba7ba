package binlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
	"github.com/go-mysql-org/go-mysql/client"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// query returns the rows of a statement as text. Unlike Database.Query it copies the texts before the result is closed,
// which gives their memory to the next one.
func query(t testing.TB, db *testenv.Database, sql string) [][]string {
	t.Helper()
	conn, err := db.Connect(context.Background(), db.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	res, err := conn.Execute(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer res.Close()
	rows := make([][]string, res.RowNumber())
	for i := range rows {
		for j := range res.ColumnNumber() {
			s, err := res.GetString(i, j)
			if err != nil {
				t.Fatal(err)
			}
			rows[i] = append(rows[i], strings.Clone(s))
		}
	}
	return rows
}

// describe reads a table's definition as a source would.
func describe(t testing.TB, db *testenv.Database, table string) SourceTable {
	t.Helper()
	src := SourceTable{Table: cdc.TableID{Database: db.Name, Name: table}, KeyName: "PRIMARY"}
	keys := map[string]int{}
	for _, r := range query(t, db, "SELECT column_name, seq_in_index FROM information_schema.statistics WHERE index_name='PRIMARY' AND table_schema='"+
		db.Name+"' AND table_name='"+table+"'") {
		keys[r[0]], _ = strconv.Atoi(r[1])
	}
	for _, r := range query(t, db, "SELECT column_name, column_type, IFNULL(character_set_name,''), IFNULL(collation_name,''), is_nullable, extra, column_comment "+
		"FROM information_schema.columns WHERE table_schema='"+db.Name+"' AND table_name='"+table+"' ORDER BY ordinal_position") {
		c := SourceColumn{Name: r[0], ColumnType: r[1], Charset: r[2], Collation: r[3], Nullable: r[4] == "YES", Key: keys[r[0]],
			Comment: r[6], Invisible: strings.Contains(r[5], "INVISIBLE")}
		if strings.Contains(r[5], "VIRTUAL GENERATED") {
			c.Generated = "virtual"
		} else if strings.Contains(r[5], "STORED GENERATED") {
			c.Generated = "stored"
		}
		if err := c.ParseType(); err != nil {
			t.Fatal(err)
		}
		src.Columns = append(src.Columns, c)
	}
	return src
}

// dump reads the log's events from a position to its end with COM_BINLOG_DUMP.
func dump(t testing.TB, db *testenv.Database, file string, pos uint32) [][]byte {
	t.Helper()
	conn, err := db.Connect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Execute("SET @master_binlog_checksum=@@global.binlog_checksum, @source_binlog_checksum=@@global.binlog_checksum"); err != nil {
		t.Fatal(err)
	}
	cmd := []byte{0, 0, 0, 0, 0x12}
	cmd = binary.LittleEndian.AppendUint32(cmd, pos)
	cmd = binary.LittleEndian.AppendUint16(cmd, 1) // BINLOG_DUMP_NON_BLOCK: end at the end of the log
	cmd = binary.LittleEndian.AppendUint32(cmd, 4_000_000)
	cmd = append(cmd, file...)
	conn.ResetSequence()
	if err := conn.WritePacket(cmd); err != nil {
		t.Fatal(err)
	}
	var events [][]byte
	for {
		p, err := conn.ReadPacket()
		if err != nil {
			t.Fatal(err)
		}
		switch p[0] {
		case 0:
			events = append(events, p[1:])
		case 0xfe:
			return events
		default:
			t.Fatalf("binlog dump: %q", p)
		}
	}
}

// selectRows runs a prepared statement and returns the definitions and the rows, as packets.
func selectRows(t testing.TB, conn *client.Conn, sql string) (definitions, rows [][]byte) {
	t.Helper()
	command := func(b []byte) {
		conn.ResetSequence()
		if err := conn.WritePacket(append([]byte{0, 0, 0, 0}, b...)); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []byte {
		p, err := conn.ReadPacket()
		if err != nil {
			t.Fatal(err)
		}
		if p[0] == 0xff {
			t.Fatalf("%s: %s", sql, p)
		}
		return p
	}
	eof := !strings.Contains(conn.CapabilityString(), "CLIENT_DEPRECATE_EOF")
	packets := func(n int) (out [][]byte) {
		for range n {
			out = append(out, read())
		}
		if n > 0 && eof {
			read()
		}
		return out
	}
	command(append([]byte{0x16}, sql...))
	r := read()
	id := bytes.Clone(r[1:5])
	packets(int(binary.LittleEndian.Uint16(r[5:]))) // definitions of the statement's columns
	command([]byte{0x17, id[0], id[1], id[2], id[3], 0, 1, 0, 0, 0})
	n, _ := lenenc(read())
	definitions = packets(int(n))
	for {
		p := read()
		if p[0] == 0xfe {
			return definitions, rows
		}
		rows = append(rows, p)
	}
}

// collector is a Handler that keeps what it gets.
type collector struct {
	batches []*cdc.Batch
	events  []Event
	failed  []*cdc.Error
	onEvent func(*Event) error
}

func (c *collector) Batch(b *cdc.Batch) error {
	c.batches = append(c.batches, b)
	return nil
}

func (c *collector) Event(e *Event) error {
	keep := *e
	keep.Body, keep.GTID.Tag, keep.File = bytes.Clone(e.Body), bytes.Clone(e.GTID.Tag), bytes.Clone(e.File)
	keep.Query.SQL, keep.Query.Database = bytes.Clone(e.Query.SQL), bytes.Clone(e.Query.Database)
	keep.ServerVersion = bytes.Clone(e.ServerVersion)
	c.events = append(c.events, keep)
	if c.onEvent != nil {
		return c.onEvent(e)
	}
	return nil
}

func (c *collector) TableError(err *cdc.Error) error {
	c.failed = append(c.failed, err)
	return nil
}

// valueText prints a value for comparison, from its meaning in cdc alone.
func valueText(c *cdc.Column, v *cdc.Vec, r int) string {
	if c.Nullable && v.IsNull(r) {
		return "NULL"
	}
	switch c.Type.Kind {
	case cdc.KindBool:
		return strconv.Itoa(int(v.U8[r]))
	case cdc.KindInt32:
		return strconv.Itoa(int(v.I32[r]))
	case cdc.KindInt64:
		return strconv.FormatInt(v.I64[r], 10)
	case cdc.KindFloat32:
		return strconv.FormatFloat(float64(v.F32[r]), 'g', -1, 64)
	case cdc.KindFloat64:
		return strconv.FormatFloat(v.F64[r], 'g', -1, 64)
	case cdc.KindDecimal:
		n := new(big.Int)
		if v.Layout == cdc.LayoutI128 {
			n.SetInt64(v.I64[2*r+1])
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(uint64(v.I64[2*r])))
		} else {
			n.SetInt64(v.I64[r])
		}
		s := fmt.Sprintf("%0*s", int(c.Type.Scale)+1, new(big.Int).Abs(n).String())
		if k := len(s) - int(c.Type.Scale); c.Type.Scale > 0 {
			s = s[:k] + "." + s[k:]
		}
		if n.Sign() < 0 {
			s = "-" + s
		}
		return s
	case cdc.KindDate:
		return time.Unix(int64(v.I32[r])*86400, 0).UTC().Format("2006-01-02")
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		return time.UnixMicro(v.I64[r]).UTC().Format("2006-01-02 15:04:05.000000")
	case cdc.KindString:
		return string(v.Bytes(r))
	default:
		return strings.ToUpper(hex.EncodeToString(v.Bytes(r)))
	}
}

// expression is how the server prints a column in the form of valueText.
func expression(c *SourceColumn) string {
	q := "`" + c.Name + "`"
	f, _ := c.family()
	switch {
	case f.binary(), f == famBit && c.Length > 1:
		if f == famBit {
			return fmt.Sprintf("HEX(LPAD(CAST(%s AS BINARY), %d, X'00'))", q, (c.Length+7)/8)
		}
		return "HEX(" + q + ")"
	case f == famBit, f == famYear:
		return q + "+0"
	case f == famFloat:
		return "CAST(" + q + " AS DOUBLE)"
	case f == famDatetime, f == famTimestamp:
		return "CAST(CAST(" + q + " AS DATETIME(6)) AS CHAR)"
	default:
		return "CAST(" + q + " AS CHAR)"
	}
}

func normalNumber(s string) string {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return s
}

// replica follows one table through the log into rows by key.
type replica struct {
	t      testing.TB
	db     *testenv.Database
	table  string
	opts   TableOptions
	src    SourceTable
	schema *cdc.Schema
	file   string
	pos    uint32
	c      *collector
}

// follow starts at the end of the log; create the table before.
func follow(t testing.TB, db *testenv.Database, table string, opts TableOptions) *replica {
	t.Helper()
	r := &replica{t: t, db: db, table: table, opts: opts, src: describe(t, db, table), c: &collector{}}
	var cerr *cdc.Error
	if r.schema, cerr = NewSchema(r.src, opts); cerr != nil {
		t.Fatal(cerr)
	}
	at, _, err := db.BinlogEnd(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r.file, r.pos = at.Name, at.Pos
	return r
}

// decode reads the log from the start on and returns the batches.
func (r *replica) decode() []*cdc.Batch {
	r.t.Helper()
	d := NewDecoder(r.c, 1)
	defer d.Close()
	if _, err := d.Register(r.schema, r.opts); err != nil {
		r.t.Fatal(err)
	}
	r.c.onEvent = func(e *Event) error {
		switch e.Type {
		case GTIDEvent, GTIDTaggedEvent, AnonymousGTIDEvent:
			d.Begin(e.GTID.OriginalMicros, fmt.Appendf(nil, "%x:%d", e.GTID.UUID, e.GTID.GNO))
		case XidEvent:
			d.Commit(d.micros)
		}
		return nil
	}
	for _, ev := range dump(r.t, r.db, r.file, r.pos) {
		if err := d.Event(ev); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return r.c.batches
}

func rowKey(s *cdc.Schema, b *cdc.Batch, r int) string {
	key := ""
	for _, i := range s.Key {
		key += valueText(&s.Columns[i], &b.Cols[i], r) + "\x00"
	}
	return key
}

func rowText(s *cdc.Schema, b *cdc.Batch, r int) []string {
	var out []string
	for i := range s.Columns {
		if !s.Columns[i].Meta {
			out = append(out, valueText(&s.Columns[i], &b.Cols[i], r))
		}
	}
	return out
}

// apply plays batches into rows, and fails on what does not fit: it sees every change since the table was empty.
func apply(t testing.TB, s *cdc.Schema, batches []*cdc.Batch) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, b := range batches {
		for r := range b.N {
			k := rowKey(s, b, r)
			_, known := rows[k]
			switch b.Ops[r] {
			case cdc.OpInsert, cdc.OpRead:
				if known {
					t.Errorf("row %q inserted twice", k)
				}
				rows[k] = rowText(s, b, r)
			case cdc.OpUpdate:
				if !known {
					t.Errorf("row %q updated, but not there", k)
				}
				rows[k] = rowText(s, b, r)
			case cdc.OpDelete:
				if !known {
					t.Errorf("row %q deleted, but not there", k)
				}
				delete(rows, k)
			}
		}
		checkBatch(t, b)
	}
	return rows
}

// checkBatch checks what every batch promises.
func checkBatch(t testing.TB, b *cdc.Batch) {
	t.Helper()
	h := cdc.NewKeyHasher(b.Schema, 1)
	hi, lo := make([]uint64, b.N), make([]uint64, b.N)
	h.Hash(b.Cols, 0, b.N, hi, lo)
	last := int32(0)
	for _, x := range b.Txns {
		if x.End <= last || int(x.End) > b.N {
			t.Errorf("transaction ends %v in %d rows", b.Txns, b.N)
		}
		last = x.End
	}
	for r := range b.N {
		if b.Key(r) != (cdc.Key{Hi: hi[r], Lo: lo[r]}) {
			t.Errorf("row %d has another key hash", r)
		}
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		nulls := 0
		for r := range b.N {
			null := v.Valid != nil && v.IsNull(r)
			if null {
				nulls++
			}
			if null || b.Ops[r] == cdc.OpDelete && !b.Schema.Keyless() && b.Schema.Columns[i].Key == 0 && !b.Schema.Columns[i].Meta {
				switch v.Layout {
				case cdc.LayoutU8:
					null = v.U8[r] == 0
				case cdc.LayoutI32:
					null = v.I32[r] == 0
				case cdc.LayoutI64:
					null = v.I64[r] == 0
				case cdc.LayoutI128:
					null = v.I64[2*r] == 0 && v.I64[2*r+1] == 0
				case cdc.LayoutF32:
					null = v.F32[r] == 0
				case cdc.LayoutF64:
					null = v.F64[r] == 0
				case cdc.LayoutBytes:
					null = v.Off[r] == v.Off[r+1]
				}
				if !null {
					t.Errorf("column %s row %d: a slot without a value is not zero", b.Schema.Columns[i].Name, r)
				}
			}
		}
		if nulls != v.Nulls {
			t.Errorf("column %s: Nulls is %d, %d bits are not set", b.Schema.Columns[i].Name, v.Nulls, nulls)
		}
	}
}

// printed is the table as the server prints it.
func (r *replica) printed() map[string][]string {
	r.t.Helper()
	var exprs []string
	for i := range r.src.Columns {
		if c := &r.src.Columns[i]; r.schema.Column(c.Name) >= 0 {
			exprs = append(exprs, expression(c))
		}
	}
	conn, err := r.db.Connect(context.Background(), r.db.Name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Execute("SET time_zone='+00:00', names utf8mb4"); err != nil {
		r.t.Fatal(err)
	}
	res, err := conn.Execute("SELECT " + strings.Join(exprs, ", ") + " FROM `" + r.table + "`")
	if err != nil {
		r.t.Fatal(err)
	}
	rows := map[string][]string{}
	for i := range res.RowNumber() {
		var row []string
		for j := range exprs {
			null, _ := res.IsNull(i, j)
			if null {
				row = append(row, "NULL")
				continue
			}
			s, err := res.GetString(i, j)
			if err != nil {
				r.t.Fatal(err)
			}
			switch kind := r.schema.Columns[j].Type.Kind; {
			case kind == cdc.KindFloat32, kind == cdc.KindFloat64:
				s = normalNumber(s)
			case strings.HasPrefix(s, "0000-00-00"):
				s = "NULL"
			}
			row = append(row, s)
		}
		key := ""
		for _, k := range r.schema.Key {
			key += row[k] + "\x00"
		}
		rows[key] = row
	}
	return rows
}

// read reads the table as an initial load does.
func (r *replica) read() map[string][]string {
	r.t.Helper()
	return apply(r.t, r.schema, r.selected())
}

// selected returns the batches of a SELECT.
func (r *replica) selected() []*cdc.Batch {
	r.t.Helper()
	conn, err := r.db.Connect(context.Background(), r.db.Name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Execute(RowSession); err != nil {
		r.t.Fatal(err)
	}
	var batches []*cdc.Batch
	d, err := NewRowDecoder(cdc.NewBatchPool(r.schema), r.opts, 1, func(b *cdc.Batch) error {
		batches = append(batches, b)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	definitions, rows := selectRows(r.t, conn, "SELECT `"+strings.Join(d.Columns(), "`,`")+"` FROM `"+r.table+"`")
	for i, p := range definitions {
		if err := d.Definition(i, p); err != nil {
			r.t.Fatal(err)
		}
	}
	d.Begin(1, []byte("chunk"))
	for _, p := range rows {
		if err := d.Row(p); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return batches
}

// check compares the log, the rows of a SELECT, and what the server prints.
func (r *replica) check() {
	r.t.Helper()
	printed := r.printed()
	r.compare("the log", apply(r.t, r.schema, r.decode()), printed)
	for _, err := range r.c.failed {
		r.t.Error(err)
	}
	r.compare("the rows", r.read(), printed)
}

func (r *replica) compare(name string, got, printed map[string][]string) {
	r.t.Helper()
	if len(got) != len(printed) {
		r.t.Errorf("%s give %d rows, the server has %d", name, len(got), len(printed))
	}
	bad := 0
	for k, want := range printed {
		for i := range want {
			if g := got[k]; g == nil || g[i] != want[i] {
				value := "no row"
				if g != nil {
					value = strconv.Quote(g[i])
				}
				if bad++; bad < 20 {
					r.t.Errorf("%s: row %q column %s (%s): got %s, the server prints %q", name, k, r.schema.Columns[i].Name, r.schema.Columns[i].Source, value, want[i])
				}
			}
		}
	}
}
