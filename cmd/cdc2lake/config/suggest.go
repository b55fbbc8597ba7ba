package config

import (
	"reflect"
	"regexp"
	"strings"
)

// suggest names the key that was probably meant: a near miss in the same section, or the same name elsewhere.
func suggest(path, name string, t reflect.Type) string {
	best, distance := "", 1+max(1, len(name)/3)
	for i := range t.NumField() {
		k := t.Field(i).Tag.Get("yaml")
		if k == "" {
			continue
		}
		if d := editDistance(strings.ToLower(strings.ReplaceAll(name, "-", "_")), k); d < distance {
			best, distance = join(path, k), d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	var elsewhere []string
	for _, k := range Keys {
		if k.Path == name || strings.HasSuffix(k.Path, "."+name) || strings.Contains(k.Path, "."+name+".") {
			elsewhere = append(elsewhere, k.Path)
		}
	}
	if len(elsewhere) > 0 && len(elsewhere) <= 3 {
		return "did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	var known []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "" {
			known = append(known, k)
		}
	}
	return "known here: " + strings.Join(known, ", ")
}

// editDistance is Damerau's distance with adjacent swaps, so that a swapped pair of letters counts once.
func editDistance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			c := 1
			if a[i-1] == b[j-1] {
				c = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+c)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

var indexes = regexp.MustCompile(`\[\d+\]`)
