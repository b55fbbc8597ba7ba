package model

import (
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// Found is what a search found: the shortest trace for each invariant that can break.
type Found struct {
	States, Depth int
	Whole         bool // every state was visited
	Broken        map[uint8][]uint32
	Took          time.Duration
}

const stripes = 256

// visited is a set of states by hash.
type visited [stripes]struct {
	mu sync.Mutex
	m  map[uint64]struct{}
}

func newVisited() *visited {
	v := new(visited)
	for i := range v {
		v[i].m = map[uint64]struct{}{}
	}
	return v
}

// add says whether the state is new.
func (v *visited) add(h uint64) bool {
	x := &v[h%stripes]
	x.mu.Lock()
	defer x.mu.Unlock()
	_, known := x.m[h]
	if !known {
		x.m[h] = struct{}{}
	}
	return !known
}

func (v *visited) has(h uint64) bool {
	x := &v[h%stripes]
	x.mu.Lock()
	defer x.mu.Unlock()
	_, known := x.m[h]
	return known
}

var seed = maphash.MakeSeed()

// hash reads the state as it lies in memory: bytes only, see State.
func (s *State) hash() uint64 {
	return maphash.Bytes(seed, (*[unsafe.Sizeof(State{})]byte)(unsafe.Pointer(s))[:]) // #nosec G103
}

// first returns the state that all begins with: record 1 has made the tables.
func (m *model) first() *State {
	s := &State{Left: m.b, Server: txns}
	r := Record{Epoch: 1, N: 1, Generation: 1, Nonce: 9, Data: true, Last: 1, LastNonce: 9}
	for t := range s.Tables {
		k := Marker{1, 1, 1, 9, 0, 1, Load{Bits: loadDone}}
		if m.b.Load {
			s.Server = 1
			if t == 1 {
				k.Position, k.Load = 1, Load{}
			}
		}
		s.Tables[t] = Table{Version: 1, Definition: 1, Head: Snapshot{ID: 1, Ours: 1, Marker: k}, Property: k}
		r.Tells[t] = Tells{1, 1, 9, k.Position, 0}
	}
	m.insert(s, &r)
	return s
}

// explore visits all states that the bounds allow, breadth first, until limit states or the time are over, or with stop the first
// violation is found.
func (m *model) explore(limit int, most time.Duration, stop bool) Found {
	type node struct{ parent, act uint32 }
	type item struct {
		s  State
		id uint32
	}
	type child struct {
		s           State
		parent, act uint32
	}
	began := time.Now()
	seen, alive := newVisited(), newVisited()
	nodes := []node{{}}
	level := []item{{*m.first(), 0}}
	found := Found{Broken: map[uint8][]uint32{}}
	var mu sync.Mutex
	workers := runtime.GOMAXPROCS(0)
	for len(level) > 0 {
		out := make([][]child, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for j := w; j < len(level); j += workers {
					it := &level[j]
					emit := func(a uint32, n *State) {
						if n.Broken == 0 {
							n.canonical()
							if !seen.add(n.hash()) {
								return
							}
							if n.Broken = m.lives(n, true, alive); n.Broken == 0 {
								n.Broken = m.lives(n, false, alive)
							}
						}
						switch n.Broken {
						case 0:
							out[w] = append(out[w], child{*n, it.id, a})
						case full:
						default:
							mu.Lock()
							defer mu.Unlock()
							if found.Broken[n.Broken] == nil {
								trace := []uint32{a}
								for id := it.id; id != 0; id = nodes[id].parent {
									trace = append(trace, nodes[id].act)
								}
								slices.Reverse(trace)
								found.Broken[n.Broken] = trace
							}
						}
					}
					for i := range it.s.Procs {
						m.step(&it.s, i, false, emit)
					}
					m.faults(&it.s, emit)
				}
			})
		}
		wg.Wait()
		level = level[:0]
		for w := range out {
			for j := range out[w] {
				c := &out[w][j]
				nodes = append(nodes, node{c.parent, c.act})
				level = append(level, item{c.s, uint32(len(nodes) - 1)}) // #nosec G115 -- limited
			}
			out[w] = nil
		}
		found.States, found.Took = len(nodes), time.Since(began)
		if len(level) > 0 {
			found.Depth++
		}
		if stop && len(found.Broken) > 0 || len(nodes) > limit || found.Took > most {
			return found
		}
	}
	found.Whole = true
	return found
}

// lives checks I5: the faults stop, and what is left brings all to the end. If fresh, that is a new process alone, otherwise the
// newest that is alive. It returns 0, 5 (stuck), or another invariant that breaks on the way.
func (m *model) lives(s *State, fresh bool, alive *visited) uint8 {
	n := *s
	n.Flying, n.Left, n.Server = [2]Request{}, Bounds{}, txns
	who := -1
	for i := range n.Procs {
		if p := &n.Procs[i]; p.Step >= committing && (who < 0 || less(n.Procs[who].Epoch, n.Procs[who].Generation, p.Epoch, p.Generation)) {
			who = i
		}
	}
	for i := range n.Procs {
		if fresh || i != who {
			n.Procs[i] = Proc{}
		}
	}
	h := n.hash()
	if alive.has(h) || !fresh && who < 0 {
		return 0
	}
	if broken := m.settle(&n, who, fresh); broken != 0 {
		return broken
	}
	alive.add(h)
	return 0
}

func (m *model) settle(n *State, who int, fresh bool) uint8 {
	for range 3 {
		if fresh || who < 0 {
			n.Nonces++
			who = 0
			n.Procs[0] = Proc{Step: starting, Nonce: n.Nonces}
		}
		for c := 0; c < 120 && n.Procs[who].Step != dead; c++ {
			moved := false
			m.step(n, who, true, func(_ uint32, next *State) {
				if !moved {
					if *n, moved = *next, true; n.Procs[who].Step == running {
						n.canonical()
					}
				}
			})
			if n.Broken != 0 {
				return n.Broken
			}
			if !moved {
				return m.settled(n, &n.Procs[who])
			}
		}
		who = -1 // it stopped: the supervisor starts another
	}
	return 5
}

// settled looks at tables whose process has nothing left to do.
func (m *model) settled(n *State, p *Proc) uint8 {
	for t := range n.Tables {
		h := &n.Tables[t].Head
		if p.Views[t].Tells.Paused == 2 {
			continue // its marker is gone: refused by name
		}
		if rows, _, _ := n.rows(h); rows != expected(t, h, txns) || h.Ours != 0 && h.Marker.Load.Bits&loadDone == 0 {
			return 5
		}
	}
	return 0
}
