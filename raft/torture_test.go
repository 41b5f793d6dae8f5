package raft_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/tally"
	"github.com/replctl/replicate/raft"
)

const (
	tortureSeed     = 16
	tortureClients  = 6
	chapterRounds   = 11
	tortureChapters = 20 // of the whole
)

// tortureHeartbeat is short, but not so short that a slow machine finds no leader.
var tortureHeartbeat = race.Pick(200*time.Millisecond, 2*time.Second)

// TestTorture: clients increment a record by all nodes, and contenders take a lease in turns, while nodes are
// killed, cut off, stopped for a while, lose their disks or find them slow, and leave. One chapter by default, all with
// REPLICATE_RAFTTORTURE=full (make rafttorture).
func TestTorture(t *testing.T) {
	chapters := 1
	if os.Getenv("REPLICATE_RAFTTORTURE") == "full" {
		chapters = tortureChapters
	}
	w := &wrecker{t: t, done: map[string]int{}}
	c := rafttest.Start(t, rafttest.Options{Change: func(i int, cfg *raft.Config) {
		cfg.Heartbeat, cfg.SnapshotEvery, cfg.Trailing = tortureHeartbeat, 64, 32
		raft.SlowDisk(cfg, func() { time.Sleep(time.Duration(w.slow[i].Load())) })
	}})
	w.c = c
	var all tally.Figures
	turns := 0 // of the lease
	for n := range chapters {
		w.rand, w.key = rand.New(rand.NewPCG(tortureSeed, uint64(n))), fmt.Sprint("tally/", n)
		stores := []cas.Store{onNode{c, 0, raft.Strong}, onNode{c, 1, raft.Strong}, onNode{c, 2, raft.Strong}}
		start, r := time.Now(), rand.New(rand.NewPCG(tortureSeed, uint64(n)))
		endBout := contend(t, stores, fmt.Sprint("lease/", n), uint64(n))
		f := tally.Run(t, tally.Options{Stores: stores, Clients: tortureClients, Key: w.key, Rand: r}, w.chapter)
		all.Add(f)
		turns += endBout()
		t.Logf("chapter %d, %v: %v", n, time.Since(start).Round(time.Millisecond), f)
		if t.Failed() {
			return
		}
	}
	slices.Sort(w.recovered)
	t.Logf("in all: %v; %v; the lease changed hands %d times", w.done, all, turns)
	t.Logf("until the next write, heartbeat %v: median %v, 9 of 10 %v, longest %v", tortureHeartbeat,
		w.recovered[len(w.recovered)/2], w.recovered[len(w.recovered)*9/10], w.recovered[len(w.recovered)-1])
}

// wrecker does harm to a cluster, one thing after the other, and waits each time until writes go on.
type wrecker struct {
	t    *testing.T
	c    *rafttest.Cluster
	key  string
	rand *rand.Rand
	slow [3]atomic.Int64 // how long a write of a node's log takes, ns

	done      map[string]int
	went      time.Time // when writes were last seen to go on
	recovered []time.Duration
}

func (w *wrecker) chapter() {
	stop := make(chan struct{})
	var watching sync.WaitGroup
	for i := range w.c.Size() {
		watching.Go(func() { w.watch(i, stop) })
	}
	defer watching.Wait()
	defer close(stop)
	harms := []string{"kill leader", "kill other", "cut leader", "cut other", "stop leader", "stop other", "lose disk",
		"leave", "restart all", "snapshot", "slow disk"}
	w.rand.Shuffle(len(harms), func(i, j int) { harms[i], harms[j] = harms[j], harms[i] })
	for round := range chapterRounds {
		harm := harms[round%len(harms)]
		w.progress() // and there is a leader
		began := time.Now()
		w.harm(harm)
		w.done[harm]++
		w.progress()
		if harm == "kill leader" || harm == "cut leader" {
			w.recovered = append(w.recovered, w.went.Sub(began).Round(time.Millisecond))
		}
		w.repair()
	}
	w.progress()
}

// victim is the leader, or another node.
func (w *wrecker) victim(leader bool) int {
	at := -1
	eventually(w.t, "a node leads", func() bool { at = w.c.Leader(); return at >= 0 })
	if leader {
		return at
	}
	return (at + 1 + w.rand.IntN(w.c.Size()-1)) % w.c.Size()
}

