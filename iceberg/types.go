package iceberg

import (
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// icebergType returns the Iceberg type of a column type. Every cdc.Type has exactly one. The elements of a list get the id that follows lastID.
func icebergType(t cdc.Type, lastID *int) iceberggo.Type {
	switch t.Kind {
	case cdc.KindBool:
		return iceberggo.PrimitiveTypes.Bool
	case cdc.KindInt32:
		return iceberggo.PrimitiveTypes.Int32
	case cdc.KindInt64:
		return iceberggo.PrimitiveTypes.Int64
	case cdc.KindFloat32:
		return iceberggo.PrimitiveTypes.Float32
	case cdc.KindFloat64:
		return iceberggo.PrimitiveTypes.Float64
	case cdc.KindDecimal:
		return iceberggo.DecimalTypeOf(int(t.Precision), int(t.Scale))
	case cdc.KindDate:
		return iceberggo.PrimitiveTypes.Date
	case cdc.KindTimestamp:
		return iceberggo.PrimitiveTypes.Timestamp
	case cdc.KindTimestampTZ:
		return iceberggo.PrimitiveTypes.TimestampTz
	case cdc.KindString:
		return iceberggo.PrimitiveTypes.String
	case cdc.KindBinary:
		return iceberggo.PrimitiveTypes.Binary
	case cdc.KindFloats:
		*lastID++
		return listType(*lastID)
	default:
		panic("iceberg: type of " + t.String())
	}
}

// cdcType is the inverse of icebergType. It reports false for Iceberg types that no column of ours has (other nested types,
// uuid, fixed, time, nanosecond timestamps).
func cdcType(t iceberggo.Type) (cdc.Type, bool) {
	switch t := t.(type) {
	case iceberggo.BooleanType:
		return cdc.Type{Kind: cdc.KindBool}, true
	case iceberggo.Int32Type:
		return cdc.Type{Kind: cdc.KindInt32}, true
	case iceberggo.Int64Type:
		return cdc.Type{Kind: cdc.KindInt64}, true
	case iceberggo.Float32Type:
		return cdc.Type{Kind: cdc.KindFloat32}, true
	case iceberggo.Float64Type:
		return cdc.Type{Kind: cdc.KindFloat64}, true
	case iceberggo.DecimalType:
		return cdc.Type{Kind: cdc.KindDecimal, Precision: uint8(t.Precision()), Scale: uint8(t.Scale())}, true
	case iceberggo.DateType:
		return cdc.Type{Kind: cdc.KindDate}, true
	case iceberggo.TimestampType:
		return cdc.Type{Kind: cdc.KindTimestamp}, true
	case iceberggo.TimestampTzType:
		return cdc.Type{Kind: cdc.KindTimestampTZ}, true
	case iceberggo.StringType:
		return cdc.Type{Kind: cdc.KindString}, true
	case iceberggo.BinaryType:
		return cdc.Type{Kind: cdc.KindBinary}, true
	case *iceberggo.ListType:
		_, is := t.Element.(iceberggo.Float32Type)
		return cdc.Type{Kind: cdc.KindFloats}, is
	default:
		return cdc.Type{}, false
	}
}

// holds reports whether every value of type t can be written to a column of type c without loss: the types are equal, or c
// is what Iceberg's type promotion makes of t. A column that was promoted once stays wide when the source narrows it again,
// since Iceberg has no way back.
func holds(c, t cdc.Type) bool {
	if c == t {
		return true
	}
	switch t.Kind {
	case cdc.KindInt32:
		return c.Kind == cdc.KindInt64
	case cdc.KindFloat32:
		return c.Kind == cdc.KindFloat64
	case cdc.KindDecimal:
		return c.Kind == cdc.KindDecimal && c.Scale == t.Scale && c.Precision > t.Precision
	default:
		return false
	}
}

// physical is the Parquet type of a column's values, by the mapping of the Iceberg specification ("Appendix A: Parquet").
type physical uint8

const (
	physBool physical = iota
	physInt32
	physInt64
	physFloat
	physDouble
	physBytes
	physFixed  // decimals of more than 18 digits
	physFloats // lists of floats
)

// physicalOf returns the Parquet type of an Iceberg column, and the width of physFixed in bytes.
func physicalOf(t cdc.Type) (physical, int) {
	switch t.Kind {
	case cdc.KindBool:
		return physBool, 0
	case cdc.KindInt32, cdc.KindDate:
		return physInt32, 0
	case cdc.KindInt64, cdc.KindTimestamp, cdc.KindTimestampTZ:
		return physInt64, 0
	case cdc.KindFloat32:
		return physFloat, 0
	case cdc.KindFloat64:
		return physDouble, 0
	case cdc.KindDecimal:
		switch {
		case t.Precision <= 9:
			return physInt32, 0
		case t.Precision <= 18:
			return physInt64, 0
		default:
			return physFixed, decimalBytes(t.Precision)
		}
	case cdc.KindString, cdc.KindBinary:
		return physBytes, 0
	case cdc.KindFloats:
		return physFloats, 0
	default:
		panic("iceberg: physical type of " + t.String())
	}
}

// decimalBytes is the number of bytes that hold every unscaled value of the precision in two's complement. The
// specification demands exactly this length, and readers check it.
func decimalBytes(precision uint8) int {
	// ceil((precision*log2(10) + 1) / 8) for 19..38 digits, from the specification's own table.
	return [...]int{9, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16}[precision-19]
}
