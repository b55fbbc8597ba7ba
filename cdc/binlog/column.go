package binlog

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// column is what both decoders know of a column of the table: where its values go, and how they are converted. It holds
// scratch memory, so that each decoder compiles its own.
type column struct {
	src      *SourceColumn
	table    cdc.TableID
	out      int // index in the batch, -1 if left out
	fam      family
	typ      cdc.Type
	cs       *charset // text families
	nullable bool     // in the destination
	choice   choice
	zeroNull bool // dates that are no calendar dates become NULL
	hash     bool
	hashKind cdc.Type // what the type would be without hashing
	salt     string
	members  []string // ENUM and SET, as UTF-8; nil: those of src
	buf      []byte
	inflater *inflater // of COMPRESSED columns
}

// setNull makes row r NULL. Slots are zeroed here and not only when a batch is recycled.
func setNull(v *cdc.Vec, r int) {
	v.Nulls++
	setZero(v, r)
}

func setZero(v *cdc.Vec, r int) {
	switch v.Layout {
	case cdc.LayoutU8:
		v.U8[r] = 0
	case cdc.LayoutI32:
		v.I32[r] = 0
	case cdc.LayoutI64:
		v.I64[r] = 0
	case cdc.LayoutI128:
		v.I64[2*r], v.I64[2*r+1] = 0, 0
	case cdc.LayoutF32:
		v.F32[r] = 0
	case cdc.LayoutF64:
		v.F64[r] = 0
	case cdc.LayoutBytes:
		v.Off[r+1] = int32(len(v.Data))
	}
}

// end closes row r of a bytes column after its value was appended to Data.
func end(v *cdc.Vec, r int) error {
	if len(v.Data) > math.MaxInt32 {
		return errTooLong
	}
	v.Off[r+1] = int32(len(v.Data))
	return nil
}

// putText appends a text that is in the column's character set. In UTF-8 columns the bytes are copied as they are; the
// writer checks them, a batch at a time.
func (c *column) putText(v *cdc.Vec, r int, raw []byte) error {
	if c.hash {
		var err error
		if c.buf, err = c.cs.append(c.buf[:0], raw); err != nil {
			return err
		}
		return c.putHash(v, r, c.buf)
	}
	var err error
	if v.Data, err = c.cs.append(v.Data, raw); err != nil {
		return err
	}
	return end(v, r)
}

// putBinary appends bytes. BINARY(n) loses trailing zero bytes on its way to the log; they are put back.
func (c *column) putBinary(v *cdc.Vec, r int, raw []byte) error {
	if c.fam == famBinary && len(raw) < c.src.Length {
		c.buf = append(c.buf[:0], raw...)
		for len(c.buf) < c.src.Length {
			c.buf = append(c.buf, 0)
		}
		raw = c.buf
	}
	if c.hash {
		return c.putHash(v, r, raw)
	}
	v.Data = append(v.Data, raw...)
	return end(v, r)
}

// putInflated appends the value that stands compressed in the log.
func (c *column) putInflated(v *cdc.Vec, r int, raw []byte) error {
	if c.inflater == nil {
		c.inflater = &inflater{}
	}
	raw, err := c.inflater.value(raw)
	switch {
	case err != nil:
		return err
	case c.cs != nil:
		return c.putText(v, r, raw)
	}
	return c.putBinary(v, r, raw)
}

// putHashedInt hashes an integer; u is its two's complement.
func (c *column) putHashedInt(v *cdc.Vec, r int, u uint64) error {
	if c.src.Unsigned {
		c.buf = strconv.AppendUint(c.buf[:0], u, 10)
	} else {
		c.buf = strconv.AppendInt(c.buf[:0], int64(u), 10)
	}
	return c.putHash(v, r, c.buf)
}

// putHash appends SHA-256(salt, value) in hexadecimal. value may be c.buf.
func (c *column) putHash(v *cdc.Vec, r int, value []byte) error {
	n := len(value)
	b := append(c.buf[:0], value...) // value first: it may be c.buf itself
	b = append(b, c.salt...)
	b = append(b, b[:n]...)
	c.buf = b
	sum := sha256.Sum256(b[n:])
	v.Data = hex.AppendEncode(v.Data, sum[:])
	return end(v, r)
}

// putEnum appends the member with the 1-based index; 0 is MySQL's empty value for what it could not store.
func (c *column) putEnum(v *cdc.Vec, r int, index int) error {
	if index > len(c.members) {
		return errMember
	}
	value := ""
	if index > 0 {
		value = c.members[index-1]
	}
	if c.hash {
		c.buf = append(c.buf[:0], value...)
		return c.putHash(v, r, c.buf)
	}
	v.Data = append(v.Data, value...)
	return end(v, r)
}

// putSet appends the members whose bits are set, separated by commas as MySQL prints them.
func (c *column) putSet(v *cdc.Vec, r int, mask uint64) error {
	if len(c.members) < 64 && mask>>len(c.members) != 0 {
		return errMember
	}
	b, first := v.Data, true
	if c.hash {
		b = c.buf[:0]
	}
	for i := 0; mask != 0; i, mask = i+1, mask>>1 {
		if mask&1 == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, c.members[i]...)
	}
	if c.hash {
		c.buf = b
		return c.putHash(v, r, b)
	}
	v.Data = b
	return end(v, r)
}

// putBit stores a BIT value of (n+7)/8 bytes, big endian.
func (c *column) putBit(v *cdc.Vec, r int, raw []byte) error {
	if len(raw) != (c.src.Length+7)/8 {
		return errShort
	}
	if v.Layout == cdc.LayoutU8 {
		v.U8[r] = raw[0] & 1
		return nil
	}
	v.Data = append(v.Data, raw...)
	return end(v, r)
}

// putZeroDate stores what is no calendar date, or refuses it.
func (c *column) putZeroDate(v *cdc.Vec, r int) error {
	if !c.zeroNull {
		return errZeroDate
	}
	setNull(v, r)
	return nil
}
