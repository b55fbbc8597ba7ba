package main

import (
	"math/bits"
	"strconv"
	"time"
)

// tenColumns is the table of most workloads: ten mixed columns, about 200 bytes a row in the log.
const tenColumns = `(
	id BIGINT NOT NULL PRIMARY KEY,
	qty INT NOT NULL,
	amount DECIMAL(12,2) NOT NULL,
	name VARCHAR(80) NOT NULL,
	city VARCHAR(40),
	note TEXT,
	created DATETIME(6) NOT NULL,
	updated TIMESTAMP NOT NULL,
	score DOUBLE,
	flag TINYINT NOT NULL)`

var words = [64]string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima", "mike",
	"november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu", "amber", "basalt",
	"cobalt", "dune", "ember", "fjord", "grove", "harbor", "island", "jungle", "kelp", "lagoon", "meadow", "nebula", "oasis", "prairie", "quartz",
	"river", "summit", "tundra", "upland", "valley", "willow", "yarrow", "zephyr", "anchor", "beacon", "canyon", "drift", "estuary", "fern", "glacier",
	"heath", "inlet", "ledge", "marsh", "orchard", "pebble"}

// random is splitmix64: the same numbers for the same row and version.
type random uint64

func newRandom(id int64, version uint64) *random {
	r := random(uint64(id)*0x9e3779b97f4a7c15 ^ bits.RotateLeft64(version*0xd1342543de82ef95, 31))
	// Where it begins is mixed too: otherwise a row would have the numbers of the one before, moved on by one, and neighbours
	// compress each other.
	r = random(r.next())
	return &r
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.next(), n)
	return hi
}

const null = `\N`

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// appendTen appends a row of tenColumns in the format of LOAD DATA.
func appendTen(b []byte, id int64, version uint64) []byte {
	r := newRandom(id, version)
	b = strconv.AppendInt(b, id, 10)
	b = strconv.AppendUint(append(b, '\t'), r.below(1000), 10)
	b = strconv.AppendUint(append(b, '\t'), r.below(100_000_00), 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, 10+r.below(90), 10)
	b = append(b, '\t')
	for range 6 {
		b = append(append(b, words[r.next()>>58]...), ' ')
	}
	b = strconv.AppendUint(b, r.next()>>16|1<<47, 36)
	b = append(b, '\t')
	if r.below(10) == 0 {
		b = append(b, null...)
	} else {
		w := r.below(16)
		b = append(append(append(b, words[w]...), ' '), words[16+r.below(16)]...)
	}
	b = append(b, '\t')
	if r.below(20) == 0 {
		b = append(b, null...)
	} else {
		for end := len(b) + 60 + int(r.below(41)); len(b) < end; {
			b = append(append(b, words[r.next()>>58]...), ' ')
			if len(b) > end {
				b = b[:end]
			}
		}
		b[len(b)-1] = '.'
	}
	b = append(b, '\t')
	b = epoch.Add(time.Duration(id)*977*time.Millisecond+time.Duration(r.below(1e9))*time.Microsecond).AppendFormat(b, "2006-01-02 15:04:05.000000")
	b = append(b, '\t')
	b = epoch.Add(time.Duration(version%8000)*time.Hour+time.Duration(r.below(3600))*time.Second).AppendFormat(b, "2006-01-02 15:04:05")
	b = append(b, '\t')
	if r.below(10) == 0 {
		b = append(b, null...)
	} else {
		b = strconv.AppendFloat(b, float64(int64(r.next()))/(1<<40), 'g', -1, 64)
	}
	b = strconv.AppendUint(append(b, '\t'), r.below(4), 10)
	return append(b, '\n')
}

// permutation maps 0…n-1 onto itself in an order that looks random: four Feistel rounds, and again while the result is too large.
type permutation struct {
	n    uint64
	half uint
	seed uint64
}

func newPermutation(n int64, seed uint64) permutation {
	return permutation{uint64(n), uint(bits.Len64(uint64(n-1))+1) / 2, seed}
}

func (p permutation) at(i int64) int64 {
	x := uint64(i)
	mask := uint64(1)<<p.half - 1
	for {
		l, r := x>>p.half, x&mask
		for k := range uint64(4) {
			f := newRandom(int64(r), p.seed+k)
			l, r = r, l^(f.next()&mask)
		}
		if x = l<<p.half | r; x < p.n {
			return int64(x)
		}
	}
}
