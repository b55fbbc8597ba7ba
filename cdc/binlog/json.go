package binlog

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

var errJSON = errors.New("malformed binary JSON")

// MySQL's binary JSON: a type byte, then the value. Containers hold count, size, key entries (offset, length), value
// entries (type, offset or inlined value), then the keys and values; offsets count from the container's count field
// and take two bytes in small containers and four in large ones.
const (
	jsonSmallObject = 0x0
	jsonLargeObject = 0x1
	jsonSmallArray  = 0x2
	jsonLargeArray  = 0x3
	jsonLiteral     = 0x4
	jsonInt16       = 0x5
	jsonUint16      = 0x6
	jsonInt32       = 0x7
	jsonUint32      = 0x8
	jsonInt64       = 0x9
	jsonUint64      = 0xa
	jsonDouble      = 0xb
	jsonString      = 0xc
	jsonOpaque      = 0xf
)

// jsonMaxDepth is MySQL's limit of nesting.
const jsonMaxDepth = 100

// jsonMaxExpansion bounds the text per byte of binary JSON; a true document stays below 8 (control characters take 6).
// Without a bound, hostile offsets that share values would make a small document endless.
const jsonMaxExpansion = 16

// appendJSON prints binary JSON exactly as MySQL prints the column. An empty value is null: MySQL stores it when it
// fills a NOT NULL column without a value.
func appendJSON(dst, raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return append(dst, "null"...), nil
	}
	p := jsonPrinter{dst: dst, limit: len(dst) + jsonMaxExpansion*len(raw) + 64}
	if !p.value(raw[0], raw[1:], 1) {
		return dst, errJSON
	}
	return p.dst, nil
}

type jsonPrinter struct {
	dst   []byte
	limit int
}

// value prints the value of the type at the start of b. Methods return false on malformed input.
func (p *jsonPrinter) value(typ byte, b []byte, depth int) bool {
	if len(p.dst) > p.limit {
		return false
	}
	switch typ {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return p.container(typ, b, depth)
	case jsonLiteral:
		return len(b) >= 1 && p.literal(b[0])
	case jsonInt16:
		if len(b) < 2 {
			return false
		}
		p.int(int64(int16(binary.LittleEndian.Uint16(b))))
	case jsonUint16:
		if len(b) < 2 {
			return false
		}
		p.int(int64(binary.LittleEndian.Uint16(b)))
	case jsonInt32:
		if len(b) < 4 {
			return false
		}
		p.int(int64(int32(binary.LittleEndian.Uint32(b))))
	case jsonUint32:
		if len(b) < 4 {
			return false
		}
		p.int(int64(binary.LittleEndian.Uint32(b)))
	case jsonInt64:
		if len(b) < 8 {
			return false
		}
		p.int(int64(binary.LittleEndian.Uint64(b)))
	case jsonUint64:
		if len(b) < 8 {
			return false
		}
		p.dst = strconv.AppendUint(p.dst, binary.LittleEndian.Uint64(b), 10)
	case jsonDouble:
		if len(b) < 8 {
			return false
		}
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
		p.dst = appendDouble(p.dst, f)
	case jsonString:
		n, k := jsonLength(b)
		if k == 0 || n > len(b)-k {
			return false
		}
		p.string(b[k : k+n])
	case jsonOpaque:
		if len(b) < 1 {
			return false
		}
		n, k := jsonLength(b[1:])
		if k == 0 || n > len(b)-1-k {
			return false
		}
		return p.opaque(b[0], b[1+k:1+k+n])
	default:
		return false
	}
	return true
}

func (p *jsonPrinter) int(v int64) { p.dst = strconv.AppendInt(p.dst, v, 10) }

func (p *jsonPrinter) literal(b byte) bool {
	switch b {
	case 0:
		p.dst = append(p.dst, "null"...)
	case 1:
		p.dst = append(p.dst, "true"...)
	case 2:
		p.dst = append(p.dst, "false"...)
	default:
		return false
	}
	return true
}

