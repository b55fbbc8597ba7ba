package fidelity

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// rtype is the type of a random column.
type rtype struct {
	sql    string // with its character set
	family string // int, decimal, text, bytes, time, enum, set, bits, float, json, year
	// any returns a literal.
	any func(*rand.Rand) string
	// at returns one of many literals that the type tells apart, or nearly (a collation may not); nil: none for a key.
	at func(int) string
	// wider returns a type that holds all its values; nil: none.
	wider func(*rand.Rand) rtype
	// noDefault says that the type has no literal default.
	noDefault bool
}

// randomType draws a type; for a key if wanted.
func randomType(rng *rand.Rand, key bool) rtype {
	for {
		t := typeMakers[rng.IntN(len(typeMakers))](rng)
		if !key || t.at != nil && !severalBytes.MatchString(t.sql) {
			return t
		}
	}
}

// severalBytes are types that are refused in a key: not every character has one form in them.
var severalBytes = regexp.MustCompile("CHARACTER SET (gbk|sjis|euckr|gb2312|big5|ujis|gb18030|eucjpms|cp932|tis620|armscii8|cp866|macce)")

var typeMakers = []func(*rand.Rand) rtype{
	intType, intType, intType, decimalType, decimalType, floatType, bitType, yearType, dateType, timeType, datetimeType, datetimeType,
	timestampType, textType, textType, textType, textType, bytesType, bytesType, enumType, setType, jsonType,
}

func number(i int) string { return fmt.Sprint(i) }

func intType(rng *rand.Rand) rtype {
	kinds := []struct {
		name string
		bits int
	}{{"TINYINT", 8}, {"SMALLINT", 16}, {"MEDIUMINT", 24}, {"INT", 32}, {"BIGINT", 64}}
	i, unsigned := rng.IntN(len(kinds)), rng.IntN(3) == 0
	var make func(i int) rtype
	make = func(i int) rtype {
		k := kinds[i]
		t := rtype{sql: k.name, family: "int", at: number}
		if k.bits == 8 {
			t.at = func(i int) string { return number(i % 120) }
		}
		if unsigned {
			t.sql += " UNSIGNED"
		}
		t.any = func(rng *rand.Rand) string {
			v := rng.Uint64() >> (64 - k.bits)
			switch rng.IntN(5) {
			case 0:
				v = 0
			case 1:
				v = 1<<k.bits - 1
			case 2:
				v = 1 << (k.bits - 1)
			case 3:
				return number(rng.IntN(100))
			}
			if unsigned {
				return fmt.Sprint(v)
			}
			return fmt.Sprint(int64(v<<(64-k.bits)) >> (64 - k.bits))
		}
		t.wider = func(rng *rand.Rand) rtype { return make(min(i+1+rng.IntN(2), len(kinds)-1)) }
		return t
	}
	return make(i)
}

func decimalType(rng *rand.Rand) rtype {
	precision := []int{1, 5, 9, 18, 19, 30, 38, 39, 65}[rng.IntN(9)]
	scale := rng.IntN(min(precision, 30) + 1)
	var make func(p, s int) rtype
	make = func(p, s int) rtype {
		return rtype{sql: fmt.Sprintf("DECIMAL(%d,%d)", p, s), family: "decimal",
			any: func(rng *rand.Rand) string {
				digits := func(most int) string {
					b := []byte{'0'}
					for range rng.IntN(most + 1) {
						b = append(b, "0123456789"[rng.IntN(10)])
					}
					return string(b)
				}
				return []string{"", "-"}[rng.IntN(2)] + digits(p-s) + "." + digits(s)
			},
			at: func(i int) string {
				if i%2 == 1 {
					return fmt.Sprintf("-%d", i/2%9)
				}
				if p-s < 1 {
					return fmt.Sprintf("0.%d", i%9)
				}
				return number(i % 9)
			},
			wider: func(rng *rand.Rand) rtype { return make(min(p+1+rng.IntN(5), 65), s) },
		}
	}
	return make(precision, scale)
}

