package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// appendPackets writes a payload as the protocol does: parts of exactly part bytes, then one that is shorter, possibly
// empty.
func appendPackets(b, payload []byte, part int, seq *byte) []byte {
	for {
		n := min(len(payload), part)
		b = append(b, byte(n), byte(n>>8), byte(n>>16), *seq)
		*seq++
		b = append(b, payload[:n]...)
		payload = payload[n:]
		if n < part {
			return b
		}
	}
}

// splitReader gives the stream in pieces of the sizes that next returns; at its end it gives err, with the last bytes if
// both is set.
type splitReader struct {
	b    []byte
	next func() int
	err  error
	both bool
}

func (r *splitReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, r.err
	}
	n := copy(p, r.b[:min(len(r.b), r.next())])
	r.b = r.b[n:]
	if len(r.b) == 0 && r.both {
		return n, r.err
	}
	return n, nil
}

// readAll takes all packets out of a framer, using buffers as the receiver does.
func readAll(f *framer) (out [][]byte, err error) {
	var buf []byte
	for {
		blk, err := f.read(buf)
		if err != nil {
			return out, err
		}
		for {
			p, ok := blk.next()
			if !ok {
				break
			}
			out = append(out, bytes.Clone(p))
		}
		for i := range blk.buf { // whoever keeps what is not his sees it
			blk.buf[i] = 0xee
		}
		buf = blk.buf
	}
}

// TestFramer: whatever the lengths of packets and however the stream is cut, the same packets come out. Parts are short, so
// that packets of many parts, of exactly some parts, ERR and EOF packets in between and empty ones all occur often.
func TestFramer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]int{1, 2, 7, 64, 300}).Draw(t, "part")
		var want [][]byte
		var stream []byte
		seq := rapid.Byte().Draw(t, "first")
		f := newFramer(nil)
		f.part, f.max, f.seq = part, 1<<20, seq
		for range rapid.IntRange(0, 40).Draw(t, "packets") {
			n := rapid.OneOf(rapid.IntRange(0, 3*part), rapid.SampledFrom([]int{0, part - 1, part, part + 1, 2 * part, 3*part - 1})).Draw(t, "n")
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(len(want)*31 + i)
			}
			if n > 0 {
				p[0] = rapid.SampledFrom([]byte{0, 0, 0, 0xfe, 0xff, 0xfb, 7}).Draw(t, "kind")
			}
			want = append(want, p)
			stream = appendPackets(stream, p, part, &seq)
		}
		end := rapid.SampledFrom([]error{io.EOF, io.ErrClosedPipe}).Draw(t, "end")
		cut := rapid.IntRange(0, len(stream)).Draw(t, "cut")
		whole := rapid.Bool().Draw(t, "whole")
		sent := stream
		if !whole {
			sent = stream[:cut]
		}
		f.r = &splitReader{b: sent, err: end, both: rapid.Bool().Draw(t, "both"), next: func() int { return rapid.IntRange(1, 1+3*part).Draw(t, "piece") }}
		got, err := readAll(f)
		if len(got) > len(want) {
			t.Fatalf("%d packets of %d", len(got), len(want))
		}
		size, next := 0, byte(0)
		for i, p := range got {
			if !bytes.Equal(p, want[i]) {
				t.Fatalf("packet %d is %x, want %x", i, p, want[i])
			}
			size += len(appendPackets(nil, p, part, &next))
		}
		switch {
		case size == len(sent) && !errors.Is(err, end):
			t.Fatalf("at the end: %v", err)
		case size < len(sent) && (size+len(appendPackets(nil, want[len(got)], part, &next)) <= len(sent)):
			t.Fatalf("only %d packets: %v", len(got), err)
		case size < len(sent) && errors.Is(end, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			t.Fatalf("cut off within a packet: %v", err)
		}
	})
}

// TestFramerLong: the same with parts of 16 MiB as they are.
func TestFramerLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var seq byte
	var stream []byte
	lengths := []int{5, maxPart - 1, 1, maxPart, 0, 2*maxPart + 3, maxPart + 1, 2 * maxPart, 9}
	for i, n := range lengths {
		stream = appendPackets(stream, bytes.Repeat([]byte{byte(i + 1)}, n), maxPart, &seq)
	}
	f := newFramer(&splitReader{b: stream, err: io.EOF, next: func() int { return 1 + rng.IntN(1<<20) }})
	var buf []byte
	i := 0
	for i < len(lengths) {
		blk, err := f.read(buf)
		if err != nil {
			t.Fatal(err)
		}
		for {
			p, ok := blk.next()
			if !ok {
				break
			}
			if len(p) != lengths[i] || bytes.Count(p, []byte{byte(i + 1)}) != len(p) {
				t.Fatalf("packet %d of %d bytes", i, len(p))
			}
			i++
		}
		buf = blk.buf
	}
	if _, err := f.read(buf); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// TestFramerHostile: lengths that are claimed take memory only as the bytes come, and end at the longest packet.
func TestFramerHostile(t *testing.T) {
	endless := func(part int) io.Reader {
		h := []byte{byte(part), byte(part >> 8), byte(part >> 16), 0}
		r, w := io.Pipe()
		go func() {
			body := make([]byte, part)
			for {
				if _, err := w.Write(h); err != nil {
					return
				}
				if _, err := w.Write(body); err != nil {
					return
				}
				h[3]++
			}
		}()
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	f := newFramer(endless(100))
	f.part, f.max = 100, 1<<20
	_, err := f.read(nil)
	wantCode(t, err, codeProtocol, "1048576")

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f = newFramer(&splitReader{b: []byte{0xfe, 0xff, 0xff, 0, 1, 2, 3}, next: func() int { return 1 }, err: io.EOF})
	if _, err = f.read(nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 40<<20 {
		t.Fatalf("%d MiB for a length that was only claimed", n>>20)
	}
	for _, sequence := range [][]byte{{1, 0, 0, 1, 9}, {1, 0, 0, 0, 9, 1, 0, 0, 0, 9}, {3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 5}} {
		f = newFramer(bytes.NewReader(sequence))
		f.part = 3
		var err error
		for err == nil {
			_, err = f.read(nil)
		}
		wantCode(t, err, codeProtocol, "expected")
	}
}

// TestPacketErrors: hostile ERR packets are errors, whatever they lack.
func TestPacketErrors(t *testing.T) {
	full := append(binary.LittleEndian.AppendUint16([]byte{0xff}, 1236), "#HY000purged"...)
	for n := 1; n <= len(full); n++ {
		if err := parseError(full[:n]); err == nil || n >= 9 && serverError(err) != 1236 {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	for _, answer := range [][]byte{{0, 0, 0, 1}, {1, 0, 0, 1, 0}, {1, 0, 0, 1, 0xff}} {
		p := newPacketReader(bytes.NewReader(answer))
		p.reset()
		b, err := p.next()
		if err == nil && b[0] == 0xff {
			err = parseError(b)
		}
		if err == nil && len(b) > 1 {
			t.Fatalf("%x: %x", answer, b)
		}
	}
}
