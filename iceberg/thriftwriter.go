package iceberg

import "encoding/binary"

// thriftWriter appends to a structure in Thrift's compact protocol, as far as Parquet's metadata need it. A field is named by what its id
// is above the one before in its structure, which is how the protocol stores it.
type thriftWriter []byte

// Types of the protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

func (w *thriftWriter) field(delta, typ int) { *w = append(*w, byte(delta<<4|typ)) }

func (w *thriftWriter) varint(v int64) { *w = binary.AppendVarint(*w, v) } // zigzag

func (w *thriftWriter) i16(delta int, v int64) { w.field(delta, thriftI16); w.varint(v) }
func (w *thriftWriter) i32(delta int, v int64) { w.field(delta, thriftI32); w.varint(v) }
func (w *thriftWriter) i64(delta int, v int64) { w.field(delta, thriftI64); w.varint(v) }

func (w *thriftWriter) bool(delta int, v bool) {
	if v {
		w.field(delta, thriftTrue)
	} else {
		w.field(delta, thriftFalse)
	}
}

// bytes appends a binary or string value without a field header, as an element of a list.
func (w *thriftWriter) bytes(v []byte) {
	*w = append(binary.AppendUvarint(*w, uint64(len(v))), v...)
}

func (w *thriftWriter) binary(delta int, v []byte) { w.field(delta, thriftBinary); w.bytes(v) }

// list begins a list of n elements.
func (w *thriftWriter) list(delta, n, typ int) {
	w.field(delta, thriftList)
	if n < 15 {
		*w = append(*w, byte(n<<4|typ))
		return
	}
	*w = binary.AppendUvarint(append(*w, byte(0xf0|typ)), uint64(n))
}

// begin begins a structure as a field; as an element of a list it has no header. end ends it.
func (w *thriftWriter) begin(delta int) { w.field(delta, thriftStruct) }
func (w *thriftWriter) end()            { *w = append(*w, 0) }