func (p *jsonPrinter) container(typ byte, b []byte, depth int) bool {
	if depth > jsonMaxDepth {
		return false
	}
	c, ok := openJSON(typ, b)
	if !ok {
		return false
	}
	open, shut := byte('['), byte(']')
	if c.object {
		open, shut = '{', '}'
	}
	p.dst = append(p.dst, open)
	for i := range c.count {
		if i > 0 {
			p.dst = append(p.dst, ", "...)
		}
		if c.object {
			at, n, ok := c.key(i)
			if !ok {
				return false
			}
			p.string(c.b[at : at+n])
			p.dst = append(p.dst, ": "...)
		}
		if typ, at, ok := c.value(i); !ok || !p.value(typ, c.b[at:], depth+1) {
			return false
		}
	}
	p.dst = append(p.dst, shut)
	return true
}

// jsonContainer is an object or an array.
type jsonContainer struct {
	b      []byte
	count  uint64
	w      uint64 // bytes of offsets and counts
	values uint64 // where the value entries start
	object bool
}

// openJSON reads the head of a container.
func openJSON(typ byte, b []byte) (c jsonContainer, ok bool) {
	c.w = 2
	if typ == jsonLargeObject || typ == jsonLargeArray {
		c.w = 4
	}
	if uint64(len(b)) < 2*c.w {
		return c, false
	}
	size := littleEndian(b[c.w : 2*c.w])
	if size > uint64(len(b)) {
		return c, false
	}
	c.b, c.count, c.values = b[:size:size], littleEndian(b[:c.w]), 2*c.w
	if c.object = typ == jsonSmallObject || typ == jsonLargeObject; c.object {
		c.values += c.count * (c.w + 2)
	}
	return c, c.count <= size && c.values+c.count*(c.w+1) <= size
}

// key returns where the key of member i stands.
func (c *jsonContainer) key(i uint64) (at, n uint64, ok bool) {
	entry := c.b[2*c.w+i*(c.w+2):]
	at, n = littleEndian(entry[:c.w]), uint64(binary.LittleEndian.Uint16(entry[c.w:]))
	return at, n, at+n <= uint64(len(c.b))
}

// value returns the type of value i, and where it stands.
func (c *jsonContainer) value(i uint64) (typ byte, at uint64, ok bool) {
	at = c.values + i*(c.w+1)
	typ = c.b[at]
	if at++; jsonInlined(typ, c.w) {
		return typ, at, true
	}
	at = littleEndian(c.b[at : at+c.w])
	return typ, at, at < uint64(len(c.b))
}

// jsonInlined reports whether values of the type stand in their entry, where offsets take w bytes.
func jsonInlined(typ byte, w uint64) bool {
	return typ == jsonLiteral || typ == jsonInt16 || typ == jsonUint16 || w == 4 && (typ == jsonInt32 || typ == jsonUint32)
}

// jsonLength reads a length of 7 bits a byte, least significant first; 0 bytes if it is malformed.
func jsonLength(b []byte) (n, bytes int) {
	for i := 0; i < 5 && i < len(b); i++ {
		n |= int(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}

// string prints a quoted string. Only the quote, the backslash and control characters below 0x20 are escaped.
func (p *jsonPrinter) string(s []byte) {
	const hexDigits = "0123456789abcdef"
	p.dst = append(p.dst, '"')
	from := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		p.dst = append(p.dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			p.dst = append(p.dst, '\\', c)
		case '\b':
			p.dst = append(p.dst, '\\', 'b')
		case '\f':
			p.dst = append(p.dst, '\\', 'f')
		case '\n':
			p.dst = append(p.dst, '\\', 'n')
		case '\r':
			p.dst = append(p.dst, '\\', 'r')
		case '\t':
			p.dst = append(p.dst, '\\', 't')
		default:
			p.dst = append(p.dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	p.dst = append(append(p.dst, s[from:]...), '"')
}

// opaque prints a value of a MySQL type that JSON does not have.
func (p *jsonPrinter) opaque(typ byte, b []byte) bool {
	switch typ {
	case typeNewDecimal:
		if len(b) < 2 {
			return false
		}
		precision, scale := int(b[0]), int(b[1])
		// Leading zeros of a literal count, up to what MySQL's buffer of nine words holds: 81 digits, not DECIMAL's 65.
		if precision < 1 || precision > 81 || scale > precision {
			return false
		}
		groups, size := decimalGroups(precision, scale)
		if len(b) != 2+size {
			return false
		}
		var err error
		p.dst, err = appendDecimal(p.dst, b[2:], precision, scale, groups)
		return err == nil
	case typeDate, typeDatetime, typeTimestamp, typeTime:
		return len(b) == 8 && p.temporal(typ, int64(binary.LittleEndian.Uint64(b)))
	default:
		p.dst = append(p.dst, `"base64:type`...)
		p.dst = append(strconv.AppendUint(p.dst, uint64(typ), 10), ':')
		// MySQL breaks base64 into lines, and prints the breaks escaped.
		for len(b) > base64Line {
			p.dst = append(base64.StdEncoding.AppendEncode(p.dst, b[:base64Line]), `\n`...)
			b = b[base64Line:]
		}
		p.dst = append(base64.StdEncoding.AppendEncode(p.dst, b), '"')
		return true
	}
}

// base64Line is how many bytes MySQL puts into a line of base64: 76 characters.
const base64Line = 57

// temporal prints MySQL's packed times: microseconds in the low 24 bits; above them the parts of DATETIME2 or TIME2.
func (p *jsonPrinter) temporal(typ byte, v int64) bool {
	negative := v < 0
	if negative {
		if typ != typeTime || v == math.MinInt64 {
			return false
		}
		v = -v
	}
	micros := v & (1<<24 - 1)
	v >>= 24
	h, m, s := v>>12&31, v>>6&63, v&63
	p.dst = append(p.dst, '"')
	if typ == typeTime {
		t := clock{negative, v >> 12 & 1023, m, s, micros}
		if t.check() != nil {
			return false
		}
		p.dst = append(t.append(p.dst, 6), '"')
		return true
	}
	ymd := v >> 17
	ym := ymd >> 5
	y := ym / 13
	if y > 9999 || h > 23 || m > 59 || s > 59 || micros > 999999 {
		return false
	}
	p.dst = append2(append2(p.dst, y/100), y%100)
	p.dst = append2(append(p.dst, '-'), ym%13)
	p.dst = append2(append(p.dst, '-'), ymd&31)
	if typ != typeDate {
		p.dst = append2(append(p.dst, ' '), h)
		p.dst = append2(append(p.dst, ':'), m)
		p.dst = append2(append(p.dst, ':'), s)
		p.dst = appendFraction(p.dst, micros, 6)
	}
	p.dst = append(p.dst, '"')
	return true
}

// appendDouble prints a double as MySQL prints it in JSON (my_gcvt): the shortest digits that read back the same; in
// fixed notation unless that takes more than 14 zeros behind the point, or pads an integer beyond 15 digits; with ".0"
// where it would look like an integer.
func appendDouble(dst []byte, f float64) []byte {
	if math.Signbit(f) {
		dst, f = append(dst, '-'), -f
	}
	if f == 0 {
		return append(dst, "0.0"...)
	}
	var tmp [32]byte
	e := strconv.AppendFloat(tmp[:0], f, 'e', -1, 64) // d.ddde±xx
	at := 1
	for e[at] != 'e' {
		at++
	}
	exp, _ := strconv.Atoi(string(e[at+1:]))
	d := e[:1] // the digits; the value is 0.DIGITS × 10^point
	if at > 1 {
		d = append(d, e[2:at]...)
	}
	n, point := len(d), exp+1
	switch {
	case point < -14 || point > 15 && n <= point:
		dst = append(dst, d[0])
		if n > 1 {
			dst = append(append(dst, '.'), d[1:]...)
		}
		return strconv.AppendInt(append(dst, 'e'), int64(exp), 10)
	case point <= 0:
		dst = append(dst, '0', '.')
		for range -point {
			dst = append(dst, '0')
		}
		return append(dst, d...)
	case point >= n:
		dst = append(dst, d...)
		for range point - n {
			dst = append(dst, '0')
		}
		return append(dst, '.', '0')
	default:
		dst = append(append(dst, d[:point]...), '.')
		return append(dst, d[point:]...)
	}
}
