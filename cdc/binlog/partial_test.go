package binlog

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// partialDiff is a partial update as the log has it.
func partialDiff(operation byte, path string, value []byte) []byte {
	b := append([]byte{operation, byte(len(path))}, path...)
	if operation != jsonRemove {
		b = append(append(b, byte(len(value))), value...)
	}
	return b
}

// partialTable is (id INT PRIMARY KEY, a JSON, b JSON).
func partialTable(t testing.TB) *cdc.Schema {
	t.Helper()
	src := SourceTable{Table: cdc.TableID{Database: "shop", Name: "docs"}, KeyName: "PRIMARY", Columns: []SourceColumn{
		{Name: "id", ColumnType: "int", Key: 1}, {Name: "a", ColumnType: "json", Nullable: true}, {Name: "b", ColumnType: "json", Nullable: true}}}
	for i := range src.Columns {
		if err := src.Columns[i].ParseType(); err != nil {
			t.Fatal(err)
		}
	}
	s, cerr := NewSchema(src, TableOptions{})
	if cerr != nil {
		t.Fatal(cerr)
	}
	return s
}

// partialImages is a pair of images of it: both columns are doc; bits says which of them have diffs in the new one.
func partialImages(doc, diffs []byte, bits, options byte) []byte {
	value := func(b, v []byte) []byte { return append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...) }
	b := []byte{0, 1, 0, 0, 0}
	b = value(value(b, doc), doc)
	b = append(b, options)
	if options&partialJSON != 0 {
		b = append(b, bits)
	}
	b = append(b, 0, 1, 0, 0, 0)
	for i := range 2 {
		if v := doc; options&partialJSON != 0 && bits&(1<<i) != 0 {
			b = value(b, diffs)
		} else {
			b = value(b, v)
		}
	}
	return b
}

func decodePartial(t testing.TB, s *cdc.Schema, images []byte) *collector {
	t.Helper()
	h := &collector{}
	d := NewDecoder(h, 1)
	defer d.Close()
	if _, err := d.Register(s, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	l := newLog(false)
	l.tableMap(5, "shop", "docs", []byte{3, 245, 245}, []byte{4, 4}, []byte{6}, nil)
	l.rows(PartialUpdateRowsEvent, 5, 3, images)
	for _, ev := range l.events {
		if err := d.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPartialDamaged: what does not fit pauses the table, and says where.
func TestPartialDamaged(t *testing.T) {
	// {"a": [1, null], "b": 7}
	doc := []byte{jsonSmallObject, 2, 0, 34, 0, 18, 0, 1, 0, 19, 0, 1, 0, jsonSmallArray, 20, 0, jsonInt16, 7, 0, 'a', 'b', 2, 0, 10, 0, jsonInt16, 1, 0, jsonLiteral, 0, 0, 0, 0, 0, 0}
	s := partialTable(t)
	one := []byte{jsonInt16, 1, 0}
	good := partialDiff(jsonReplace, "$.b", one)
	for name, images := range map[string][]byte{
		"replaces what is not there":    partialImages(doc, partialDiff(jsonReplace, "$.c", one), 1, 1),
		"replaces beyond the end":       partialImages(doc, partialDiff(jsonReplace, "$.a[2]", one), 1, 1),
		"inserts what is there":         partialImages(doc, partialDiff(jsonInsert, "$.a", one), 1, 1),
		"inserts a member of an array":  partialImages(doc, partialDiff(jsonInsert, "$.a.x", one), 1, 1),
		"inserts into a number":         partialImages(doc, partialDiff(jsonInsert, "$.b[0]", one), 1, 1),
		"removes what is not there":     partialImages(doc, partialDiff(jsonRemove, "$.a[last-2]", nil), 1, 1),
		"removes the document":          partialImages(doc, partialDiff(jsonRemove, "$", nil), 1, 1),
		"an element of an object":       partialImages(doc, partialDiff(jsonRemove, "$[0]", nil), 1, 1),
		"an operation of no kind":       partialImages(doc, partialDiff(3, "$.b", one), 1, 1),
		"several values":                partialImages(doc, partialDiff(jsonReplace, "$.a[*]", one), 1, 1),
		"a range":                       partialImages(doc, partialDiff(jsonReplace, "$.a[0 to 1]", one), 1, 1),
		"an ellipsis":                   partialImages(doc, partialDiff(jsonReplace, "$**.a", one), 1, 1),
		"an open quote":                 partialImages(doc, partialDiff(jsonReplace, `$."b`, one), 1, 1),
		"half a pair":                   partialImages(doc, partialDiff(jsonInsert, `$."\ud800"`, one), 1, 1),
		"no value":                      partialImages(doc, partialDiff(jsonReplace, "$.b", nil), 1, 1),
		"a value that is cut off":       partialImages(doc, partialDiff(jsonReplace, "$.b", one[:2]), 1, 1),
		"a path that is cut off":        partialImages(doc, good[:4], 1, 1),
		"a value that is not there":     partialImages(doc, good[:len(good)-4], 1, 1),
		"unknown options":               partialImages(doc, good, 1, 3),
		"a change of NULL":              append([]byte{2, 1, 0, 0, 0}, partialImages(doc, good, 1, 1)[9+len(doc):]...),
		"the second of several changes": partialImages(doc, append(partialDiff(jsonRemove, "$.b", nil), good...), 2, 1),
	} {
		h := decodePartial(t, s, images)
		if len(h.failed) != 1 || h.failed[0].Code != CodePartialJSON || len(h.batches) != 0 {
			t.Errorf("%s: %v", name, h.failed)
		} else if msg := h.failed[0].Error(); !strings.Contains(msg, "position") || !strings.Contains(msg, "column") {
			t.Errorf("%s: %v does not say where", name, msg)
		}
	}
	whole := partialImages(doc, good, 3, 1)
	for n := range whole[:len(whole)-1] {
		if h := decodePartial(t, s, whole[:n+1]); len(h.failed) != 1 {
			t.Errorf("cut off after %d bytes: %v", n+1, h.failed)
		}
	}
	for _, c := range []struct {
		images []byte
		want   string
	}{
		{whole, `{"a": [1, null], "b": 1}/{"a": [1, null], "b": 1}`},
		{partialImages(doc, good, 2, 1), `{"a": [1, null], "b": 7}/{"a": [1, null], "b": 1}`},
		{partialImages(doc, nil, 3, 1), `{"a": [1, null], "b": 7}/{"a": [1, null], "b": 7}`},
		{partialImages(doc, nil, 0, 0), `{"a": [1, null], "b": 7}/{"a": [1, null], "b": 7}`},
		{partialImages(doc, append(partialDiff(jsonInsert, `$."\u00e9\"\n"`, one), partialDiff(jsonInsert, "$.a[last-7]", one)...), 1, 1), `{"a": [1, 1, null], "b": 7, "é\"\n": 1}/{"a": [1, null], "b": 7}`},
	} {
		h := decodePartial(t, s, c.images)
		if len(h.batches) != 1 || h.batches[0].N != 1 || h.batches[0].Ops[0] != cdc.OpUpdate {
			t.Fatalf("%s: %d batches, %v", c.want, len(h.batches), h.failed)
		}
		if b := h.batches[0]; string(b.Cols[1].Bytes(0))+"/"+string(b.Cols[2].Bytes(0)) != c.want {
			t.Errorf("%s/%s, expected %s", b.Cols[1].Bytes(0), b.Cols[2].Bytes(0), c.want)
		}
	}
}
