package iceberg

import (
	"bytes"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Statistics of strings and binaries are ours: the library (arrow-go 18.8) forgets an empty string that is the smallest value, and
// readers then skip row groups that hold one; and it leaves bounds out that are longer than 4 KiB, from which iceberg-go concludes that
// the other row groups' bounds are those of the file.

// statBytes is the length to which bounds are cut in the footer; it must not be less than what Iceberg's metrics keep (16 characters
// of up to 4 bytes).
const statBytes = 64

// byteStats are the statistics of a string or binary column in one row group.
type byteStats struct {
	min, max []byte
	any      bool // there is a value that is not NULL
	nulls    int64
}

// update takes a set's values in.
func (s *byteStats) update(c *colBuf, rows int) {
	n := len(c.off) - 1
	s.nulls += int64(rows - n)
	if n == 0 {
		return
	}
	lo := c.data[c.off[0]:c.off[1]]
	hi := lo
	for i := 1; i < n; i++ {
		v := c.data[c.off[i]:c.off[i+1]]
		if bytes.Compare(v, lo) < 0 {
			lo = v
		} else if bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	if !s.any || bytes.Compare(lo, s.min) < 0 {
		s.min = append(s.min[:0], lo...)
	}
	if !s.any || bytes.Compare(hi, s.max) > 0 {
		s.max = append(s.max[:0], hi...)
	}
	s.any = true
}

// setStats puts the statistics into the footer.
func (s *byteStats) setStats(meta *metadata.FileMetaData, group, col int, kind cdc.Kind) {
	st := newOf(&meta.RowGroups[group].Columns[col].MetaData.Statistics)
	st.NullCount = &s.nulls
	if !s.any {
		return
	}
	lo, loExact := cutLower(s.min, kind)
	st.MinValue, st.IsMinValueExact = lo, &loExact
	hi, hiExact := cutUpper(s.max, kind)
	st.MaxValue, st.IsMaxValueExact = hi, &hiExact
}

// newOf allocates a value of a type that the library keeps to itself.
func newOf[T any](p **T) *T {
	*p = new(T)
	return *p
}

// cutLower returns a value that is not above v, of bounded length, and whether it is v. It is never nil.
func cutLower(v []byte, kind cdc.Kind) ([]byte, bool) {
	if len(v) <= statBytes {
		return append([]byte{}, v...), true
	}
	return append([]byte{}, v[:cutAt(v, kind)]...), false
}

// cutUpper returns a value that is not below v and whether it is v. It is of bounded length, unless v begins with the greatest
// characters only: then nothing short is above it.
func cutUpper(v []byte, kind cdc.Kind) ([]byte, bool) {
	if len(v) <= statBytes {
		return append([]byte{}, v...), true
	}
	b := append([]byte{}, v[:cutAt(v, kind)]...)
	for len(b) > 0 {
		if kind != cdc.KindString {
			if b[len(b)-1] < 0xff {
				b[len(b)-1]++
				return b, false
			}
			b = b[:len(b)-1]
			continue
		}
		r, n := utf8.DecodeLastRune(b)
		b = b[:len(b)-n]
		switch {
		case r == utf8.MaxRune || r == utf8.RuneError && n == 1:
		case r == 0xd7ff: // surrogates are no characters
			return utf8.AppendRune(b, 0xe000), false
		default:
			return utf8.AppendRune(b, r+1), false
		}
	}
	return append(b, v...), true
}

// cutAt returns the length of the prefix to keep: whole characters of a string.
func cutAt(v []byte, kind cdc.Kind) int {
	n := statBytes
	for kind == cdc.KindString && n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	return n
}
