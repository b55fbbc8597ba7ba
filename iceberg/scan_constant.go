package iceberg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// constant is one value of a column.
type constant struct {
	lo, hi int64 // integers of all widths, booleans
	f      float64
	b      []byte
}

func (c *constant) equal(o *constant) bool {
	return c.lo == o.lo && c.hi == o.hi && c.f == o.f && bytes.Equal(c.b, o.b)
}

// initialDefault reads a field's initial default, in the notation of Iceberg's JSON single-value serialization; nil if it has none.
func initialDefault(f iceberggo.NestedField, t cdc.Type) (*constant, error) {
	if f.InitialDefault == nil {
		return nil, nil
	}
	enc, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var raw struct {
		Initial json.RawMessage `json:"initial-default"`
	}
	if err := json.Unmarshal(enc, &raw); err != nil {
		return nil, err
	}
	c, err := parseConstant(strings.TrimSpace(string(raw.Initial)), t)
	if err != nil {
		return nil, fmt.Errorf("initial default of column %s: %w", f.Name, err)
	}
	return c, nil
}

func parseConstant(raw string, t cdc.Type) (c *constant, err error) {
	c = &constant{}
	text := raw
	if strings.HasPrefix(raw, `"`) {
		if err := json.Unmarshal([]byte(raw), &text); err != nil {
			return nil, err
		}
	}
	switch t.Kind {
	case cdc.KindBool:
		var b bool
		if b, err = strconv.ParseBool(text); b {
			c.lo = 1
		}
	case cdc.KindInt32, cdc.KindInt64:
		c.lo, err = strconv.ParseInt(text, 10, 64)
	case cdc.KindFloat32, cdc.KindFloat64:
		c.f, err = strconv.ParseFloat(text, 64)
	case cdc.KindDecimal:
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil, fmt.Errorf("%q is not a decimal", text)
		}
		r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)))
		if !r.IsInt() || r.Num().BitLen() > 127 {
			return nil, fmt.Errorf("%q does not fit %s", text, t)
		}
		n := r.Num()
		mod := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
		c.lo = int64(mod.Uint64())
		c.hi = new(big.Int).Rsh(n, 64).Int64()
	case cdc.KindDate:
		var d time.Time
		d, err = time.Parse("2006-01-02", text)
		c.lo = floorDiv(d.Unix(), 86400)
	case cdc.KindTimestamp:
		var d time.Time
		d, err = time.Parse("2006-01-02T15:04:05.999999", text)
		c.lo = d.UnixMicro()
	case cdc.KindTimestampTZ:
		var d time.Time
		d, err = time.Parse("2006-01-02T15:04:05.999999Z07:00", text)
		c.lo = d.UnixMicro()
	case cdc.KindBinary:
		c.b, err = hex.DecodeString(text)
	default:
		c.b = []byte(text)
	}
	return c, err
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// fill gives n rows what a file without the column holds.
func (c *scanColumn) fill(n int, v *cdc.Vec) error {
	if c.initial == nil {
		v.Nulls = n
		for i := range n {
			zero(v, i)
		}
		return nil
	}
	for i := range n {
		if v.Valid != nil {
			v.SetValid(i)
		}
		switch v.Layout {
		case cdc.LayoutU8:
			v.U8[i] = byte(c.initial.lo)
		case cdc.LayoutI32:
			v.I32[i] = int32(c.initial.lo)
		case cdc.LayoutI64:
			v.I64[i] = c.initial.lo
		case cdc.LayoutI128:
			v.I64[2*i], v.I64[2*i+1] = c.initial.lo, c.initial.hi
		case cdc.LayoutF32:
			v.F32[i] = float32(c.initial.f)
		case cdc.LayoutF64:
			v.F64[i] = c.initial.f
		case cdc.LayoutBytes:
			v.Data = append(v.Data, c.initial.b...)
			v.Off[i+1] = int32(len(v.Data))
		}
	}
	return nil
}
