package binlog

import "github.com/cdc2lake/cdc2lake/cdc"

// family groups MySQL types by how their values are decoded.
type family uint8

const (
	famNone family = iota
	famTiny
	famShort
	famInt24
	famInt
	famBig
	famDecimal
	famFloat
	famDouble
	famChar    // CHAR
	famVarchar // VARCHAR
	famText    // TINYTEXT to LONGTEXT
	famBinary
	famVarbinary
	famBlob // TINYBLOB to LONGBLOB
	famDate
	famTime
	famDatetime
	famTimestamp
	famYear
	famBit
	famEnum
	famSet
	famJSON
	famGeometry
	famVector
	famUUID // MariaDB's, and those below
	famINET4
	famINET6
)

var families = map[string]family{
	"tinyint": famTiny, "smallint": famShort, "mediumint": famInt24, "int": famInt, "bigint": famBig,
	"decimal": famDecimal, "float": famFloat, "double": famDouble,
	"char": famChar, "varchar": famVarchar, "tinytext": famText, "text": famText, "mediumtext": famText, "longtext": famText,
	"binary": famBinary, "varbinary": famVarbinary, "tinyblob": famBlob, "blob": famBlob, "mediumblob": famBlob, "longblob": famBlob,
	"date": famDate, "time": famTime, "datetime": famDatetime, "timestamp": famTimestamp, "year": famYear,
	"bit": famBit, "enum": famEnum, "set": famSet, "json": famJSON, "vector": famVector,
	"geometry": famGeometry, "point": famGeometry, "linestring": famGeometry, "polygon": famGeometry, "multipoint": famGeometry,
	"multilinestring": famGeometry, "multipolygon": famGeometry, "geomcollection": famGeometry, "geometrycollection": famGeometry,
	"uuid": famUUID, "inet4": famINET4, "inet6": famINET6,
}

// family returns the column's family. Texts in the character set binary are binaries.
func (c *SourceColumn) family() (family, bool) {
	f, ok := families[c.DataType]
	if c.Charset == "binary" {
		switch f {
		case famChar:
			f = famBinary
		case famVarchar:
			f = famVarbinary
		case famText:
			f = famBlob
		case famEnum, famSet:
			return famNone, false
		}
	}
	return f, ok
}

// text reports whether values are stored in the column's character set.
func (f family) text() bool {
	return f == famChar || f == famVarchar || f == famText || f == famEnum || f == famSet
}

func (f family) binary() bool  { return f == famBinary || f == famVarbinary || f == famBlob }
func (f family) integer() bool { return f >= famTiny && f <= famBig }

// temporal reports whether values can be dates that are no calendar dates.
func (f family) temporal() bool { return f == famDate || f == famDatetime || f == famTimestamp }

// cdcType is the mapping of DESIGN 6; KindInvalid if the parameters make no sense.
func (f family) cdcType(c *SourceColumn) cdc.Type {
	switch f {
	case famTiny, famShort, famInt24, famYear:
		return cdc.Type{Kind: cdc.KindInt32}
	case famInt:
		if c.Unsigned {
			return cdc.Type{Kind: cdc.KindInt64}
		}
		return cdc.Type{Kind: cdc.KindInt32}
	case famBig:
		if c.Unsigned {
			return cdc.Type{Kind: cdc.KindDecimal, Precision: 20}
		}
		return cdc.Type{Kind: cdc.KindInt64}
	case famDecimal:
		switch {
		case c.Precision < 1 || c.Precision > 65 || c.Scale < 0 || c.Scale > c.Precision:
			return cdc.Type{}
		case c.Precision > 38:
			return cdc.Type{Kind: cdc.KindString}
		}
		return cdc.Type{Kind: cdc.KindDecimal, Precision: uint8(c.Precision), Scale: uint8(c.Scale)}
	case famFloat:
		return cdc.Type{Kind: cdc.KindFloat32}
	case famDouble:
		return cdc.Type{Kind: cdc.KindFloat64}
	case famBinary, famVarbinary, famBlob, famGeometry:
		return cdc.Type{Kind: cdc.KindBinary}
	case famVector:
		return cdc.Type{Kind: cdc.KindFloats}
	case famDate:
		return cdc.Type{Kind: cdc.KindDate}
	case famDatetime, famTimestamp, famTime:
		switch {
		case c.FSP < 0 || c.FSP > 6:
			return cdc.Type{}
		case f == famDatetime:
			return cdc.Type{Kind: cdc.KindTimestamp}
		case f == famTimestamp:
			return cdc.Type{Kind: cdc.KindTimestampTZ}
		}
		return cdc.Type{Kind: cdc.KindString}
	case famBit:
		switch {
		case c.Length < 1 || c.Length > 64:
			return cdc.Type{}
		case c.Length == 1:
			return cdc.Type{Kind: cdc.KindBool}
		}
		return cdc.Type{Kind: cdc.KindBinary}
	case famChar, famVarchar, famText, famEnum, famSet, famJSON, famUUID, famINET4, famINET6:
		return cdc.Type{Kind: cdc.KindString}
	default:
		return cdc.Type{}
	}
}
