package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/replctl/replicate/internal/clock"
)

// Times of a connection that waits for something from the server.
const (
	hangUpTimeout = time.Second

	listenPatience = 15 * time.Second // without a notification, until it asks whether the server is there
	pingTimeout    = 5 * time.Second

	reconnectFirst = 100 * time.Millisecond
	reconnectLast  = 10 * time.Second
)

// listener is the one connection that listens for all watches of a store. It is there
// while there are any.
type listener struct {
	connect func(ctx context.Context, name string) (*pgx.Conn, error)
	channel string

	mu      sync.Mutex
	waiters map[chan struct{}]string // prefixes
	now     *listening               // nil if nobody waits
}

// listening is the time from the first watch to the last one.
type listening struct {
	stop  context.CancelFunc
	begun chan struct{} // closed when it has listened for the first time, or failed to
	err   error         // why it failed to
}

func (l *listener) notify(ctx context.Context, prefix string) (<-chan struct{}, error) {
	hints := make(chan struct{}, 1)
	now := l.add(hints, prefix)
	var err error
	select {
	case <-now.begun:
		err = now.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		l.remove(hints)
		return nil, err
	}
	context.AfterFunc(ctx, func() { l.remove(hints) })
	return hints, nil
}

func (l *listener) add(hints chan struct{}, prefix string) *listening {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters == nil {
		l.waiters = map[chan struct{}]string{}
	}
	l.waiters[hints] = prefix
	if l.now == nil {
		ctx, stop := context.WithCancel(context.Background())
		l.now = &listening{stop: stop, begun: make(chan struct{})}
		go l.run(ctx, l.now)
	}
	return l.now
}

func (l *listener) remove(hints chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.waiters[hints]; !ok {
		return
	}
	delete(l.waiters, hints)
	close(hints)
	if len(l.waiters) == 0 && l.now != nil {
		l.now.stop()
		l.now = nil
	}
}

func (l *listener) close() {
	l.mu.Lock()
	var all []chan struct{}
	for hints := range l.waiters {
		all = append(all, hints)
	}
	l.mu.Unlock()
	for _, hints := range all {
		l.remove(hints)
	}
}

// run listens until it is stopped. If it cannot begin, it says why and ends; after that it
// connects again, however often.
func (l *listener) run(ctx context.Context, now *listening) {
	conn, err := l.listen(ctx)
	if err != nil {
		l.mu.Lock()
		if l.now == now {
			l.now = nil // the next watch tries anew
		}
		l.mu.Unlock()
		now.err = err
	}
	close(now.begun)
	for pause := reconnectFirst; err == nil || now.err == nil; {
		if err == nil {
			pause = reconnectFirst
			_ = l.receive(ctx, conn)
			hangUp(ctx, conn)
		}
		if clock.System.Sleep(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, reconnectLast)
		if conn, err = l.listen(ctx); err == nil {
			l.hint(func(string) bool { return true }) // what was missed
		}
	}
}

func (l *listener) listen(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pingTimeout)
	defer cancel()
	conn, err := l.connect(ctx, "replicate watch")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `LISTEN "`+l.channel+`"`); err != nil {
		hangUp(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// receive passes on notifications until the connection is lost.
func (l *listener) receive(ctx context.Context, conn *pgx.Conn) error {
	for {
		key, err := await(ctx, conn, listenPatience)
		if err != nil {
			return err
		}
		if key != "" {
			l.hint(func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		}
	}
}

// await waits for a notification, and returns what it says; if there is none in time, it
// asks whether the server is there, and returns nothing.
func await(ctx context.Context, conn *pgx.Conn, patience time.Duration) (string, error) {
	waitCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := conn.WaitForNotification(waitCtx)
	switch {
	case err == nil:
		return n.Payload, nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case waitCtx.Err() == nil || conn.IsClosed():
		return "", err
	}
	pingCtx, cancel := context.WithTimeoutCause(ctx, min(patience, pingTimeout), errors.New("the server does not answer"))
	defer cancel()
	if err := conn.Ping(pingCtx); err != nil {
		return "", err
	}
	return "", nil
}

// hint leaves a hint for the watches with such prefixes, unless they have one.
func (l *listener) hint(concerns func(prefix string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for hints, prefix := range l.waiters {
		if !concerns(prefix) {
			continue
		}
		select {
		case hints <- struct{}{}:
		default:
		}
	}
}
