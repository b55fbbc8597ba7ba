package binlog

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

var (
	errMember  = errors.New("a member that the type does not have")
	errDecimal = errors.New("a malformed DECIMAL")
)

// MySQL's binary DECIMAL: base 10^9 digits of four big-endian bytes; the outermost groups of the integral and the
// fractional part hold 1-8 digits in fewer bytes. The first bit is inverted, and negative values are inverted whole.

var digitBytes = [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

var pow10 = [19]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// group is one base-10^9 digit: its bytes and its decimal digits.
type group struct {
	bytes, digits uint8
	mul           uint32 // 10^digits
}

// decimalGroups lays out DECIMAL(precision,scale) and returns its size in bytes.
func decimalGroups(precision, scale int) (groups []group, size int) {
	add := func(digits int) {
		if digits > 0 {
			groups = append(groups, group{uint8(digitBytes[digits]), uint8(digits), uint32(pow10[digits])})
			size += digitBytes[digits]
		}
	}
	integral := precision - scale
	add(integral % 9)
	for range integral / 9 {
		add(9)
	}
	for range scale / 9 {
		add(9)
	}
	add(scale % 9)
	return groups, size
}

// decimal64 decodes up to 18 digits into the unscaled value. raw has the groups' size.
func decimal64(raw []byte, groups []group) (int64, error) {
	invert := uint32(0)
	if raw[0]&0x80 == 0 {
		invert = 0xffffffff
	}
	var acc uint64
	flip := byte(0x80)
	pos := 0
	for _, g := range groups {
		var x uint32
		for _, c := range raw[pos : pos+int(g.bytes)] {
			x = x<<8 | uint32(c^flip)
			flip = 0
		}
		pos += int(g.bytes)
		x ^= invert >> (32 - 8*uint(g.bytes))
		if x >= g.mul {
			return 0, errDecimal
		}
		acc = acc*uint64(g.mul) + uint64(x)
	}
	if invert != 0 {
		return -int64(acc), nil
	}
	return int64(acc), nil
}

// decimalWord is decimal64 for up to eight bytes, which are the low ones of x.
func decimalWord(x uint64, size uint, groups []group) (int64, error) {
	top := 64 - 8*size
	negative := ^(int64(x<<top) >> 63) // all ones
	x = (x ^ 1<<(8*size-1) ^ uint64(negative)) << top
	var acc uint64
	for _, g := range groups {
		n := 8 * uint(g.bytes)
		digits := x >> (64 - n)
		x <<= n
		if digits >= uint64(g.mul) {
			return 0, errDecimal
		}
		acc = acc*uint64(g.mul) + digits
	}
	return (int64(acc) ^ negative) - negative, nil
}

// decimal128 decodes up to 38 digits into the unscaled value's two's complement.
func decimal128(raw []byte, groups []group) (lo, hi uint64, err error) {
	invert := uint32(0)
	if raw[0]&0x80 == 0 {
		invert = 0xffffffff
	}
	flip := byte(0x80)
	pos := 0
	for _, g := range groups {
		var x uint32
		for _, c := range raw[pos : pos+int(g.bytes)] {
			x = x<<8 | uint32(c^flip)
			flip = 0
		}
		pos += int(g.bytes)
		x ^= invert >> (32 - 8*uint(g.bytes))
		if x >= g.mul {
			return 0, 0, errDecimal
		}
		lo, hi = muladd128(lo, hi, uint64(g.mul), uint64(x))
	}
	if invert != 0 {
		lo, hi = negate128(lo, hi)
	}
	return lo, hi, nil
}

func muladd128(lo, hi, mul, add uint64) (uint64, uint64) {
	carry, l := bits.Mul64(lo, mul)
	l, c := bits.Add64(l, add, 0)
	return l, hi*mul + carry + c
}

func negate128(lo, hi uint64) (uint64, uint64) {
	l, b := bits.Sub64(0, lo, 0)
	h, _ := bits.Sub64(0, hi, b)
	return l, h
}

// appendDecimal prints a binary DECIMAL as MySQL does: no leading zeros but one before the point, scale digits after it.
func appendDecimal(dst, raw []byte, precision, scale int, groups []group) ([]byte, error) {
	invert := uint32(0)
	if raw[0]&0x80 == 0 {
		invert = 0xffffffff
	}
	start := len(dst)
	if invert != 0 {
		dst = append(dst, '-')
	}
	digits := len(dst)
	flip := byte(0x80)
	pos, left := 0, precision-scale
	zero := true
	for _, g := range groups {
		if left == 0 {
			if len(dst) == digits {
				dst = append(dst, '0')
			}
			dst = append(dst, '.')
		}
		var x uint32
		for _, c := range raw[pos : pos+int(g.bytes)] {
			x = x<<8 | uint32(c^flip)
			flip = 0
		}
		pos += int(g.bytes)
		x ^= invert >> (32 - 8*uint(g.bytes))
		if x >= g.mul {
			return dst, errDecimal
		}
		zero = zero && x == 0
		for d := int(g.digits) - 1; d >= 0; d-- {
			c := byte(uint64(x)/pow10[d]%10) + '0'
			if c == '0' && left > 0 && len(dst) == digits {
				continue // leading zero
			}
			dst = append(dst, c)
		}
		left -= int(g.digits)
	}
	if len(dst) == digits {
		dst = append(dst, '0')
	}
	if zero && invert != 0 {
		dst = append(dst[:start], dst[digits:]...)
	}
	return dst, nil
}

// parseDecimal reads what MySQL prints for DECIMAL(p,scale), p up to 38, into the unscaled two's complement.
func parseDecimal(s []byte, scale int) (lo, hi uint64, err error) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	point, digits := -1, 0
	// Most fit into one word: 18 digits.
	for i, c := range s {
		if c == '.' && point < 0 {
			point = i
			continue
		}
		d := uint64(c - '0')
		if d > 9 {
			return 0, 0, errDecimal
		}
		if digits < 18 {
			lo = lo*10 + d
		} else {
			lo, hi = muladd128(lo, hi, 10, d)
		}
		if digits > 0 || d != 0 {
			digits++
		}
	}
	fraction := 0
	if point >= 0 {
		fraction = len(s) - point - 1
	}
	if len(s) == 0 || fraction != scale || digits > 38 {
		return 0, 0, errDecimal
	}
	if negative {
		lo, hi = negate128(lo, hi)
	}
	return lo, hi, nil
}

