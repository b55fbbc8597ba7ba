package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampler watches the memory of a process, ten times a second.
type sampler struct {
	pid  int
	stop chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex // guards the rest
	rss, anon int64      // peaks, bytes
}

func newSampler(pid int) *sampler {
	s := &sampler{pid: pid, stop: make(chan struct{})}
	s.wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				s.sample()
			}
		}
	})
	return s
}

func (s *sampler) sample() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return
	}
	rss, anon := statusBytes(string(b), "VmRSS:"), statusBytes(string(b), "RssAnon:")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rss, s.anon = max(s.rss, rss), max(s.anon, anon)
}

// reset begins anew, after a part that does not count.
func (s *sampler) reset() {
	s.mu.Lock()
	s.rss, s.anon = 0, 0
	s.mu.Unlock()
	s.sample()
}

func (s *sampler) peaks() (rss, anon int64) {
	s.sample()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rss, s.anon
}

func (s *sampler) close() {
	close(s.stop)
	s.wg.Wait()
}

// statusBytes finds a line like "VmRSS:   1234 kB".
func statusBytes(text, key string) int64 {
	_, rest, ok := strings.Cut(text, "\n"+key)
	if !ok {
		return 0
	}
	f := strings.Fields(rest)
	n, _ := strconv.ParseInt(f[0], 10, 64)
	return n << 10
}

// cpuSeconds is the user and system time of all threads of a process, living and ended, in steps of 10 ms.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses; utime and stime are the 14th and 15th.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	sys, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %s", pid, b)
	}
	const ticks = 100 // USER_HZ, the same on all architectures of Go
	return float64(user+sys) / ticks, nil
}
