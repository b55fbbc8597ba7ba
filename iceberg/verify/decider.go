package verify

// decider judges keys by what was seen of them. It is pure.
type decider struct {
	keys map[string]bool // still open
	// suspects differed in the last round: what was seen then.
	suspects      map[string]difference
	different     map[string]difference
	confirmations int
	changing      int // of the open keys, those whose rows in the source changed while they were last looked at
}

// difference is what a key was on both sides when they differed, so many rounds in a row.
type difference struct {
	source, iceberg look
	times           int
}

// confirmations is how many rounds in a row must see a difference, with the same rows each time. One would do if a row that reads the same
// twice had not changed in between; but one that goes back and forth between two values can look so by chance, once in eight rounds.
const confirmations = 4

func newDecider(keys []string) *decider {
	d := &decider{confirmations: confirmations, keys: make(map[string]bool, len(keys)), suspects: map[string]difference{}, different: map[string]difference{}}
	for _, k := range keys {
		d.keys[k] = true
	}
	return d
}

func (d *decider) open() int { return len(d.keys) }

// decide takes a round in: the source's rows, then Iceberg's, then the source's again. covered says that Iceberg had all that the source
// had at the first reading.
func (d *decider) decide(before, now, after map[string]look, covered bool) {
	suspects := map[string]difference{}
	d.changing = 0
	for k := range d.keys {
		b, n, a := before[k], now[k], after[k]
		switch {
		case n.same(b) || n.same(a):
			delete(d.keys, k)
		case !b.same(a):
			d.changing++
		case !covered:
			// Late.
		default:
			x := difference{a, n, 1}
			if s, ok := d.suspects[k]; ok && s.source.same(a) && s.iceberg.same(n) {
				x.times += s.times
			}
			if x.times < d.confirmations {
				suspects[k] = x
				continue
			}
			d.different[k] = x
			delete(d.keys, k)
		}
	}
	d.suspects = suspects
}