func floatType(rng *rand.Rand) rtype {
	t := rtype{sql: "DOUBLE", family: "float", any: func(rng *rand.Rand) string {
		return fmt.Sprintf("%g", []float64{rng.NormFloat64() * 1e3, rng.NormFloat64() * 1e100, 0, -1.5}[rng.IntN(4)])
	}}
	if rng.IntN(2) == 0 {
		double := t
		t.sql = "FLOAT"
		t.any = func(rng *rand.Rand) string { return fmt.Sprintf("%g", float32(rng.NormFloat64()*1e3)) }
		t.wider = func(*rand.Rand) rtype { return double }
	}
	return t
}

func bitType(rng *rand.Rand) rtype {
	n := []int{1, 1, 5, 8, 13, 64}[rng.IntN(6)]
	return rtype{sql: fmt.Sprintf("BIT(%d)", n), family: "bits",
		any: func(rng *rand.Rand) string { return fmt.Sprintf("b'%b'", rng.Uint64()>>(64-n)) },
		at:  func(i int) string { return fmt.Sprintf("b'%b'", i&(1<<min(n, 10)-1)) }}
}

func yearType(*rand.Rand) rtype {
	return rtype{sql: "YEAR", family: "year",
		any: func(rng *rand.Rand) string { return number(1901 + rng.IntN(255)) },
		at:  func(i int) string { return number(1901 + i%255) }}
}

func dateType(*rand.Rand) rtype {
	return rtype{sql: "DATE", family: "time",
		any: func(rng *rand.Rand) string { return "'" + day(rng) + "'" },
		at:  func(i int) string { return fmt.Sprintf("'%d-%02d-%02d'", 1950+i/300, 1+i%12, 1+i/12%28) }}
}

func day(rng *rand.Rand) string {
	return fmt.Sprintf("%04d-%02d-%02d", 1000+rng.IntN(9000), 1+rng.IntN(12), 1+rng.IntN(28))
}

func clock(rng *rand.Rand) string {
	return fmt.Sprintf("%02d:%02d:%02d.%06d", rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1000000))
}

func timeType(rng *rand.Rand) rtype {
	return rtype{sql: fmt.Sprintf("TIME(%d)", rng.IntN(7)), family: "time",
		any: func(rng *rand.Rand) string {
			return fmt.Sprintf("'%s%d:%02d:%02d.%06d'", []string{"", "-"}[rng.IntN(2)], rng.IntN(838), rng.IntN(60), rng.IntN(59), rng.IntN(1000000))
		},
		at: func(i int) string { return fmt.Sprintf("'%s%d:%02d:00'", []string{"", "-"}[i%2], i%800, i%60) }}
}

func datetimeType(rng *rand.Rand) rtype {
	fraction := rng.IntN(7)
	return rtype{sql: fmt.Sprintf("DATETIME(%d)", fraction), family: "time",
		any: func(rng *rand.Rand) string { return "'" + day(rng) + " " + clock(rng) + "'" },
		at: func(i int) string {
			if fraction > 0 {
				return fmt.Sprintf("'1969-12-31 23:59:%02d.%d'", i/10%60, i%10)
			}
			return fmt.Sprintf("'1969-12-31 23:%02d:%02d'", i/60%60, i%60)
		}}
}

func timestampType(rng *rand.Rand) rtype {
	return rtype{sql: fmt.Sprintf("TIMESTAMP(%d)", rng.IntN(7)), family: "time", noDefault: true, // a literal default depends on the zone
		any: func(rng *rand.Rand) string {
			return fmt.Sprintf("'%04d-%02d-%02d %s+00:00'", 1971+rng.IntN(66), 1+rng.IntN(12), 1+rng.IntN(28), clock(rng))
		},
		at: func(i int) string { return fmt.Sprintf("'2024-03-31 0%d:%02d:%02d+00:00'", i/3600%10, i/60%60, i%60) }}
}

// scripts are characters that character sets have.
var scripts = map[string]string{
	"utf8mb4": "abcXYZ 019_%ßäÄéñ漢字😀\u200d\x01\t\n\"'\\", "utf8mb3": "abc XYZäÄé漢字ß", "latin1": "abc XYZäÄéßñ€'", "ascii": "abc XYZ'_%\\", "cp1251": "abc XYZжЖяЁ", "koi8r": "abcXжЖя ",
	"gbk": "abc XY漢字中文", "sjis": "abc漢字カナ ", "euckr": "abc한글 ", "greek": "abcαβΩ ", "utf16": "abc XÄ漢😀 ", "utf16le": "abcÄ漢😀 ", "utf32": "abcÄ漢😀 ", "ucs2": "abcÄ漢 ", "hebrew": "abאב ", "cp1250": "abcčŠž ", "gb2312": "abc中文 ", "big5": "abc中文 ", "ujis": "abc漢字 ", "gb18030": "abc中😀é ", "eucjpms": "abc漢字 ", "cp932": "abcカナ漢 ",
	"tis620": "abcกข ", "armscii8": "abcԱբ ", "cp866": "abcЖя ", "macce": "abcčŠ ",
}

