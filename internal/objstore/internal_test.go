package objstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	for n := 1; n < 40; n++ {
		for _, throttled := range []bool{false, true} {
			low := backoff(n, throttled, func() float64 { return 0 })
			high := backoff(n, throttled, func() float64 { return 1 })
			if low <= 0 || high != 2*low || high > backoffMax {
				t.Errorf("%d: %v to %v", n, low, high)
			}
		}
	}
	if d := backoff(3, false, func() float64 { return 1 }); d != 4*backoffBase {
		t.Errorf("third: %v", d)
	}
}

// TestPartSizes: all of S3's parts together hold its largest object.
func TestPartSizes(t *testing.T) {
	var sum int64
	for n := 1; n <= maxParts; n++ {
		size := partSize(defaultPartSize, n)
		if size > 5<<30 {
			t.Fatalf("part %d has %d bytes", n, size)
		}
		sum += size
	}
	if sum < 5<<40 {
		t.Fatalf("together %d bytes", sum)
	}
}

func TestChunkBuf(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var b chunkBuf
	var want []byte
	for len(want) < 3*chunkSize+17 {
		p := make([]byte, rnd.IntN(100_000)>>rnd.IntN(14))
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		b.write(p)
		want = append(want, p...)
	}
	r := b.reader()
	for range 2 {
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d: %v", len(got), len(want), err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	b.release()
	if b.size != 0 || b.chunks != nil {
		t.Fatal("not released")
	}
}

// TestHeldBody: memory that was lent is not read after it was taken back.
func TestHeldBody(t *testing.T) {
	b := &heldBody{r: bytes.NewReader([]byte("record"))}
	p := make([]byte, 3)
	if n, err := b.Read(p); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	b.letGo()
	if n, err := b.Read(p); n != 0 || !errors.Is(err, errBodyGone) {
		t.Fatal(n, err)
	}
}

// fakeFetcher serves ranges from memory.
type fakeFetcher struct {
	body []byte
	fail error
	gets []int64 // pairs of offset and length
}

func (f *fakeFetcher) fetchRange(_ context.Context, _ Info, off int64, p []byte) error {
	f.gets = append(f.gets, off, int64(len(p)))
	if f.fail != nil {
		return f.fail
	}
	copy(p, f.body[off:])
	return nil
}

// TestReadAhead: a sequential reader with small reads needs few requests, and fetches no byte
// twice; one that jumps about fetches little.
func TestReadAhead(t *testing.T) {
	body := make([]byte, 32<<20)
	src := &fakeFetcher{body: body}
	f := newRangeFile(t.Context(), src, Info{Size: int64(len(body))})
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 16<<10)); err != nil {
		t.Fatal(err)
	}
	var fetched int64
	for i := 1; i < len(src.gets); i += 2 {
		fetched += src.gets[i]
	}
	if n := len(src.gets) / 2; n > 25 || fetched != int64(len(body)) {
		t.Errorf("%d requests for %d bytes: %v", n, fetched, src.gets)
	}

	src = &fakeFetcher{body: body}
	f = newRangeFile(t.Context(), src, Info{Size: int64(len(body))})
	for i := range 8 { // columns side by side
		for j := range 8 {
			if _, err := f.ReadAt(make([]byte, 10<<10), int64(i*3<<20+j*10<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(src.gets) / 2; n != 8 {
		t.Errorf("%d requests: %v", n, src.gets)
	}
}

// TestReadAgainAfterFailure: a window that could not be fetched is not remembered.
func TestReadAgainAfterFailure(t *testing.T) {
	src := &fakeFetcher{body: make([]byte, 5<<20), fail: errors.New("no")}
	f := newRangeFile(t.Context(), src, Info{Size: 5 << 20})
	for _, off := range []int64{0, 5<<20 - 8} {
		if _, err := f.ReadAt(make([]byte, 8), off); !errors.Is(err, src.fail) {
			t.Fatal(err)
		}
	}
	src.fail = nil
	for _, off := range []int64{0, 5<<20 - 8} {
		if _, err := f.ReadAt(make([]byte, 8), off); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStall: a peer that vanished is noticed; one that is slow is not disturbed.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &stallConn{Conn: ours, start: time.Now()}
		defer c.Close()
		go func() {
			for range 10 {
				time.Sleep(stallTimeout / 2)
				if _, err := theirs.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		p := make([]byte, 1)
		for range 10 {
			if _, err := c.Read(p); err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
		slow := time.Since(start)
		_, err := c.Read(p)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || time.Since(start)-slow > stallTimeout {
			t.Fatalf("after %v: %v", time.Since(start)-slow, err)
		}
	})
}

// TestStamp: two writes within one tick of the kernel's clock differ.
func TestStamp(t *testing.T) {
	last := stamp()
	for range 1000 {
		next := stamp()
		if !next.After(last) {
			t.Fatalf("%v after %v", next, last)
		}
		last = next
	}
}
