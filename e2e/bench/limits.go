package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// limit is what the machine can do at most, in one thread, at what a stage does.
type limit struct {
	name   string
	values []extra
}

func (l limit) line() string {
	var b strings.Builder
	b.WriteString("LIMIT name=" + l.name)
	for _, v := range l.values {
		fmt.Fprintf(&b, " %s=%s", v.key, number(v.value, 3))
	}
	return b.String()
}

// runLimits prints limits: the best of some tries each, so that what else runs on the machine shows least.
func runLimits(ctx context.Context, l *lab) (*result, error) {
	l.say("limits of one thread")
	for _, f := range []func() (limit, error){limitCopy, limitRandom, limitTouch, limitCRC, limitZstd, limitTCP, func() (limit, error) { return limitPut(ctx, l) }} {
		x, err := f()
		if err != nil {
			return nil, err
		}
		fmt.Println(x.line())
	}
	return nil, nil
}

// best returns the least CPU seconds of so many tries.
func best(tries int, f func()) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := 0.0
	for i := range tries {
		begin := threadSeconds()
		f()
		if s := threadSeconds() - begin; i == 0 || s < least {
			least = s
		}
	}
	return least
}

// far is larger than any cache.
const far = 256 << 20

// limitCopy copies memory that no cache holds, and memory that the nearest two do.
func limitCopy() (limit, error) {
	from, to := make([]byte, far), make([]byte, far)
	copy(to, from) // touches all
	memory := best(5, func() { copy(to, from) })
	const near = 256 << 10
	cache := best(5, func() {
		for range far / near {
			copy(to[:near], from[:near])
		}
	})
	return limit{"copy", []extra{{"gb_per_s", far / memory / 1e9}, {"in_cache_gb_per_s", far / cache / 1e9}}}, nil
}

// limitRandom follows one cycle through all of a large array, where each access waits for the one before, and eight that do not wait for
// each other, as look-ups in batches.
func limitRandom() (limit, error) {
	const n = far / 4
	next := make([]uint32, n)
	for i := range next {
		next[i] = uint32(i)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := uint32(n - 1); i > 0; i-- { // Sattolo: a single cycle
		j := rnd.Uint32N(i)
		next[i], next[j] = next[j], next[i]
	}
	const steps = 4 << 20
	at := uint32(0)
	alone := best(3, func() {
		for range steps {
			at = next[at]
		}
	})
	var p [8]uint32
	for i := range p {
		p[i] = rnd.Uint32N(n)
	}
	together := best(3, func() {
		a, b, c, d, e, f, g, h := p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
		for range steps / 8 {
			a, b, c, d, e, f, g, h = next[a], next[b], next[c], next[d], next[e], next[f], next[g], next[h]
		}
		p = [8]uint32{a, b, c, d, e, f, g, h}
	})
	runtime.KeepAlive(at + p[0]) // or the compiler may leave it all out
	return limit{"random", []extra{{"ns", alone / steps * 1e9}, {"eight_at_once_ns", together / steps * 1e9}}}, nil
}

// limitTouch asks the system for memory, and touches each page once.
func limitTouch() (limit, error) {
	const n = 64 << 20
	var failed error
	page := syscall.Getpagesize()
	least := 0.0
	for i := range 5 {
		b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return limit{}, fmt.Errorf("mmap: %w", err)
		}
		s := best(1, func() {
			for i := 0; i < n; i += page {
				b[i] = 1
			}
		})
		if i == 0 || s < least {
			least = s
		}
		if err := syscall.Munmap(b); err != nil {
			failed = err
		}
	}
	return limit{"touch", []extra{{"us_per_page", least / float64(n/page) * 1e6}, {"page_bytes", float64(page)}}}, failed
}

// limitCRC is the checksum of events.
func limitCRC() (limit, error) {
	b := make([]byte, 64<<10)
	const times = 4096
	sum := uint32(0)
	large := best(5, func() {
		for range times {
			sum += crc32.ChecksumIEEE(b)
		}
	})
	small := best(5, func() {
		for range times * len(b) / 100 {
			sum += crc32.ChecksumIEEE(b[:100])
		}
	})
	runtime.KeepAlive(sum)
	total := float64(times * len(b))
	return limit{"crc32", []extra{{"gb_per_s", total / large / 1e9}, {"events_of_100_bytes_ns", small / (total / 100) * 1e9}}}, nil
}

// limitPut is what a request costs the client, beside the server's work.
func limitPut(ctx context.Context, l *lab) (limit, error) {
	store, err := objstore.Open(ctx, "s3://"+l.s3.Bucket+"/limits", objstore.Config{Endpoint: l.s3.Endpoint, Region: l.s3.Region, AccessKey: l.s3.AccessKey,
		SecretKey: objstore.Secret(l.s3.SecretKey)})
	if err != nil {
		return limit{}, err
	}
	const puts = 1000
	body := make([]byte, 1<<10)
	least, wall := 0.0, 0.0
	for i := range 4 { // the first one opens the connection
		before, begin := processSeconds(), time.Now()
		for range puts {
			if err := store.Put(ctx, "x", body); err != nil {
				return limit{}, err
			}
		}
		if s := processSeconds() - before; i > 0 && (least == 0 || s < least) {
			least, wall = s, time.Since(begin).Seconds()
		}
	}
	return limit{"put", []extra{{"cpu_us", least / puts * 1e6}, {"wall_us", wall / puts * 1e6}, {"bytes", float64(len(body))}}}, nil
}

// processSeconds is the CPU that this process has used.
func processSeconds() float64 { return cpuOf(syscall.RUSAGE_SELF) }

func cpuOf(who int) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // it cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