var charsets = []string{"", "", "", "", "utf8mb4", "latin1", "utf8mb3", "ascii", "cp1251", "koi8r", "gbk", "sjis", "euckr", "greek", "utf16", "utf16le", "utf32", "ucs2", "hebrew", "cp1250", "gb2312", "big5", "ujis", "gb18030", "eucjpms", "cp932", "tis620", "armscii8", "cp866", "macce"}

var collations = map[string][]string{
	"utf8mb4": {"utf8mb4_0900_ai_ci", "utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_0900_bin", "utf8mb4_0900_as_cs", "utf8mb4_unicode_ci", "utf8mb4_tr_0900_ai_ci"},
	"latin1":  {"latin1_swedish_ci", "latin1_bin", "latin1_german2_ci", "latin1_general_cs"},
	"utf16":   {"utf16_general_ci", "utf16_bin"}, "cp1251": {"cp1251_general_ci", "cp1251_bin"}, "sjis": {"sjis_japanese_ci", "sjis_bin"}, "gbk": {"gbk_chinese_ci", "gbk_bin"},
}

func textType(rng *rand.Rand) rtype { return textOf(rng, charsets[rng.IntN(len(charsets))]) }

func textOf(rng *rand.Rand, charset string) rtype {
	attribute, of := "", charset
	if charset == "" {
		of = "latin1" // what every table's default has, nearly
		if rng.IntN(2) == 0 {
			of = "ascii"
		}
	} else {
		attribute = " CHARACTER SET " + charset
		if list := collations[charset]; list != nil && rng.IntN(2) == 0 {
			attribute += " COLLATE " + list[rng.IntN(len(list))]
		}
	}
	letters := []rune(scripts[of])
	if charset == "" {
		letters = []rune("abc XYZ 019'_") // the default of the table may be any
	}
	var make func(kind string, n int) rtype
	make = func(kind string, n int) rtype {
		t := rtype{sql: kind, family: "text"}
		most := n
		if n > 0 {
			t.sql += fmt.Sprintf("(%d)", n)
		} else {
			t.noDefault, most = true, 400
		}
		if kind == "TINYTEXT" {
			most = 60
		}
		t.sql += attribute
		t.any = func(rng *rand.Rand) string {
			b := []rune{}
			for range rng.IntN(most + 1) {
				b = append(b, letters[rng.IntN(len(letters))])
			}
			return textLiteral(string(b))
		}
		if n >= 5 {
			t.at = func(i int) string { // neighbours differ in case, accents or spaces at the end
				s := fmt.Sprint(i/6%90, string(letters[i/6%3]))
				switch i % 6 {
				case 1:
					s = strings.ToUpper(s)
				case 2:
					s += " "
				case 3:
					s += string(letters[len(letters)-3])
				case 4:
					s = " " + s
				}
				return textLiteral(s)
			}
		}
		t.wider = func(rng *rand.Rand) rtype {
			if n == 0 {
				return make("LONGTEXT", 0)
			}
			if rng.IntN(3) == 0 {
				return make("TEXT", 0)
			}
			return make("VARCHAR", n+1+rng.IntN(300))
		}
		return t
	}
	switch rng.IntN(6) {
	case 0:
		return make([]string{"TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT"}[rng.IntN(4)], 0)
	case 1:
		return make("CHAR", 5+rng.IntN(20))
	}
	return make("VARCHAR", []int{5, 10, 30, 63, 64, 90, 300}[rng.IntN(7)])
}

// textLiteral means the same under every sql_mode.
func textLiteral(s string) string {
	if strings.ContainsAny(s, "'\\\"\x01\n\t") {
		return fmt.Sprintf("_utf8mb4 X'%x'", s)
	}
	return "'" + s + "'"
}

