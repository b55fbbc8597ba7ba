package binlog

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// doubleByte describes a character set of one and two bytes by an encoding of golang.org/x/text, which follows the WHATWG's,
// and by all that MySQL does otherwise. The integration test asks the server for every code. Those whose differences are
// not a few rules (big5, ujis, eucjpms, gb18030) are not supported.
type doubleByte struct {
	name string
	enc  encoding.Encoding
	// undefined are codes that MySQL does not define, from and to.
	undefined [][2]uint16
	changed   map[uint16]rune
	ambiguous bool // two codes stand for one character
	// private: F040 to F9FC are the private use area from U+E000 on.
	private bool
}

var doubleBytes = []doubleByte{
	{name: "euckr", enc: korean.EUCKR},
	{name: "gbk", enc: simplifiedchinese.GBK, undefined: [][2]uint16{{0x80, 0x80}, {0xa2e3, 0xa2e3}, {0xa3a0, 0xa3a0}, {0xa8bf, 0xa8bf}, {0xa989, 0xa995}, {0xfe50, 0xfeff}}},
	{name: "gb2312", enc: simplifiedchinese.GBK, undefined: [][2]uint16{{0x80, 0xa0ff}, {0xa2a1, 0xa2aa}, {0xa2e3, 0xa2e3}, {0xa6e0, 0xa6f5}, {0xa8bb, 0xa8c0}, {0xf800, 0xffff}},
		changed: map[uint16]rune{0xa1a4: '\u30fb', 0xa1aa: '\u2015'}},
	{name: "cp932", enc: japanese.ShiftJIS, ambiguous: true, private: true, undefined: [][2]uint16{{0x80, 0x80}}},
	{name: "sjis", enc: japanese.ShiftJIS, ambiguous: true, undefined: [][2]uint16{{0x80, 0x80}, {0x8740, 0x87fc}, {0xed00, 0xeeff}, {0xfa00, 0xfcff}},
		changed: map[uint16]rune{0x815f: '\\', 0x8160: '\u301c', 0x8161: '\u2016', 0x817c: '\u2212', 0x8191: '\u00a2', 0x8192: '\u00a3', 0x81ca: '\u00ac'}},
}

// codes maps codes of one byte from 0x80 on, and of two, to characters of the basic plane; 0 where there is none.
type codes [1 << 16]uint16

// table makes the codes at their first use.
func (d *doubleByte) table() func() *codes {
	return sync.OnceValue(func() *codes {
		t := new(codes)
		dec := d.enc.NewDecoder()
		set := func(code uint16, raw ...byte) {
			for _, u := range d.undefined {
				if code >= u[0] && code <= u[1] {
					return
				}
			}
			out, err := dec.Bytes(raw)
			if r, n := utf8.DecodeRune(out); err == nil && n == len(out) && r != utf8.RuneError && r <= 0xffff {
				t[code] = uint16(r)
			}
		}
		for lead := 0x80; lead <= 0xff; lead++ {
			set(uint16(lead), byte(lead))
			if t[lead] != 0 {
				continue
			}
			for trail := 0x40; trail <= 0xff; trail++ {
				set(uint16(lead<<8|trail), byte(lead), byte(trail))
			}
			if d.private && lead >= 0xf0 && lead <= 0xf9 {
				next := uint16(0xe000 + (lead-0xf0)*188)
				for trail := 0x40; trail <= 0xfc; trail++ {
					if trail != 0x7f {
						t[lead<<8|trail] = next
						next++
					}
				}
			}
		}
		for code, r := range d.changed {
			t[code] = uint16(r)
		}
		if d.name == "gb2312" { // of GBK only what EUC has
			for code := range t {
				if code&0xff < 0xa1 {
					t[code] = 0
				}
			}
		}
		return t
	})
}

// appendDouble converts a text of one- and two-byte codes.
func (c *charset) appendDouble(dst, src []byte) ([]byte, error) {
	t := c.codes()
	for len(src) > 0 {
		b := src[0]
		switch {
		case b < 0x80:
			dst = append(dst, b)
			src = src[1:]
		case t[b] != 0:
			dst = utf8.AppendRune(dst, rune(t[b]))
			src = src[1:]
		default:
			if len(src) < 2 {
				return dst, errText
			}
			r := t[uint16(b)<<8|uint16(src[1])]
			if r == 0 {
				return dst, errText
			}
			dst = utf8.AppendRune(dst, rune(r))
			src = src[2:]
		}
	}
	return dst, nil
}
