package binlog

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// serverCode is a code that the server defines, and its character.
type serverCode struct {
	raw []byte
	r   rune
}

// serverCodes asks for all codes that have a prefix, and size bytes altogether. A code is one of the character set if converting it
// there leaves it as it is; what it does not define becomes a question mark.
func serverCodes(t *testing.T, db *testenv.Database, charset, prefix string, size int) []serverCode {
	t.Helper()
	conn, err := db.Connect(t.Context(), db.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Execute("SET SESSION cte_max_recursion_depth = 100000, sql_mode = ''"); err != nil {
		t.Fatal(err)
	}
	digits := 2*size - len(prefix)
	res, err := conn.Execute(fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d), c (code, text) AS"+
		" (SELECT CONCAT('%s', LPAD(HEX(i), %d, '0')), CONVERT(CAST(UNHEX(CONCAT('%[2]s', LPAD(HEX(i), %[3]d, '0'))) AS BINARY) USING %s) FROM n)"+
		" SELECT code, HEX(CONVERT(text USING utf32)) FROM c WHERE HEX(text) = code AND CHAR_LENGTH(text) = 1", 1<<(4*digits)-1, prefix, digits, charset))
	if err != nil {
		t.Fatal(err)
	}
	var out []serverCode
	for i := range res.RowNumber() {
		code, _ := res.GetString(i, 0)
		text, _ := res.GetString(i, 1)
		if text == "" {
			continue // half a code
		}
		raw, err := hex.DecodeString(code)
		r, err2 := strconv.ParseUint(text, 16, 32)
		if err != nil || err2 != nil {
			t.Fatal(code, text, err, err2)
		}
		if r != '?' || code == "3F" {
			out = append(out, serverCode{raw, rune(r)})
		}
	}
	return out
}

// TestMultiByteCharsets asks the server for every code of the character sets of several bytes: what it defines must be converted as it
// does, and all else refused. CDC2LAKE_WRITE_CHARSETS=1 makes the tables from the answers.
func TestMultiByteCharsets(t *testing.T) {
	db := testenv.NeedMySQL(t)
	for _, name := range multiByte {
		all := append(serverCodes(t, db, name, "", 1), serverCodes(t, db, name, "", 2)...)
		switch charsets[name].long {
		case longEUC:
			all = append(all, serverCodes(t, db, name, "8F", 3)...)
		case longGB18030:
			for lead := 0x81; lead <= 0xfe; lead++ {
				for second := '0'; second <= '9'; second++ {
					if i := (lead-0x81)*10 + int(second-'0'); i*1260 < 39420 || lead == 0x90 || lead == 0xe3 || os.Getenv("CDC2LAKE_TEST_ALL") != "" {
						all = append(all, serverCodes(t, db, name, fmt.Sprintf("%02X%02X", lead, second), 4)...)
					}
				}
			}
		}
		if os.Getenv("CDC2LAKE_WRITE_CHARSETS") != "" {
			writeCodes(t, name, all)
			continue
		}
		cs, server := charsets[name], map[string]rune{}
		for _, x := range all {
			server[string(x.raw)] = x.r
			if got, err := cs.append(nil, x.raw); err != nil || string(got) != string(x.r) {
				t.Errorf("%s %X: %q %v, the server converts to %q", name, x.raw, got, err, x.r)
			}
		}
		for code := range 1 << 16 { // what the server does not define
			for _, raw := range [][]byte{{byte(code)}, {byte(code >> 8), byte(code)}, {0x8f, byte(code >> 8), byte(code)}} {
				_, err := cs.append(nil, raw)
				if got, _ := cs.append(nil, raw); err == nil && utf8.RuneCount(got) == 1 && server[string(raw)] == 0 && raw[0] != 0 {
					t.Errorf("%s %X: %q, the server does not define it", name, raw, got)
				}
			}
		}
		if len(server) < 7000 {
			t.Errorf("%s has %d codes", name, len(server))
		}
	}
}

func writeCodes(t *testing.T, name string, all []serverCode) {
	t.Helper()
	table := new([2 << 16]uint16)
	for _, x := range all {
		i := 0
		switch raw := x.raw; {
		case raw[0] < 0x80:
			if x.r != rune(raw[0]) {
				t.Errorf("%s %X is no ASCII: %q", name, raw, x.r)
			}
			continue
		case len(raw) == 1:
			i = int(raw[0])
		case len(raw) == 2:
			i = int(binary.BigEndian.Uint16(raw))
		case len(raw) == 3:
			i = 1<<16 + int(binary.BigEndian.Uint16(raw[1:]))
		default:
			i = 1<<16 + ((int(raw[0])-0x81)*10+int(raw[1]-'0'))*1260 + (int(raw[2])-0x81)*10 + int(raw[3]) - '0'
		}
		if i >= len(table) {
			continue // beyond the basic plane, see gb18030Astral
		}
		if x.r > 0xffff {
			t.Errorf("%s %X is %q", name, x.raw, x.r)
			continue
		}
		table[i] = uint16(x.r)
	}
	var plain []byte
	last := uint16(0)
	for _, r := range table {
		plain = binary.LittleEndian.AppendUint16(plain, r-last)
		last = r
	}
	for len(plain) > 0 && plain[len(plain)-1] == 0 { // after the last character nothing changes
		plain = plain[:len(plain)-1]
	}
	if len(plain)%2 != 0 {
		plain = append(plain, 0)
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write(plain) //nolint:errcheck // into memory
	w.Close()      //nolint:errcheck // into memory
	if err := os.WriteFile("charsets/"+name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
