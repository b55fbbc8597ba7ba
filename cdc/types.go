package cdc

import "fmt"

// Kind is the logical type of a column, in Iceberg's terms. A source converts its values to one of these exactly
// or refuses the column; nothing is approximate.
type Kind uint8

// The kinds, with the layout of their values in a Vec.
const (
	KindInvalid     Kind = iota
	KindBool             // U8: 0 or 1
	KindInt32            // I32
	KindInt64            // I64
	KindFloat32          // F32
	KindFloat64          // F64
	KindDecimal          // precision 1..18: I64, unscaled; 19..38: I64 pairs (low, high) of a 128-bit two's complement, unscaled
	KindDate             // I32: days since 1970-01-01
	KindTimestamp        // I64: microseconds since 1970-01-01T00:00:00, no time zone
	KindTimestampTZ      // I64: microseconds since 1970-01-01T00:00:00Z
	KindString           // Off, Data: valid UTF-8
	KindBinary           // Off, Data
	KindFloats           // Off, Data: a list of 32-bit floats, little endian
)

var kindNames = [...]string{"invalid", "boolean", "int", "long", "float", "double", "decimal", "date", "timestamp", "timestamptz", "string", "binary", "list<float>"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Type is a logical type. Precision and Scale are those of a decimal and zero otherwise.
type Type struct {
	Kind      Kind  `json:"k"`
	Precision uint8 `json:"p,omitempty"`
	Scale     uint8 `json:"s,omitempty"`
}

func (t Type) String() string {
	if t.Kind == KindDecimal {
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	return t.Kind.String()
}

// Layout says which buffers of a Vec hold the values.
type Layout uint8

// The physical layouts. All are Arrow's, except that booleans take a byte each.
const (
	LayoutU8 Layout = iota
	LayoutI32
	LayoutI64
	LayoutI128 // I64 pairs: low word, high word
	LayoutF32
	LayoutF64
	LayoutBytes
)

// Layout returns the physical layout of the type's values.
func (t Type) Layout() Layout {
	switch t.Kind {
	case KindBool:
		return LayoutU8
	case KindInt32, KindDate:
		return LayoutI32
	case KindInt64, KindTimestamp, KindTimestampTZ:
		return LayoutI64
	case KindDecimal:
		if t.Precision > 18 {
			return LayoutI128
		}
		return LayoutI64
	case KindFloat32:
		return LayoutF32
	case KindFloat64:
		return LayoutF64
	case KindString, KindBinary, KindFloats:
		return LayoutBytes
	default:
		panic("cdc: layout of " + t.String())
	}
}

// KeyExact reports whether a single key column of this type is stored exactly in 64 bits (see KeyHasher).
func (t Type) KeyExact() bool {
	switch t.Layout() {
	case LayoutU8, LayoutI32, LayoutI64:
		return true
	default:
		return false
	}
}
