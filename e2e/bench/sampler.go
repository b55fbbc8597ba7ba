package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampleEvery is the time between two looks at a process, and atWork the CPU that it uses in between if it works: waiting for the next
// checkpoint costs less.
const (
	sampleEvery = 100 * time.Millisecond
	atWork      = 0.02
)

// sampler watches the memory and CPU of a process, ten times a second.
type sampler struct {
	pid  int
	stop chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex // guards the rest
	rss, anon int64      // peaks, bytes
	at        time.Time  // of the last sample
	cpu       float64    // used by then
	machine   float64    // that of all processes
	busy      float64    // seconds between samples in which the process worked
	used      float64    // CPU seconds of all processes in these
}

func newSampler(pid int) *sampler {
	s := &sampler{pid: pid, stop: make(chan struct{})}
	s.wg.Go(func() {
		tick := time.NewTicker(sampleEvery)
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
	u, err := usageOf(s.pid)
	if err != nil {
		return
	}
	now, machine := time.Now(), machineSeconds()
	rss, anon := statusBytes(string(b), "VmRSS:"), statusBytes(string(b), "RssAnon:")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rss, s.anon = max(s.rss, rss), max(s.anon, anon)
	took := now.Sub(s.at).Seconds()
	if !s.at.IsZero() && u.cpu-s.cpu >= atWork*took/sampleEvery.Seconds() {
		s.busy += took
		s.used += machine - s.machine
	}
	s.at, s.cpu, s.machine = now, u.cpu, machine
}

// reset begins anew, after a part that does not count.
func (s *sampler) reset() {
	s.mu.Lock()
	s.rss, s.anon, s.at, s.busy, s.used = 0, 0, time.Time{}, 0, 0
	s.mu.Unlock()
	s.sample()
}

func (s *sampler) peaks() (rss, anon int64) {
	s.sample()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rss, s.anon
}

// work returns how long the process worked, and the CPU of all processes in that time, in seconds.
func (s *sampler) work() (busy, machine float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, s.used
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

// ticks of a second in /proc: USER_HZ, the same on all architectures of Go.
const ticks = 100

// usage is what all threads of a process, living and ended, have used.
type usage struct {
	cpu    float64 // user and system time in seconds, in steps of 10 ms
	system float64 // system time alone
	faults float64 // pages that were touched for the first time
}

func (u usage) minus(o usage) usage {
	return usage{u.cpu - o.cpu, u.system - o.system, u.faults - o.faults}
}

func usageOf(pid int) (usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The second field is the program's name in parentheses; minflt is the 10th, utime and stime are the 14th and 15th.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	faults, err3 := strconv.ParseInt(f[7], 10, 64)
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	sys, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return usage{}, fmt.Errorf("/proc/%d/stat: %s", pid, b)
	}
	return usage{float64(user+sys) / ticks, float64(sys) / ticks, float64(faults)}, nil
}

// machineSeconds is the CPU that all processes have used, or that the machine's host took; NaN where it cannot be told.
func machineSeconds() float64 {
	b, _ := os.ReadFile("/proc/stat")
	return parseStat(string(b))
}

// parseStat adds up the first line's user, nice, system, irq, softirq and steal; between them stand idle and iowait.
func parseStat(text string) float64 {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return math.NaN()
	}
	total := int64(0)
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		total += n
	}
	return float64(total) / ticks
}