// parseDecimal64 is parseDecimal for up to 18 digits.
func parseDecimal64(s []byte, scale int) (int64, error) {
	digits := s
	if len(s) > 0 && s[0] == '-' {
		digits = s[1:]
	}
	point := len(digits)
	if scale > 0 {
		point -= scale + 1
	}
	if point >= 0 && len(digits) > 0 && len(digits) <= 18 && (scale == 0 || digits[point] == '.') {
		v, ok := number(0, digits[:point])
		if ok && scale > 0 {
			v, ok = number(v, digits[point+1:])
		}
		switch {
		case ok && len(digits) < len(s):
			return -v, nil
		case ok:
			return v, nil
		}
	}
	lo, _, err := parseDecimal(s, scale)
	return int64(lo), err
}

// number appends decimal digits to v; ok is false if there is anything else.
func number(v int64, digits []byte) (n int64, ok bool) {
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		v = v*10 + int64(c)
	}
	return v, true
}

// normalDecimal appends a printed DECIMAL without the zeros that ZEROFILL puts in front, as the log's decoder prints it.
func normalDecimal(dst, s []byte) ([]byte, error) {
	if len(s) > 0 && s[0] == '-' {
		dst, s = append(dst, '-'), s[1:]
	}
	for len(s) > 1 && s[0] == '0' && s[1] != '.' {
		s = s[1:]
	}
	if len(s) == 0 {
		return dst, errDecimal
	}
	for _, c := range s {
		if c != '.' && (c < '0' || c > '9') {
			return dst, errDecimal
		}
	}
	return append(dst, s...), nil
}

// bigEndian reads up to 8 bytes.
func bigEndian(b []byte) uint64 {
	var x uint64
	for _, c := range b {
		x = x<<8 | uint64(c)
	}
	return x
}

// littleEndian reads up to 8 bytes.
func littleEndian(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var x uint64
	for i := len(b) - 1; i >= 0; i-- {
		x = x<<8 | uint64(b[i])
	}
	return x
}
