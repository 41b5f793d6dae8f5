//go:build realservers

package postgres_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/internal/tally"
	"github.com/replctl/replicate/postgres"
)

const (
	clients       = 16
	tortureKills  = 30 // of backends, in each chapter
	tortureCrash  = 2  // of the server
	tortureSeed   = 15
	callTimeout   = 2 * time.Second
	settleTimeout = 5 * time.Minute // for what is unknown, however slow the machine
)

// TestTorture: clients increment a record while connections, the server, the disk and the network
// break. One chapter by default, ten with REPLICATE_PGTORTURE=full (make pgtorture).
func TestTorture(t *testing.T) {
	chapters := 1
	if os.Getenv("REPLICATE_PGTORTURE") == "full" {
		chapters = 10
	}
	server := pgserver.Start(t, "autovacuum=off", "checkpoint_timeout=30s", "wal_recycle=off")
	net := newNetwork(t, server.Port)
	opts := pgserver.Fresh()
	var stores []cas.Store
	for range 4 {
		url := net.url(server.URL("pool_max_conns=4&connect_timeout=60&application_name=tortured"), server.Port)
		s, err := postgres.Open(t.Context(), url, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	ballast := make([]byte, 1<<20)
	for i := range 17 { // the table is larger than a segment of the log
		_, _ = rand.Read(ballast)
		if _, err := stores[0].Write(t.Context(), fmt.Sprint("ballast/", i), ballast, ""); err != nil {
			t.Fatal(err)
		}
	}
	var all figures
	for n := range chapters {
		c, start := &chapter{t: t, server: server, net: net}, time.Now()
		r := mathrand.New(mathrand.NewPCG(tortureSeed, uint64(n)))
		c.Figures = tally.Run(t, tally.Options{
			Stores: stores, Clients: clients, Key: fmt.Sprint("tally/", n), Rand: r,
			Pad: 4 << 10, // does not fit into the page of the table
		}, func() { c.harm(r) })
		t.Logf("chapter %d, %v: %v", n, time.Since(start).Round(time.Second), &c.figures)
		all.add(&c.figures)
	}
	t.Logf("in all: %v", &all)
	if want := chapters * tortureKills; all.kills != want || all.crashes < chapters*tortureCrash {
		t.Errorf("%d backends killed, want %d; %d crashes", all.kills, want, all.crashes)
	}
	if all.Applied+all.Lost == 0 || all.Acked == 0 {
		t.Error("nothing was acknowledged, or nothing unknown")
	}
}

// figures are what happened.
type figures struct {
	kills, crashes, full, panics, cuts int
	tally.Figures
}

func (f *figures) add(g *figures) {
	f.kills, f.crashes, f.full, f.cuts = f.kills+g.kills, f.crashes+g.crashes, f.full+g.full, f.cuts+g.cuts
	f.panics += g.panics
	f.Add(g.Figures)
}

func (f *figures) String() string {
	return fmt.Sprintf("%d backends killed, %d kill -9 of the server, %d full disks (%d ended the server), %d cuts; %v",
		f.kills, f.crashes, f.full, f.panics, f.cuts, f.Figures)
}

// chapter is the harm done while clients increment one record.
type chapter struct {
	t      *testing.T
	server *pgserver.Server
	net    *network
	figures
}
