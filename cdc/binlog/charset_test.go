package binlog

import (
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// TestMultiByteTables: the tables are those of the encodings as others know them, but for what MySQL does otherwise.
func TestMultiByteTables(t *testing.T) {
	for name, enc := range map[string]encoding.Encoding{"big5": traditionalchinese.Big5, "cp932": japanese.ShiftJIS, "eucjpms": japanese.EUCJP, "euckr": korean.EUCKR,
		"gb18030": simplifiedchinese.GB18030, "gb2312": simplifiedchinese.GBK, "gbk": simplifiedchinese.GBK, "sjis": japanese.ShiftJIS, "ujis": japanese.EUCJP} {
		same, other := 0, 0
		for r := rune(0x80); r <= utf8.MaxRune; r++ {
			raw, err := enc.NewEncoder().Bytes(utf8.AppendRune(nil, r))
			if err != nil || r >= 0xd800 && r < 0xe000 {
				continue
			}
			got, err := charsets[name].append(nil, raw)
			switch {
			case err == nil && string(got) == string(r):
				same++
			case err == nil:
				other++
			}
		}
		if same < 6000 || other*4 > same {
			t.Errorf("%s: %d characters are the same, %d others", name, same, other)
		}
	}
	for _, c := range []struct{ charset, raw, text string }{
		{"gb18030", "\x90\x30\x81\x30\xe3\x32\x9a\x35\x81\x30\x84\x36", "\U00010000\U0010ffff\u00a5"},
		{"gb18030", "\xe3\x32\x9a\x36", ""}, {"gb18030", "\x81\x30\x81", ""}, {"gb18030", "\x81\x30\x80\x30", ""}, {"gb18030", "a\x81", ""},
		{"ujis", "a\x8e\xb1\xa4\xa2\x8f\xb0\xa1\x00", "aｱあ丂\x00"}, {"ujis", "\x8f\xb0", ""}, {"big5", "\xa4\xa4\xa4", ""}, {"tis620", "\xa1\xa0", "ก\ufffd"},
	} {
		got, err := charsets[c.charset].append(nil, []byte(c.raw))
		if err == nil != (c.text != "") || err == nil && string(got) != c.text {
			t.Errorf("%s %X: %q %v, want %q", c.charset, c.raw, got, err, c.text)
		}
	}
	for name, want := range map[string]bool{"sjis": false, "cp932": false, "gb2312": true, "euckr": true, "latin1": true, "armscii8": false, "tis620": false} {
		if got := charsets[name].oneToOne(); got != want {
			t.Errorf("%s is one to one: %t", name, got)
		}
	}
}
