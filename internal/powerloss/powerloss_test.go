//go:build powerloss && linux

// Package powerloss tests what a power loss leaves. A child process runs a script of
// operations of the file engine, of restore or of the lease under strace. The recorded
// system calls are replayed onto a model of a disk, which at each moment may have lost
// whatever no fsync has made durable: any set of directory entries, sizes, times, attributes
// and 512-byte sectors (the first model), or, as with a journal, all names and sizes after
// some moment and any sectors (the second). Each such state is made in a directory, and a
// fresh process's view of it is judged: what was acknowledged is there, whole, and nothing half.
//
// The same is done where an fsync fails, and where the child is killed at an fsync and another
// runs the script again. An fsync that is taken out of a recording must be found.
//
// It does not cover: names that move between directories (nothing here does that), a disk that
// loses what it has synced, and a kernel that forgets dirty pages after an fsync that failed.
//
// REPLICATE_POWERLOSS=full (make powerloss) runs all of it; otherwise a sample is drawn.
package powerloss

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/testreplica"
)

// childScenario, in the environment, is what a child runs in the directory that is its argument.
const childScenario = "REPLICATE_POWERLOSS_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childScenario); name != "" {
		runtime.LockOSThread() // strace counts the calls of each thread
		seed, err := strconv.ParseUint(os.Args[2], 10, 64)
		if err != nil {
			panic(err)
		}
		scenarios[name].run(os.Args[1], seed)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func full() bool { return os.Getenv("REPLICATE_POWERLOSS") == "full" }

// newReplay records a scenario once for each injection, one after another on the same tree.
func newReplay(t *testing.T, name string, seed uint64, injections ...string) *replay {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("make powerloss needs strace: ", err)
	}
	for version := range targets {
		t.Setenv(sourceVariable+version, testreplica.Dir(t, version))
	}
	s := scenarios[name]
	root := filepath.Join(t.TempDir(), "root")
	must(t, os.Mkdir(root, 0o700))
	if s.before != nil {
		must(t, s.before(root))
	}
	r := newRecording(t, root)
	for _, inject := range injections {
		r.run(t, name, seed, inject)
	}
	if name == "lease" {
		time.Sleep(leaseTTL) // every lease in the recording has ended
	}
	draw := rand.Uint64()
	t.Logf("script %d, states drawn by %d", seed, draw)
	p := &replay{recording: r, judge: s.judge, scratch: memory(t), rng: rand.New(rand.NewPCG(draw, 1)),
		bound: 8, removed: -1, seen: map[uint64]bool{}}
	if full() {
		p.bound = 1024
	}
	return p
}

// memory is a directory in memory, where that has place for attributes.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "powerloss-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if unix.Setxattr(dir, "user.replicate-probe", []byte("x"), 0) != nil {
		return t.TempDir()
	}
	return dir
}

func (p *replay) report(t *testing.T) {
	t.Helper()
	for _, err := range p.found[:min(len(p.found), 3)] {
		t.Error(err)
	}
	t.Logf("%d calls, %d states", len(p.ops), p.states)
	total += p.states
}

// total is the number of states that were judged, but for those of missing fsyncs.
var total int

// TestPowerLoss: whatever a power loss leaves of a script is right.
func TestPowerLoss(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		scripts := []uint64{0}
		if scenarios[name].drawn {
			for range scriptsDrawn() {
				scripts = append(scripts, 1+rand.Uint64N(1e6))
			}
		}
		for _, seed := range scripts {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				p := newReplay(t, name, seed, "")
				for _, o := range p.ops {
					if o.kind == said && !strings.HasPrefix(o.text, "done ") && !strings.HasPrefix(o.text, "begin ") {
						t.Errorf("without a fault: %s", o.text)
					}
				}
				p.run(t, 0)
				p.report(t)
			})
		}
	}
	t.Logf("%d states", total)
}

func scriptsDrawn() int {
	if full() {
		return 8
	}
	return 1
}

// TestMissingSync: without any one fsync, a power loss leaves something that is wrong. Also
// without one of a script that is run again, because its first run was killed before it had
// made the name of the first directory durable.
func TestMissingSync(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		for run, injections := range [][]string{{""}, {"fsync:signal=KILL:when=1", ""}} {
			if run == 1 && (scenarios[name].before != nil || !full() && name != "records") {
				continue // where something is before, the first fsync is of no new directory
			}
			t.Run(fmt.Sprintf("%s, run %d", name, run+1), func(t *testing.T) {
				p := newReplay(t, name, 0, injections...)
				p.bound, p.first = max(p.bound, 64), true
				p.missing(t)
			})
		}
	}
}

// missing takes one fsync of the last child away at a time.
func (p *replay) missing(t *testing.T) {
	syncs, found := 0, 0
	units := p.units(-1)
	for i, o := range p.ops {
		if o.kind != fsync || i < p.began {
			continue
		}
		syncs++
		if !slices.ContainsFunc(units, func(u unit) bool { return u.durable == i }) {
			continue // everything was durable already
		}
		p.removed, p.found, p.seen = i, nil, map[uint64]bool{}
		p.run(t, i)
		if found++; len(p.found) == 0 {
			t.Errorf("nothing is wrong without call %d: %s", i, p.lines[i])
		}
	}
	t.Logf("%d fsyncs, of which %d make something durable, %d states", syncs, found, p.states)
}

// TestFaultThenPowerLoss: an fsync fails, or the process is killed at it and the script is run
// again by another; then the power is lost.
func TestFaultThenPowerLoss(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		t.Run(name, func(t *testing.T) {
			syncs := 0
			for _, o := range newReplay(t, name, 0, "").ops {
				if o.kind == fsync {
					syncs++
				}
			}
			for n := range syncs {
				for _, fault := range []string{"error=EIO", "signal=KILL"} {
					if !full() && name != "restore replace" && rand.IntN(2*syncs) > 0 {
						continue
					}
					injections := []string{fmt.Sprintf("fsync:%s:when=%d", fault, n+1)}
					if strings.HasPrefix(fault, "signal") {
						injections = append(injections, "")
					}
					t.Run(fmt.Sprintf("%s %d", fault, n+1), func(t *testing.T) {
						p := newReplay(t, name, 0, injections...)
						p.bound = min(p.bound, 64)
						p.run(t, 0)
						p.report(t)
					})
				}
			}
		})
	}
}
