package binlog

import (
	"encoding/binary"
	"errors"
)

// fractionScale turns a fraction of k bytes into microseconds: two decimal digits a byte.
var fractionScale = [4]int64{0, 10000, 100, 1}

var errTime = errors.New("a malformed time")

// civilDays returns the days since 1970-01-01 of a date of the proleptic Gregorian calendar, and whether there is such a
// day. Year 0 is MySQL's: no leap year.
func civilDays(y, m, d int64) (int64, bool) {
	if m < 1 || m > 12 || d < 1 || y > 9999 {
		return 0, false
	}
	if d > 28 && d > monthDays(y, m) {
		return 0, false
	}
	if m <= 2 {
		y--
		m += 12
	}
	// y may be -1 (January of year 0): shift by 400 years to keep divisions positive.
	y += 400
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468 - 146097, true
}

func monthDays(y, m int64) int64 {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0 && y != 0) {
			return 29
		}
		return 28
	}
	return 31
}

// months has the first day and the number of days of each month (year*13 + month, as MySQL counts) of the years that most dates are of:
// the day times 32, plus the number.
var months = func() (t [13 * 130]int32) {
	for i := range t {
		y, m := int64(firstYear+i/13), int64(i%13)
		if first, ok := civilDays(y, m, 1); ok {
			t[i] = int32(first<<5 | monthDays(y, m))
		}
	}
	return t
}()

const firstYear = 1950

// monthDay is civilDays for a month that is counted as in months.
func monthDay(month, d int64) (days int64, ok bool) {
	if i := uint64(month - 13*firstYear); i < uint64(len(months)) {
		if m := int64(months[i]); uint64(d-1) < uint64(m&31) {
			return m>>5 + d - 1, true
		}
	}
	return civilDays(month/13, month%13, d)
}

// logDate decodes the three bytes of a DATE. ok is false for what is no calendar date.
func logDate(raw []byte) (days int32, ok bool) {
	v := int64(raw[0]) | int64(raw[1])<<8 | int64(raw[2])<<16
	m := v >> 5 & 15
	if m > 12 {
		return 0, false
	}
	n, ok := monthDay((v>>9)*13+m, v&31)
	return int32(n), ok
}

// fractionOf returns the microseconds of the k bytes at the top of x.
func fractionOf(x uint64, k int) int64 { return int64(x>>(64-8*uint(k))) * fractionScale[k] }

// logDatetime decodes a DATETIME2 with k bytes of fraction at the top of x: 40 bits (1 sign, 17 year*13+month, 5 day, 5 hour, 6 minute,
// 6 second) and the fraction.
func logDatetime(x uint64, k int) (micros int64, ok bool) {
	v := int64(x>>24) - 0x8000000000
	if v < 0 {
		return 0, false
	}
	days, ok := monthDay(v>>22, v>>17&31)
	h, m, s := v>>12&31, v>>6&63, v&63
	fraction := fractionOf(x<<40, k)
	if !ok || h > 23 || m > 59 || s > 59 || fraction > 999999 {
		return 0, false
	}
	return (days*86400+h*3600+m*60+s)*1e6 + fraction, true
}

// logTimestamp decodes a TIMESTAMP2 with k bytes of fraction at the top of x: seconds since the epoch, and the fraction. Second 0 is
// MySQL's zero.
func logTimestamp(x uint64, k int) (micros int64, ok bool) {
	s := int64(x >> 32)
	fraction := fractionOf(x<<32, k)
	return s*1e6 + fraction, s != 0 && fraction <= 999999
}

// clock is a TIME.
type clock struct {
	negative        bool
	h, m, s, micros int64
}

func (t clock) check() error {
	if t.h > 838 || t.m > 59 || t.s > 59 || t.micros > 999999 {
		return errTime
	}
	return nil
}

// total returns the time in microseconds.
func (t clock) total() int64 {
	n := (t.h*3600+t.m*60+t.s)*1e6 + t.micros
	if t.negative {
		return -n
	}
	return n
}

// append prints the time as MySQL does.
func (t clock) append(dst []byte, fsp int) []byte {
	if t.negative {
		dst = append(dst, '-')
	}
	if t.h >= 100 {
		dst = append(dst, byte('0'+t.h/100))
	}
	dst = append2(append(append2(append(append2(dst, t.h%100), ':'), t.m), ':'), t.s)
	return appendFraction(dst, t.micros, fsp)
}

// logTime decodes a TIME2: 24 bits big endian, offset by 0x800000 (1 unused, 10 hour, 6 minute, 6 second), and the
// fraction; integer and fraction together are one two's complement number.
func logTime(raw []byte) (t clock, err error) {
	k := uint(len(raw) - 3)
	v := int64(bigEndian(raw)) - 0x800000<<(8*k)
	if t.negative = v < 0; t.negative {
		v = -v
	}
	t.micros = v & (1<<(8*k) - 1) * fractionScale[k]
	v >>= 8 * k
	t.h, t.m, t.s = v>>12&1023, v>>6&63, v&63
	return t, t.check()
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendFraction prints the first fsp digits of microseconds, with the point.
func appendFraction(dst []byte, micros int64, fsp int) []byte {
	if fsp == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := 5; i >= 6-fsp; i-- {
		dst = append(dst, byte('0'+micros/int64(pow10[i])%10))
	}
	return dst
}

// rowDatetime decodes the DATE, DATETIME or TIMESTAMP of a binary-protocol row (without its length byte): nothing, 4, 7
// or 11 bytes: year, month, day, hour, minute, second, microseconds.
func rowDatetime(raw []byte) (days, micros int64, ok bool, err error) {
	var y, mo, d, h, mi, s, us int64
	switch len(raw) {
	case 0:
		return 0, 0, false, nil
	case 11:
		us = int64(binary.LittleEndian.Uint32(raw[7:]))
		fallthrough
	case 7:
		h, mi, s = int64(raw[4]), int64(raw[5]), int64(raw[6])
		fallthrough
	case 4:
		y, mo, d = int64(binary.LittleEndian.Uint16(raw)), int64(raw[2]), int64(raw[3])
	default:
		return 0, 0, false, errTime
	}
	if h > 23 || mi > 59 || s > 59 || us > 999999 {
		return 0, 0, false, errTime
	}
	if mo > 12 {
		return 0, 0, false, nil
	}
	days, ok = monthDay(y*13+mo, d)
	return days, (h*3600+mi*60+s)*1e6 + us, ok, nil
}

// rowTime decodes the TIME of a binary-protocol row: nothing, 8 or 12 bytes: sign, days, hour, minute, second, microseconds.
func rowTime(raw []byte) (t clock, err error) {
	switch len(raw) {
	case 0:
	case 12:
		t.micros = int64(binary.LittleEndian.Uint32(raw[8:]))
		fallthrough
	case 8:
		t.negative = raw[0] == 1
		t.h, t.m, t.s = int64(binary.LittleEndian.Uint32(raw[1:]))*24+int64(raw[5]), int64(raw[6]), int64(raw[7])
	default:
		return t, errTime
	}
	return t, t.check()
}
