package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// limitZstd compresses the columns of the benchmark's rows, laid out as in a Parquet file, and nothing else.
func limitZstd() (limit, error) {
	const rows, page = 200_000, 256 << 10
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(1)))
	if err != nil {
		return limit{}, err
	}
	defer enc.Close()
	columns, err := plainColumns(rows)
	if err != nil {
		return limit{}, err
	}
	raw := 0
	for _, c := range columns {
		raw += len(c)
	}
	out, small := []byte(nil), 0
	seconds := best(5, func() {
		small = 0
		for _, c := range columns {
			for len(c) > 0 {
				n := min(page, len(c))
				out = enc.EncodeAll(c[:n], out[:0])
				small += len(out)
				c = c[n:]
			}
		}
	})
	return limit{"zstd1", []extra{{"mb_per_s", float64(raw) / seconds / 1e6}, {"ns_per_row", seconds / rows * 1e9}, {"bytes_per_row", float64(raw) / rows},
		{"compressed_bytes_per_row", float64(small) / rows}}}, nil
}

// plainColumns are rows of tenColumns in PLAIN encoding, column by column, without NULLs. The column of few values is a byte each, about as
// with a dictionary.
func plainColumns(rows int64) ([][]byte, error) {
	columns := make([][]byte, 10)
	cities := map[string]byte{}
	le := binary.LittleEndian
	var line []byte
	for i := range rows {
		line = appendTen(line[:0], i, 0)
		for c, f := range bytes.Split(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\t'}) {
			b, text := columns[c], string(f)
			if text == null {
				continue
			}
			var n int64
			var err error
			switch c {
			case 0, 1, 9:
				if n, err = strconv.ParseInt(text, 10, 64); c == 0 {
					b = le.AppendUint64(b, uint64(n))
				} else {
					b = le.AppendUint32(b, uint32(n))
				}
			case 2:
				n, err = strconv.ParseInt(string(bytes.ReplaceAll(f, []byte{'.'}, nil)), 10, 64)
				b = le.AppendUint64(b, uint64(n))
			case 3, 5:
				b = append(le.AppendUint32(b, uint32(len(text))), text...)
			case 4:
				if _, ok := cities[text]; !ok {
					cities[text] = byte(len(cities))
				}
				b = append(b, cities[text])
			case 6, 7:
				var t time.Time
				t, err = time.Parse("2006-01-02 15:04:05", text)
				b = le.AppendUint64(b, uint64(t.UnixMicro()))
			case 8:
				var x float64
				x, err = strconv.ParseFloat(text, 64)
				b = le.AppendUint64(b, math.Float64bits(x))
			}
			if err != nil {
				return nil, err
			}
			columns[c] = b
		}
	}
	return columns, nil
}
