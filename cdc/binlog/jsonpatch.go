package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

var errPartial = errors.New("a partial update that does not fit the document")

// Operations of partial updates.
const (
	jsonReplace = 0
	jsonInsert  = 1
	jsonRemove  = 2
)

// jsonNode is a value of a document that is being changed: the bytes of its binary form, taken apart only where a change lies deeper.
type jsonNode struct {
	typ  byte
	open bool      // it is a container, and what counts is kids
	raw  []byte    // without the type
	key  []byte    // in an object
	kids []jsonKid // may be millions: small, and with one pointer
}

// jsonKid is a value of a container that was taken apart: where it stands in the container's bytes, unless there is a node of it.
type jsonKid struct {
	node    *jsonNode
	at      uint32
	size    uint32
	key     uint32
	keySize uint16
	typ     byte
}

// patchJSON appends the binary JSON that raw becomes by a column's partial updates: operation, path and, unless something is removed, a
// value; path and value have their length in front. What MySQL itself refuses to apply is errPartial.
func patchJSON(dst, raw, diffs []byte) ([]byte, error) {
	if len(diffs) == 0 {
		return append(dst, raw...), nil
	}
	root, ok := jsonValue(raw)
	if !ok {
		return dst, errJSON
	}
	var legs []jsonLeg
	for len(diffs) > 0 {
		operation := diffs[0]
		var path []byte
		if path, diffs, ok = lengthPrefixed(diffs[1:]); !ok {
			return dst, errPartial
		}
		if legs, ok = appendJSONPath(legs[:0], path); !ok || len(legs) == 0 || operation > jsonRemove {
			return dst, errPartial
		}
		var value *jsonNode
		if operation != jsonRemove {
			var b []byte
			if b, diffs, ok = lengthPrefixed(diffs); ok {
				value, ok = jsonValue(b)
			}
			if !ok {
				return dst, errPartial
			}
		}
		if !root.apply(operation, legs, value) {
			return dst, errPartial
		}
	}
	return root.append(append(dst, root.kind())), nil
}

// lengthPrefixed splits off a string that has its length in front.
func lengthPrefixed(b []byte) (s, rest []byte, ok bool) {
	n, k := lenenc(b)
	if k == 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	b = b[k:]
	return b[:n:n], b[n:], true
}

// jsonValue returns the value that a column, or a partial update, has.
func jsonValue(raw []byte) (n *jsonNode, ok bool) {
	if len(raw) == 0 {
		return nil, false
	}
	size := jsonSize(raw[0], raw[1:])
	if size <= 0 || size > len(raw)-1 {
		return nil, false
	}
	return &jsonNode{typ: raw[0], raw: raw[1:][:size]}, true
}

// jsonSize returns how long the value of the type at the start of b is; at most 0 if it is malformed.
func jsonSize(typ byte, b []byte) int {
	switch typ {
	case jsonLiteral:
		return 1
	case jsonInt16, jsonUint16:
		return 2
	case jsonInt32, jsonUint32:
		return 4
	case jsonInt64, jsonUint64, jsonDouble:
		return 8
	case jsonString:
		n, k := jsonLength(b)
		return n + k
	case jsonOpaque:
		if len(b) > 1 {
			if n, k := jsonLength(b[1:]); k > 0 {
				return 1 + n + k
			}
		}
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		if c, ok := openJSON(typ, b); ok {
			return len(c.b)
		}
	}
	return 0
}

func (n *jsonNode) object() bool { return n.typ == jsonSmallObject || n.typ == jsonLargeObject }
func (n *jsonNode) array() bool  { return n.typ == jsonSmallArray || n.typ == jsonLargeArray }