func bytesType(rng *rand.Rand) rtype {
	var make func(kind string, n int) rtype
	make = func(kind string, n int) rtype {
		t := rtype{sql: kind, family: "bytes"}
		most := n
		if n > 0 {
			t.sql += fmt.Sprintf("(%d)", n)
			t.at = func(i int) string { return fmt.Sprintf("X'%02x%02x'", i/3%60, []int{0, 0x20, 0xff}[i%3]) }
		} else {
			t.noDefault, most = true, 200
		}
		t.any = func(rng *rand.Rand) string {
			b := []byte{}
			for range rng.IntN(most + 1) {
				b = append(b, byte(rng.Uint32()))
			}
			if len(b) > 0 && rng.IntN(3) == 0 {
				b[len(b)-1] = 0
			}
			return fmt.Sprintf("X'%x'", b)
		}
		t.wider = func(rng *rand.Rand) rtype {
			if n == 0 || kind == "VARBINARY" && rng.IntN(3) == 0 {
				return make("LONGBLOB", 0)
			}
			return make(kind, min(n+1+rng.IntN(100), 255))
		}
		return t
	}
	switch rng.IntN(4) {
	case 0:
		return make([]string{"TINYBLOB", "BLOB", "MEDIUMBLOB"}[rng.IntN(3)], 0)
	case 1:
		return make("BINARY", 2+rng.IntN(10))
	}
	return make("VARBINARY", []int{2, 10, 100}[rng.IntN(3)])
}

// members of ENUM and SET; some are numbers, which MySQL may take for indexes.
var members = []string{"red", "green", "blue", "1", "2", "0", "ä", "Größe", "a b", "x''y", "zz", "long member with words"}

func enumType(rng *rand.Rand) rtype {
	n := 2 + rng.IntN(4)
	return memberType("ENUM", rng.Perm(len(members))[:n])
}

func setType(rng *rand.Rand) rtype {
	n := 2 + rng.IntN(7)
	return memberType("SET", rng.Perm(len(members))[:n])
}

func memberType(kind string, which []int) rtype {
	var names []string
	for _, i := range which {
		names = append(names, members[i])
	}
	t := rtype{sql: kind + "('" + strings.Join(names, "','") + "') CHARACTER SET utf8mb4", family: strings.ToLower(kind)}
	one := func(i int) string { return "'" + names[i%len(names)] + "'" }
	t.any = func(rng *rand.Rand) string {
		if kind == "ENUM" {
			return one(rng.IntN(len(names)))
		}
		var some []string
		for _, n := range names {
			if rng.IntN(2) == 0 {
				some = append(some, n)
			}
		}
		return "'" + strings.Join(some, ",") + "'"
	}
	t.at = one
	t.wider = func(rng *rand.Rand) rtype { // one more at the end
		for i := range members {
			used := false
			for _, w := range which {
				used = used || w == i
			}
			if !used {
				return memberType(kind, append(append([]int{}, which...), i))
			}
		}
		return t
	}
	return t
}

func jsonType(*rand.Rand) rtype {
	return rtype{sql: "JSON", family: "json", noDefault: true, any: func(rng *rand.Rand) string {
		switch rng.IntN(6) {
		case 0:
			return fmt.Sprintf(`'{"id": %d, "tags": ["x", "ä%d"], "deep": {"b": null, "a": %t, "": {}}}'`, rng.Int64(), rng.IntN(10), rng.IntN(2) == 0)
		case 1:
			return fmt.Sprintf(`'[%d, %g, "%s", -1]'`, rng.Uint64(), rng.NormFloat64(), strings.Repeat("z", rng.IntN(300)))
		case 2:
			return fmt.Sprintf(`CAST(JSON_ARRAY(CAST('%s' AS DATE), %d.50, X'00ff', 1e%d) AS JSON)`, day(rng), rng.IntN(1000), rng.IntN(40))
		case 3:
			return `'"text"'`
		case 4:
			return "'" + []string{"null", "true", "1", "-0.5", "[]", "{}"}[rng.IntN(6)] + "'"
		}
		return fmt.Sprintf(`'{"k%d": %g, "k": "%s"}'`, rng.IntN(5), rng.NormFloat64()*1e20, strings.Repeat("é", rng.IntN(80)))
	}}
}
