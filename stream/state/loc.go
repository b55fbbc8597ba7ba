package state

import "fmt"

// Loc is where a row is: the number of a data file in its table's dictionary <<32 | the row's position in the file.
type Loc uint64

// None is no location: the key is not live.
const None = ^Loc(0)

// pending marks a key that Lookup has not resolved yet. File number 2³²-1 is never given out, so it is no row's location.
const pending = ^Loc(1)

// MaxFile is the largest file number.
const MaxFile = 1<<32 - 2

// MakeLoc returns the location of row pos of a file. File numbers go up to MaxFile.
func MakeLoc(file, pos uint32) Loc {
	if file > MaxFile {
		panic("state: file number out of range")
	}
	return Loc(file)<<32 | Loc(pos)
}

// File returns the number of the data file.
func (l Loc) File() uint32 { return uint32(l >> 32) }

// Pos returns the row's position in the file, from 0.
func (l Loc) Pos() uint32 { return uint32(l) }

func (l Loc) String() string {
	if l == None {
		return "none"
	}
	return fmt.Sprintf("file %d row %d", l.File(), l.Pos())
}