func (w *wrecker) harm(what string) {
	leader := what == "kill leader" || what == "cut leader" || what == "stop leader"
	i := w.victim(leader)
	switch what {
	case "kill leader", "kill other":
		w.c.Kill(i)
	case "cut leader", "cut other":
		w.c.Network.Cut(rafttest.ID(i))
	case "stop leader", "stop other":
		w.c.Network.Stall(rafttest.ID(i), time.Duration(1+w.rand.IntN(5))*tortureHeartbeat)
	case "slow disk":
		w.slow[w.rand.IntN(w.c.Size())].Store(int64(tortureHeartbeat) / int64(1+w.rand.IntN(4)))
	case "lose disk":
		w.c.Lose(i)
	case "leave":
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for w.c.Node(w.victim(true)).Leave(ctx, rafttest.ID(i)) != nil && ctx.Err() == nil { // the answer may be lost
			s, err := w.c.Node(w.victim(true)).Status()
			if err == nil && !slices.ContainsFunc(s.Members, func(m raft.Member) bool { return m.ID == rafttest.ID(i) }) {
				break
			}
		}
		w.c.Lose(i)
	case "restart all":
		for j := range w.c.Size() {
			w.c.Kill(j)
		}
		w.repair()
	case "snapshot":
		err := w.c.Node(i).Snapshot(context.Background(), new(bytes.Buffer))
		if err != nil {
			w.t.Logf("snapshot: %v", err)
		}
	}
}

// repair has all nodes run, and be voters.
func (w *wrecker) repair() {
	w.c.Network.Heal()
	for i := range w.c.Size() {
		w.slow[i].Store(0)
		if w.c.Node(i) == nil {
			w.c.Open(i)
		}
	}
	w.c.WaitVoters()
}

// progress waits until the clients have written something. It asks all nodes at once, since one that is
// cut off does not answer.
func (w *wrecker) progress() {
	w.t.Helper()
	defer func() {
		for i := range w.c.Size() {
			if n := w.c.Node(i); w.t.Failed() && n != nil {
				s, err := n.Status()
				w.t.Logf("node %d: %+v, %v", i, s, err)
			}
		}
	}()
	var first, last atomic.Int64
	first.Store(-1)
	stop := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer close(stop)
	for i := range w.c.Size() {
		asking.Go(func() {
			follow(onNode{w.c, i, raft.Strong}, w.key, stop, func(n int64) {
				first.CompareAndSwap(-1, n)
				last.Store(max(last.Load(), n))
			})
		})
	}
	eventually(w.t, "writes go on", func() bool { return first.Load() >= 0 && last.Load() > first.Load() })
	w.went = time.Now()
}

// watch checks that eventual reads of a node never go back.
func (w *wrecker) watch(i int, stop <-chan struct{}) {
	last := int64(0)
	follow(onNode{w.c, i, raft.Eventual}, w.key, stop, func(n int64) {
		if n < last {
			w.t.Errorf("node %d: an eventual read goes back from %d to %d", i, last, n)
		}
		last = max(last, n)
	})
}

// follow reads the sum of the record that the clients increment, again and again.
func follow(s cas.Store, key string, stop <-chan struct{}, see func(int64)) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(3 * time.Millisecond):
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		r, err := s.Read(ctx, key, "")
		cancel()
		var v struct{ Count int64 }
		if err == nil && r.Exists() {
			err = json.Unmarshal(r.Value, &v)
		}
		if err == nil {
			see(v.Count)
		}
	}
}

// onNode is the records of a node, whichever process it is at the moment.
type onNode struct {
	c    *rafttest.Cluster
	i    int
	read raft.Read
}

var errDown = errors.New("the node is down")

func (o onNode) records() (*raft.Records, error) {
	n := o.c.Node(o.i)
	if n == nil {
		return nil, errDown
	}
	return n.With(raft.Options{Read: o.read})
}

// Read implements [cas.Store].
func (o onNode) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	s, err := o.records()
	if err != nil {
		return cas.Record{}, err
	}
	return s.Read(ctx, key, known)
}

// Write implements [cas.Store].
func (o onNode) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	s, err := o.records()
	if err != nil {
		return cas.Written{}, err
	}
	return s.Write(ctx, key, value, expect)
}

// List implements [cas.Store].
func (o onNode) List(context.Context, string, string) iter.Seq2[cas.Entry, error] { panic("not used") }
