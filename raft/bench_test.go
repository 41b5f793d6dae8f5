package raft_test

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// measure runs an operation by some clients at once, and reports its rate and latencies.
func measure(b *testing.B, clients int, op func(client, n int) error) {
	b.Helper()
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var running sync.WaitGroup
	b.ResetTimer()
	for client := range clients {
		running.Go(func() {
			for n := int(next.Add(1)); n <= b.N; n = int(next.Add(1)) {
				began := time.Now()
				if err := op(client, n); err != nil {
					b.Error(err)
					return
				}
				took := time.Since(began)
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkNodes: three nodes in this process; each client writes records of its own, or reads one.
func BenchmarkNodes(b *testing.B) {
	c := rafttest.Start(b, rafttest.Options{})
	leader := c.Leader()
	for where, node := range map[string]int{"leader": leader, "follower": (leader + 1) % 3} {
		for _, clients := range []int{1, 16, 64} {
			s := c.Records(b, node, raft.Options{Prefix: fmt.Sprintf("%s-%d/", where, clients)})
			tokens := make([]cas.Token, clients)
			b.Run(fmt.Sprintf("write/%s/%d", where, clients), func(b *testing.B) {
				measure(b, clients, func(client, _ int) error {
					w, err := s.Write(b.Context(), fmt.Sprint(client), make([]byte, 200), tokens[client])
					tokens[client] = w.Token
					return err
				})
			})
			b.Run(fmt.Sprintf("read/%s/%d", where, clients), func(b *testing.B) {
				measure(b, clients, func(client, _ int) error {
					_, err := s.Read(b.Context(), fmt.Sprint(client), "")
					return err
				})
			})
		}
	}
}

// BenchmarkBare: three nodes of hashicorp/raft alone, on the same store, with a state machine
// that does nothing.
func BenchmarkBare(b *testing.B) {
	var servers []hraft.Server
	var nodes []*hraft.Raft
	for i := range 3 {
		cfg := hraft.DefaultConfig()
		cfg.LocalID, cfg.Logger = hraft.ServerID(fmt.Sprint(i)), hclog.NewNullLogger()
		store, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(b.TempDir(), "log.db"),
			BoltOptions: &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true}}) // as a Node has it
		if err != nil {
			b.Fatal(err)
		}
		trans, err := hraft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, cfg.Logger)
		if err != nil {
			b.Fatal(err)
		}
		servers = append(servers, hraft.Server{ID: cfg.LocalID, Address: trans.LocalAddr()})
		n, err := hraft.NewRaft(cfg, idle{}, store, store, hraft.NewInmemSnapshotStore(), trans)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = n.Shutdown().Error() })
		nodes = append(nodes, n)
	}
	if err := nodes[0].BootstrapCluster(hraft.Configuration{Servers: servers}).Error(); err != nil {
		b.Fatal(err)
	}
	var leader *hraft.Raft
	for leader == nil {
		for _, n := range nodes {
			if n.State() == hraft.Leader {
				leader = n
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("write/leader/%d", clients), func(b *testing.B) {
			measure(b, clients, func(int, int) error { return leader.Apply(make([]byte, 230), time.Minute).Error() })
		})
	}
}

// idle is a state machine without a state.
type idle struct{}

func (idle) Apply(*hraft.Log) any                 { return nil }
func (idle) Snapshot() (hraft.FSMSnapshot, error) { return nil, hraft.ErrNothingNewToSnapshot }
func (idle) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }
