package binlog

import (
	"encoding/binary"
	"maps"
	"slices"
	"unicode/utf8"
)

// charset converts a MySQL character set to UTF-8 exactly as MySQL does; bytes that it does not define are an error.
type charset struct {
	name string
	kind charsetKind
	// table has the rune of each byte (charsetTable); negative where there is none.
	table *[256]rune
	// ambiguous: two bytes stand for one character, so that two keys can become one.
	ambiguous bool
	// asciiSafe: bytes below 0x80 are ASCII, so that texts of only these are copied.
	asciiSafe bool
	codes     func() *codes // charsetMulti
	long      longCodes
}

type charsetKind uint8

const (
	charsetUTF8  charsetKind = iota // copied; the writer checks
	charsetASCII                    // copied if below 0x80
	charsetTable
	charsetUCS2
	charsetUTF16
	charsetUTF16LE
	charsetUTF32
	charsetMulti // one to four bytes
)

// lookupCharset returns the character set of this name, or nil if it is not supported.
func lookupCharset(name string) *charset {
	return charsets[name]
}

// undefined stands in tables for a byte that is no character.
const undefined rune = -1

var charsets = makeCharsets()

// Charsets returns the names of the character sets that are supported.
func Charsets() []string { return slices.Sorted(maps.Keys(charsets)) }

// ToUTF8 converts a text as MySQL does.
func ToUTF8(charset string, text []byte) ([]byte, error) {
	c := lookupCharset(charset)
	if c == nil {
		return nil, errText
	}
	b, err := c.append(nil, text)
	if err == nil && !utf8.Valid(b) {
		err = errText
	}
	return b, err
}

func makeCharsets() map[string]*charset {
	m := map[string]*charset{}
	for name, kind := range map[string]charsetKind{
		"utf8mb4": charsetUTF8, "utf8mb3": charsetUTF8, "utf8": charsetUTF8, "ascii": charsetASCII,
		"ucs2": charsetUCS2, "utf16": charsetUTF16, "utf16le": charsetUTF16LE, "utf32": charsetUTF32,
	} {
		m[name] = &charset{name: name, kind: kind, asciiSafe: kind <= charsetASCII}
	}
	for name, runes := range singleByte {
		c := &charset{name: name, kind: charsetTable, table: new([256]rune), asciiSafe: true}
		for i := range 128 {
			c.table[i] = rune(i)
		}
		i, seen := 128, map[rune]bool{}
		for _, r := range runes {
			if r == utf8.RuneError && name != "tis620" { // where MySQL itself reads U+FFFD
				r = undefined
			}
			c.table[i] = r
			c.ambiguous = c.ambiguous || r < 0x80 && r >= 0 || seen[r] && r >= 0
			seen[r] = true
			i++
		}
		if i != 256 {
			panic("binlog: table of character set " + name)
		}
		m[name] = c
	}
	for _, name := range multiByte {
		m[name] = &charset{name: name, kind: charsetMulti, codes: readCodes(name), asciiSafe: true}
	}
	m["ujis"].long, m["eucjpms"].long, m["gb18030"].long = longEUC, longEUC, longGB18030
	m["swe7"] = swe7()
	return m
}

// swe7 is ASCII with Swedish letters in some places, and has no upper half.
func swe7() *charset {
	c := &charset{name: "swe7", kind: charsetTable, table: new([256]rune)}
	for i := range c.table {
		if c.table[i] = rune(i); i >= 0x7f {
			c.table[i] = undefined
		}
	}
	for b, r := range map[byte]rune{'@': 'É', '[': 'Ä', '\\': 'Ö', ']': 'Å', '^': 'Ü', '`': 'é', '{': 'ä', '|': 'ö', '}': 'å', '~': 'ü'} {
		c.table[b] = r
	}
	return c
}

// oneToOne reports whether no two texts become one.
func (c *charset) oneToOne() bool { return !c.ambiguous && (c.codes == nil || !c.codes().ambiguous) }

// append converts src and appends it to dst.
func (c *charset) append(dst, src []byte) ([]byte, error) {
	if c.kind == charsetUTF8 {
		return append(dst, src...), nil
	}
	if c.asciiSafe && isASCII(src) {
		return append(dst, src...), nil
	}
	switch c.kind {
	case charsetTable:
		for _, b := range src {
			r := c.table[b]
			if r < 0 {
				return dst, errText
			}
			dst = utf8.AppendRune(dst, r)
		}
		return dst, nil
	case charsetMulti:
		return c.appendMulti(dst, src)
	case charsetUCS2, charsetUTF16, charsetUTF16LE:
		return c.appendUTF16(dst, src)
	case charsetUTF32:
		if len(src)%4 != 0 {
			return dst, errText
		}
		for ; len(src) > 0; src = src[4:] {
			u := binary.BigEndian.Uint32(src)
			if u > utf8.MaxRune || u >= 0xd800 && u < 0xe000 {
				return dst, errText
			}
			dst = utf8.AppendRune(dst, rune(u))
		}
		return dst, nil
	default:
		return dst, errText
	}
}

func (c *charset) appendUTF16(dst, src []byte) ([]byte, error) {
	if len(src)%2 != 0 {
		return dst, errText
	}
	order := binary.ByteOrder(binary.BigEndian)
	if c.kind == charsetUTF16LE {
		order = binary.LittleEndian
	}
	for ; len(src) > 0; src = src[2:] {
		u := rune(order.Uint16(src))
		switch {
		case u < 0xd800 || u >= 0xe000:
		case c.kind == charsetUCS2 || u >= 0xdc00 || len(src) < 4:
			return dst, errText
		default:
			low := rune(order.Uint16(src[2:]))
			if low < 0xdc00 || low >= 0xe000 {
				return dst, errText
			}
			u = 0x10000 + (u-0xd800)<<10 + (low - 0xdc00)
			src = src[2:]
		}
		dst = utf8.AppendRune(dst, u)
	}
	return dst, nil
}

// isASCII reports whether all bytes are below 0x80.
func isASCII(b []byte) bool { return asciiPrefix(b) == len(b) }

// asciiPrefix returns how many bytes at the start are ASCII, possibly short by up to 31 bytes of the true number where the
// text is not all ASCII.
func asciiPrefix(b []byte) int {
	n := 0
	for ; len(b)-n >= 32; n += 32 {
		p := b[n : n+32 : n+32]
		if (binary.LittleEndian.Uint64(p)|binary.LittleEndian.Uint64(p[8:])|binary.LittleEndian.Uint64(p[16:])|
			binary.LittleEndian.Uint64(p[24:]))&0x8080808080808080 != 0 {
			return n
		}
	}
	for ; len(b)-n >= 8; n += 8 {
		if binary.LittleEndian.Uint64(b[n:])&0x8080808080808080 != 0 {
			return n
		}
	}
	for ; n < len(b); n++ {
		if b[n] >= 0x80 {
			return n
		}
	}
	return n
}

// validText checks that every row of the bytes column is valid UTF-8, by one pass over all of them: that the whole is
// valid, and that no row starts inside a character.
// off are the rows' starts, counted from base before data.
func validText(data []byte, off []int32, base int32) bool {
	n := asciiPrefix(data)
	if n == len(data) {
		return true
	}
	if !utf8.Valid(data[n:]) {
		return false
	}
	for _, o := range off {
		if o -= base; int(o) < len(data) && !utf8.RuneStart(data[o]) {
			return false
		}
	}
	return true
}