// expand takes a container apart.
func (n *jsonNode) expand() bool {
	if n.open {
		return true
	}
	c, ok := openJSON(n.typ, n.raw)
	if !ok {
		return false
	}
	kids := make([]jsonKid, c.count)
	total := uint64(0)
	for i := range c.count {
		k := &kids[i]
		typ, at, ok := c.value(i)
		if !ok {
			return false
		}
		size := jsonSize(typ, c.b[at:])
		if size <= 0 || size > len(c.b[at:]) {
			return false
		}
		k.typ, k.at, k.size = typ, uint32(at), uint32(size)
		if c.object {
			at, n, ok := c.key(i)
			if !ok {
				return false
			}
			k.key, k.keySize = uint32(at), uint16(n)
		}
		// Offsets that share values would make a small document endless.
		if total += uint64(size) + uint64(k.keySize); total > uint64(len(c.b)) {
			return false
		}
	}
	n.open, n.kids = true, kids
	return true
}

// name returns the key of a value of the object.
func (n *jsonNode) name(k *jsonKid) []byte {
	if k.node != nil {
		return k.node.key
	}
	return n.raw[k.key:][:k.keySize]
}

// child returns the node of value i.
func (n *jsonNode) child(i int) *jsonNode {
	k := &n.kids[i]
	if k.node == nil {
		k.node = &jsonNode{typ: k.typ, raw: n.raw[k.at:][:k.size], key: n.name(k)}
	}
	return k.node
}

// find returns which of the container's values the leg names, or where it would stand.
func (n *jsonNode) find(l *jsonLeg) (i int, ok bool) {
	if l.key == nil {
		i, ok = l.position(len(n.kids))
		return i, ok && n.array()
	}
	if !n.object() {
		return 0, false
	}
	// Keys are ordered by length, then by bytes.
	return slices.BinarySearchFunc(n.kids, l.key, func(k jsonKid, key []byte) int {
		name := n.name(&k)
		if d := len(name) - len(key); d != 0 {
			return d
		}
		return bytes.Compare(name, key)
	})
}

// apply makes a change below the value. It returns false if it does not fit.
func (n *jsonNode) apply(operation byte, legs []jsonLeg, value *jsonNode) bool {
	last := len(legs) - 1
	for i := range legs {
		if !n.object() && !n.array() || !n.expand() {
			return false
		}
		at, ok := n.find(&legs[i])
		if i < last {
			if !ok {
				return false
			}
			n = n.child(at)
			continue
		}
		key := legs[i].key
		switch {
		case operation == jsonRemove && ok:
			n.kids = slices.Delete(n.kids, at, at+1)
		case operation == jsonReplace && ok:
			value.key = key
			n.kids[at].node = value
		case operation == jsonInsert && n.array() && key == nil,
			operation == jsonInsert && n.object() && key != nil && !ok && len(key) <= math.MaxUint16:
			value.key = key
			n.kids = slices.Insert(n.kids, at, jsonKid{node: value})
		default:
			return false
		}
	}
	return true
}

// kind is the type that append writes the value in: a container that was taken apart is written as a large one.
func (n *jsonNode) kind() byte {
	switch {
	case !n.open:
		return n.typ
	case n.object():
		return jsonLargeObject
	}
	return jsonLargeArray
}

// append appends the value's binary form, without its type.
func (n *jsonNode) append(dst []byte) []byte {
	if !n.open {
		return append(dst, n.raw...)
	}
	start, at := len(dst), len(dst)+8
	head := 8 + 5*len(n.kids)
	if n.object() {
		head += 6 * len(n.kids)
	}
	dst = append(dst, make([]byte, head)...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(n.kids)))
	if n.object() {
		for i := range n.kids {
			key := n.name(&n.kids[i])
			binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-start))
			binary.LittleEndian.PutUint16(dst[at+4:], uint16(len(key)))
			at += 6
			dst = append(dst, key...)
		}
	}
	for i := range n.kids {
		k := &n.kids[i]
		typ, raw := k.typ, n.raw[k.at:][:k.size]
		if k.node != nil {
			typ, raw = k.node.kind(), k.node.raw
		}
		dst[at] = typ
		entry := at
		if at += 5; jsonInlined(typ, 4) {
			copy(dst[entry+1:at], raw)
			continue
		}
		binary.LittleEndian.PutUint32(dst[entry+1:], uint32(len(dst)-start))
		if k.node != nil {
			dst = k.node.append(dst)
		} else {
			dst = append(dst, raw...)
		}
	}
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start))
	return dst
}
