package binlog

import (
	"bytes"
	"compress/flate"
	"embed"
	"encoding/binary"
	"io"
	"sync"
	"unicode/utf8"
)

// multiByte are the character sets of one to four bytes. Their tables in charsets/ are MySQL's: TestMultiByteCharsets asks the
// server for every code, and writes them with CDC2LAKE_WRITE_CHARSETS=1. In the file, compressed, is each character as
// the difference from the one before it, 16 bits little endian: first those of codes, then those of long ones.
var multiByte = []string{"big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis"}

//go:embed charsets
var charsetFiles embed.FS

// codes maps codes to characters of the basic plane; 0 where there is none.
type codes struct {
	short     [1 << 16]uint16 // by the code of one byte from 0x80 on, or of two
	long      [1 << 16]uint16 // by what follows the byte 8F (ujis, eucjpms), or by the index of four bytes (gb18030)
	ambiguous bool            // two codes stand for one character
}

// readCodes reads a table at its first use.
func readCodes(name string) func() *codes {
	return sync.OnceValue(func() *codes {
		f, err := charsetFiles.ReadFile("charsets/" + name)
		if err != nil {
			panic(err)
		}
		b, err := io.ReadAll(flate.NewReader(bytes.NewReader(f)))
		if err != nil {
			panic("binlog: table of character set " + name + ": " + err.Error())
		}
		t, last, seen := new(codes), uint16(0), map[uint16]bool{}
		for i := range len(b) / 2 {
			last += binary.LittleEndian.Uint16(b[2*i:])
			if i < len(t.short) {
				t.short[i] = last
			} else {
				t.long[i-len(t.short)] = last
			}
			t.ambiguous = t.ambiguous || last != 0 && (last < 0x80 || seen[last])
			seen[last] = true
		}
		return t
	})
}

// gb18030Astral is the index of the first four bytes of GB18030 that stand for a character beyond the basic plane.
const gb18030Astral = 189000

// appendMulti converts a text of codes of one to four bytes.
func (c *charset) appendMulti(dst, src []byte) ([]byte, error) {
	t := c.codes()
	for len(src) > 0 {
		b, r, n := src[0], rune(0), 1
		switch {
		case b < 0x80:
			r = rune(b)
			if b == 0 {
				dst, src = append(dst, 0), src[1:]
				continue
			}
		case t.short[b] != 0:
			r = rune(t.short[b])
		case b == 0x8f && c.long == longEUC:
			if n = 3; len(src) >= n {
				r = rune(t.long[int(src[1])<<8|int(src[2])])
			}
		case c.long == longGB18030 && len(src) >= 4 && src[1] >= '0' && src[1] <= '9':
			n = 4
			i := ((int(b)-0x81)*10+int(src[1]-'0'))*1260 + (int(src[2])-0x81)*10 + int(src[3]) - '0'
			switch {
			case b < 0x81 || src[2] < 0x81 || src[2] == 0xff || src[3] < '0' || src[3] > '9':
			case i < 39420:
				r = rune(t.long[i])
			case i >= gb18030Astral && i <= gb18030Astral+utf8.MaxRune-0x10000:
				r = rune(i-gb18030Astral) + 0x10000
			}
		case len(src) >= 2:
			n, r = 2, rune(t.short[int(b)<<8|int(src[1])])
		}
		if r == 0 {
			return dst, errText
		}
		dst = utf8.AppendRune(dst, r)
		src = src[n:]
	}
	return dst, nil
}

// longCodes says what codes of more than two bytes a character set has.
type longCodes uint8

const (
	longNone longCodes = iota
	longEUC
	longGB18030
)
