package cdc

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(Meter)
		expect := func(busy, idle, blocked time.Duration) {
			t.Helper()
			if b, i, l := m.Read(); b != busy || i != idle || l != blocked {
				t.Errorf("busy %s, idle %s, blocked %s; want %s, %s, %s", b, i, l, busy, idle, blocked)
			}
		}
		time.Sleep(time.Hour) // not running
		expect(0, 0, 0)
		m.Enter(Idle)
		time.Sleep(3 * time.Second)
		expect(0, 3*time.Second, 0) // the present state counts
		time.Sleep(time.Second)
		m.Enter(Busy)
		m.Enter(Busy)
		time.Sleep(2 * time.Second)
		m.Enter(Blocked)
		time.Sleep(7 * time.Second)
		m.Stop()
		time.Sleep(time.Hour)
		expect(2*time.Second, 4*time.Second, 7*time.Second)
		m.Enter(Busy) // the next generation
		time.Sleep(time.Second)
		expect(3*time.Second, 4*time.Second, 7*time.Second)
	})
	var none *Meter
	none.Enter(Busy)
	none.Stop()
	if b, _, _ := none.Read(); b != 0 {
		t.Error(b)
	}
	if MeterFunc(nil).Of("x", 0) != nil {
		t.Error("a meter of nobody")
	}
}

func BenchmarkMeterEnter(b *testing.B) {
	m := new(Meter)
	for b.Loop() {
		m.Enter(Busy)
	}
}
