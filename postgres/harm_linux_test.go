//go:build realservers

package postgres_test

import (
	"context"
	mathrand "math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// harm does everything that a chapter has, in an order of its own.
func (c *chapter) harm(r *mathrand.Rand) {
	var all []func(*mathrand.Rand)
	for range tortureKills {
		all = append(all, c.killBackend)
	}
	for range tortureCrash {
		all = append(all, c.crash)
	}
	all = append(all, c.fullTables, c.fullLog, c.answersLost, c.silence)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, harm := range all {
		harm(r)
		pauseFor(20+r.IntN(60), time.Millisecond)
	}
	pauseFor(300, time.Millisecond) // what is whole again works
}

func pauseFor(n int, unit time.Duration) { time.Sleep(time.Duration(n) * unit) }

// killBackend ends a connection of a client, one in the middle of a statement if there is any.
func (c *chapter) killBackend(*mathrand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	for {
		killed := false
		conn, err := pgx.Connect(ctx, c.server.URL("application_name=operator"))
		if err == nil {
			err = conn.QueryRow(ctx, "SELECT coalesce((SELECT pg_terminate_backend(pid) FROM pg_stat_activity "+
				"WHERE application_name = 'tortured' ORDER BY state = 'active' DESC, random() LIMIT 1), false)").Scan(&killed)
			conn.Close(ctx)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if killed {
			c.kills++
			return
		}
		pauseFor(10, time.Millisecond) // the clients are not back yet
	}
}

// crash kills the server, and starts it again.
func (c *chapter) crash(r *mathrand.Rand) {
	c.server.Kill(c.t)
	pauseFor(r.IntN(100), time.Millisecond)
	c.server.Run(c.t)
	c.crashes++
}

// fullTables lets no table grow, while the log goes on: statements fail.
func (c *chapter) fullTables(r *mathrand.Rand) {
	c.server.LimitFiles(c.t, 16<<20)
	pauseFor(300+r.IntN(300), time.Millisecond)
	c.server.LimitFiles(c.t, -1)
	c.full++
}

// fullLog lets the log not grow: the server gives up, and the operator makes room.
func (c *chapter) fullLog(r *mathrand.Rand) {
	c.server.LimitFiles(c.t, 0)
	for end := time.Now().Add(3 * time.Second); c.server.Running() && time.Now().Before(end); {
		pauseFor(10, time.Millisecond)
	}
	c.full++
	if c.server.Running() {
		c.server.LimitFiles(c.t, -1)
		return
	}
	c.panics++
	c.crash(r)
	c.crashes-- // its own doing
}

// answersLost cuts the network behind writes that the server still gets.
func (c *chapter) answersLost(r *mathrand.Rand) {
	c.net.cut.Store(oneWay)
	pauseFor(500+r.IntN(1000), time.Millisecond)
	c.net.cut.Store(whole)
	c.cuts++
}

// silence passes nothing on, for longer than a client waits, and then what was held back.
func (c *chapter) silence(r *mathrand.Rand) {
	c.net.cut.Store(silent)
	time.Sleep(callTimeout + time.Duration(r.IntN(500))*time.Millisecond)
	c.net.cut.Store(whole)
	c.cuts++
}
