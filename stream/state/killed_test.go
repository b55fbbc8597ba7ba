package state

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

const killedEnv = "STATE_TEST_KILLED_DIR"

// TestKilled runs a process that completes checkpoints as fast as it can, with merging beside them, kills it at a random
// moment, and expects exactly a checkpoint that is not older than the last one it reported. Again and again in the same
// directory.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedEnv); dir != "" {
		completeForever(t, dir)
		return
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("STATE_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("STATE_TEST_SEED=%d", seed)
	x := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	last := 0
	for range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Killed after so many checkpoints and a little more: the moment falls anywhere within a checkpoint or a merge.
		left := 1 + x.IntN(40)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if k, err := strconv.Atoi(lines.Text()); err == nil {
				last = k
			}
			if left--; left == 0 {
				time.AfterFunc(time.Duration(x.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait()
		if left > 0 {
			t.Fatal("the process ended by itself")
		}
		s := mustOpen(t, dir, allGroups, true)
		if s.Fresh() {
			t.Fatalf("fresh: %s", s.FreshReason())
		}
		_ = s.Close()
		k := checkConsistent(t, dir)
		if k < last || k > last+1 {
			t.Fatalf("as of %d, after %d was reported", k, last)
		}
	}
}

func completeForever(t *testing.T, dir string) {
	s := mustOpen(t, dir, allGroups, false)
	tab := s.Table(ordersID, true)
	k := 0
	if m := tab.Meta(); m != nil {
		if _, err := fmt.Sscanf(string(m), "as of %d", &k); err != nil {
			t.Fatal(err)
		}
	}
	for {
		k++
		mustPut(tab, 0, 10*k, uint32(k))
		s.Seal(uint64(k))
		if err := s.Complete(uint64(k), map[cdc.TableID][]byte{ordersID: fmt.Appendf(nil, "as of %d", k)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println(k)
	}
}
