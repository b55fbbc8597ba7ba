package main

import (
	"context"
	"math/rand/v2"
)

// Versions of the shared table's rows: 0 are the loaded ones. Each workload writes others, so that every update changes its row.
const (
	updateVersion = 1
	hotVersion    = 1 << 20
)

// batched are rows of a transaction of a batch job.
const batched = 1000

// onBase replays changes of the shared table.
func (l *lab) onBase(ctx context.Context, r *result, write func(*shared) error) (*result, error) {
	s, err := l.base(ctx)
	if err != nil {
		return nil, err
	}
	if err := write(s); err != nil {
		return nil, err
	}
	if _, _, err := s.p.replay(ctx, r); err != nil {
		return nil, err
	}
	return r, l.check(ctx, s.p, r, sharedTable)
}

// runUpdate replays updates of random rows, each at most twice.
func runUpdate(ctx context.Context, l *lab) (*result, error) {
	r := newResult("update")
	r.changes = l.count(3_000_000)
	return l.onBase(ctx, r, func(s *shared) error {
		half := (r.changes + 1) / 2
		passes := [2]permutation{newPermutation(s.rows, 1), newPermutation(s.rows, 2)}
		return fill{table: sharedTable, rows: r.changes, chunk: batched, replace: true, row: func(b []byte, i int64) []byte {
			pass := i / half
			return appendTen(b, passes[pass].at(i%half), updateVersion+uint64(pass))
		}}.run(ctx, l)
	})
}

// runHot replays updates of which a tenth hits one row.
func runHot(ctx context.Context, l *lab) (*result, error) {
	r := newResult("hot")
	r.changes = l.count(3_000_000)
	return l.onBase(ctx, r, func(s *shared) error {
		places := newPermutation(s.rows, 3)
		zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(s.rows-1))
		return fill{table: sharedTable, rows: r.changes, chunk: batched, replace: true, row: func(b []byte, i int64) []byte {
			return appendTen(b, places.at(int64(zipf.Uint64())), hotVersion+uint64(i))
		}}.run(ctx, l)
	})
}
