package verify

import "testing"

// Each letter is a row: what the source had before, what Iceberg has, what the source has after; - is no row, and a round that ends in ! is one
// in which Iceberg does not cover the first reading. The verdict is after the last round: open, equal or different.
func TestDecider(t *testing.T) {
	for name, c := range map[string]struct {
		rounds []string
		want   string
	}{
		"late":                      {[]string{"BAB!", "BBB"}, "equal"},
		"equal to the first look":   {[]string{"AAB"}, "equal"},
		"equal to the second look":  {[]string{"ABB"}, "equal"},
		"gone on both sides":        {[]string{"---"}, "equal"},
		"wrong":                     {[]string{"AXA", "AXA", "AXA", "AXA"}, "different"},
		"extra":                     {[]string{"-X-", "-X-", "-X-", "-X-"}, "different"},
		"missing":                   {[]string{"A-A", "A-A", "A-A", "A-A"}, "different"},
		"not often enough":          {[]string{"AXA", "AXA", "AXA"}, "open"},
		"always changing":           {[]string{"AXB", "BXC", "CXD", "DXE", "EXF", "FXG"}, "open"},
		"back and forth":            {[]string{"AXB", "AXB", "AXB", "AXB", "AXB"}, "open"},
		"never covered":             {[]string{"AXA!", "AXA!", "AXA!", "AXA!", "AXA!"}, "open"},
		"once not covered":          {[]string{"AXA", "AXA", "AXA!", "AXA", "AXA"}, "open"},
		"another row of the source": {[]string{"AXA", "AXA", "BXB", "BXB", "BXB"}, "open"},
		"another row of Iceberg":    {[]string{"AXA", "AXA", "AYA", "AYA", "AYA"}, "open"},
		"wrong, after changes":      {[]string{"AXB", "BXC", "CXC", "CXC", "CXC", "CXC"}, "different"},
	} {
		d := newDecider([]string{"k"})
		for _, r := range c.rounds {
			var looks [3]map[string]look
			for i := range looks {
				looks[i] = map[string]look{}
				if r[i] != '-' {
					looks[i]["k"] = look{}.add(hash{Lo: uint64(r[i])}, "")
				}
			}
			d.decide(looks[0], looks[1], looks[2], len(r) == 3)
		}
		got := "equal"
		if d.open() > 0 {
			got = "open"
		} else if len(d.different) > 0 {
			got = "different"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
