package binlog

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// jsonLeg is a step of a path into a document: to a member, or to an element.
type jsonLeg struct {
	key     []byte // of a member; nil: an element
	index   int
	fromEnd bool // the index counts from the last element back
}

// appendJSONPath reads a path as MySQL prints it: $, then .name, ."quoted name", [n], [last] or [last-n]. Wildcards and ranges name no
// single value.
func appendJSONPath(legs []jsonLeg, b []byte) ([]jsonLeg, bool) {
	if len(b) == 0 || b[0] != '$' {
		return legs, false
	}
	b = b[1:]
	for len(b) > 0 {
		if len(legs) == jsonMaxDepth {
			return legs, false
		}
		var l jsonLeg
		ok := false
		switch b[0] {
		case '.':
			l.key, b, ok = jsonMember(b[1:])
		case '[':
			l, b, ok = jsonCell(b[1:])
		}
		if !ok {
			return legs, false
		}
		legs = append(legs, l)
	}
	return legs, true
}

// jsonCell reads what follows a bracket.
func jsonCell(b []byte) (l jsonLeg, rest []byte, ok bool) {
	text, rest, ok := bytes.Cut(b, []byte{']'})
	if tail, last := bytes.CutPrefix(text, []byte("last")); last {
		l.fromEnd = true
		if len(tail) == 0 {
			return l, rest, ok
		}
		if text, last = bytes.CutPrefix(tail, []byte{'-'}); !last {
			return l, rest, false
		}
	}
	n, err := strconv.ParseUint(string(text), 10, 32)
	l.index = int(n)
	return l, rest, ok && err == nil
}

// jsonMember reads what follows a point: a name up to the next leg, or a quoted one.
func jsonMember(b []byte) (key, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		n := bytes.IndexAny(b, ".[*\"\\ ")
		if n < 0 {
			n = len(b)
		}
		return b[:n:n], b[n:], n > 0
	}
	b = b[1:]
	n := bytes.IndexAny(b, `"\`)
	if n < 0 {
		return nil, nil, false
	}
	if b[n] == '"' {
		return b[:n:n], b[n+1:], true
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return key, b[i+1:], true
		case c != '\\':
			key = append(key, c)
		default:
			var n int
			if key, n = appendUnescaped(key, b[i+1:]); n == 0 {
				return nil, nil, false
			}
			i += n
		}
	}
	return nil, nil, false
}

// appendUnescaped reads what follows a backslash, and returns how long it is. MySQL escapes what it must; surrogates are not among that.
func appendUnescaped(dst, b []byte) ([]byte, int) {
	if len(b) == 0 {
		return dst, 0
	}
	switch c := b[0]; c {
	case '"', '\\', '/':
		return append(dst, c), 1
	case 'b':
		return append(dst, '\b'), 1
	case 'f':
		return append(dst, '\f'), 1
	case 'n':
		return append(dst, '\n'), 1
	case 'r':
		return append(dst, '\r'), 1
	case 't':
		return append(dst, '\t'), 1
	case 'u':
		if len(b) < 5 {
			return dst, 0
		}
		n, err := strconv.ParseUint(string(b[1:5]), 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return dst, 0
		}
		return utf8.AppendRune(dst, rune(n)), 5
	}
	return dst, 0
}

// position returns which of n elements the leg names; if there is none such, inside is false, and an element is inserted there.
func (l *jsonLeg) position(n int) (i int, inside bool) {
	switch {
	case l.index >= n && l.fromEnd:
		return 0, false
	case l.index >= n:
		return n, false
	case l.fromEnd:
		return n - 1 - l.index, true
	}
	return l.index, true
}
