package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// maxTexts is the number of keys up to which rows are kept as text while they are looked at again.
const maxTexts = 1000

// maxValue bounds a value in the output, in bytes.
const maxValue = 120

// text prints the columns of a row that are compared.
func (e *encoder) text(cols []cdc.Vec, m []int, r int) string { return e.columns(e.cols, cols, m, r) }

func (e *encoder) columns(which []int, cols []cdc.Vec, m []int, r int) string {
	var b strings.Builder
	for n, i := range which {
		if n > 0 {
			b.WriteString(" ")
		}
		v := &cols[m[i]]
		b.WriteString(e.schema.Columns[i].Name + "=")
		if v.IsNull(r) {
			b.WriteString("NULL")
		} else {
			b.WriteString(value(e.schema.Columns[i].Type, v, r))
		}
	}
	return b.String()
}

func value(t cdc.Type, v *cdc.Vec, r int) string {
	switch t.Kind {
	case cdc.KindBool:
		return strconv.FormatBool(v.U8[r] != 0)
	case cdc.KindInt32:
		return strconv.Itoa(int(v.I32[r]))
	case cdc.KindInt64:
		return strconv.FormatInt(v.I64[r], 10)
	case cdc.KindFloat32:
		return strconv.FormatFloat(float64(v.F32[r]), 'g', -1, 32)
	case cdc.KindFloat64:
		return strconv.FormatFloat(v.F64[r], 'g', -1, 64)
	case cdc.KindDecimal:
		n := new(big.Int)
		if v.Layout == cdc.LayoutI64 {
			n.SetInt64(v.I64[r])
		} else {
			n.SetInt64(v.I64[2*r+1])
			n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(uint64(v.I64[2*r])))
		}
		return decimal(n, int(t.Scale))
	case cdc.KindDate:
		return time.Unix(int64(v.I32[r])*86400, 0).UTC().Format(time.DateOnly)
	case cdc.KindTimestamp:
		return time.UnixMicro(v.I64[r]).UTC().Format("2006-01-02T15:04:05.999999")
	case cdc.KindTimestampTZ:
		return time.UnixMicro(v.I64[r]).UTC().Format("2006-01-02T15:04:05.999999Z")
	case cdc.KindBinary:
		b := v.Bytes(r)
		if len(b) > maxValue/2 {
			return fmt.Sprintf("0x%s… (%d bytes)", hex.EncodeToString(b[:maxValue/2]), len(b))
		}
		return "0x" + hex.EncodeToString(b)
	case cdc.KindFloats:
		b := v.Bytes(r)
		s := fmt.Sprint(arrow.Float32Traits.CastFromBytes(b[:min(len(b), maxValue/2)&^3]))
		if len(b) > maxValue/2 {
			return fmt.Sprintf("%s… (%d numbers)", s[:len(s)-1], len(b)/4)
		}
		return s
	default:
		s := string(v.Bytes(r))
		if len(s) > maxValue {
			cut := s[:maxValue]
			for !utf8.ValidString(cut) && len(cut) > maxValue-4 {
				cut = cut[:len(cut)-1]
			}
			return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(cut), len(s))
		}
		return strconv.Quote(s)
	}
}

func decimal(n *big.Int, scale int) string {
	s := new(big.Int).Abs(n).String()
	if scale > 0 {
		if len(s) <= scale {
			s = strings.Repeat("0", scale-len(s)+1) + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if n.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// show fills in the rows that differ, the first by key. Where too many keys were looked at to keep their rows, they are read once more.
func (c *comparison) show(ctx context.Context, d *decider) error {
	keys := slices.Sorted(maps.Keys(d.different))
	keys = keys[:min(len(keys), c.o.MaxShown)]
	missing := map[string]bool{}
	for _, k := range keys {
		if x := d.different[k]; x.source.text == "" && x.iceberg.text == "" {
			missing[k] = true
		}
	}
	var src, ice map[string]look
	if len(missing) > 0 {
		st, err := c.state(ctx)
		if err != nil {
			return err
		}
		if ice, err = c.scanKeys(ctx, st, missing, true); err != nil {
			return err
		}
		if src, err = c.readKeys(ctx, missing, true); err != nil {
			return err
		}
	}
	for _, k := range keys {
		x := d.different[k]
		if missing[k] {
			x.source, x.iceberg = src[k], ice[k]
		}
		if c.schema.Keyless() {
			c.res.Differences = append(c.res.Differences, Difference{Key: cmp.Or(x.source.text, x.iceberg.text), Source: times(x.source.rows), Iceberg: times(x.iceberg.rows)})
			continue
		}
		b, err := c.enc.keyBatch([]string{k})
		if err != nil {
			return err
		}
		c.res.Differences = append(c.res.Differences, Difference{Key: c.enc.columns(c.schema.Key, b.Cols, c.enc.identity(), 0), Source: x.source.text, Iceberg: x.iceberg.text})
		b.Release()
	}
	return nil
}

// times says how many rows there are that are equal; none is empty.
func times(rows int) string {
	switch rows {
	case 0:
		return ""
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", rows)
}
