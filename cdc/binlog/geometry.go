package binlog

import (
	"encoding/binary"
	"errors"
)

var errGeometry = errors.New("no geometry in MySQL's format")

// wkbSRID is the bit of EWKB's type that says that the reference system follows.
const wkbSRID = 0x20000000

// appendGeometry turns MySQL's format (the reference system in four bytes, then WKB, little endian, with the longitude first
// where there is one) into WKB. A reference system other than 0 is kept as PostGIS does it, in EWKB.
func appendGeometry(dst, raw []byte) ([]byte, error) {
	if err := checkGeometry(raw); err != nil {
		return dst, err
	}
	srid, wkb := raw[:4], raw[4:]
	kind := binary.LittleEndian.Uint32(wkb[1:])
	if binary.LittleEndian.Uint32(srid) == 0 {
		return append(dst, wkb...), nil
	}
	dst = binary.LittleEndian.AppendUint32(append(dst, 1), kind|wkbSRID)
	return append(append(dst, srid...), wkb[5:]...), nil
}

// checkGeometry makes sure that the header is as appendGeometry expects it.
func checkGeometry(raw []byte) error {
	if len(raw) < 4+1+4 || raw[4] != 1 {
		return errGeometry
	}
	if kind := binary.LittleEndian.Uint32(raw[5:]); kind < 1 || kind > 7 {
		return errGeometry
	}
	return nil
}
