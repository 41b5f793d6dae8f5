package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/replctl/replicate/lease"
)

// How a holder of a lock finds out that it has lost it: by the connection's end, at once, or
// by a silence, askEvery + askTimeout after the last answer. Both together are less than
// keepaliveIdle, before which the server does not give the lock to anybody else.
const (
	askEvery       = 2 * time.Second
	askTimeout     = 2 * time.Second // see await
	releaseTimeout = 3 * time.Second
)

// held is a lock that is held.
type held struct {
	conn  *pgx.Conn
	id    int64
	fence int64

	ctx     context.Context
	lose    context.CancelCauseFunc
	stop    context.CancelFunc // of the watch
	watched chan struct{}      // closed when the watch has ended
	release func(context.Context) error
}

// hold watches over a lock until it is released.
func hold(ctx context.Context, conn *pgx.Conn, id, fence int64) *held {
	h := &held{conn: conn, id: id, fence: fence, watched: make(chan struct{})}
	base := context.WithoutCancel(ctx)
	h.ctx, h.lose = context.WithCancelCause(base)
	watchCtx, stop := context.WithCancel(base)
	h.stop = stop
	var once sync.Once
	var result error
	h.release = func(ctx context.Context) error {
		once.Do(func() { result = h.end(ctx) })
		return result
	}
	go h.watch(watchCtx)
	return h
}

// Context implements config.HeldLock: it ends when the lock is lost or released. Its cause
// is lease.ErrLost or lease.ErrReleased.
func (h *held) Context() context.Context { return h.ctx }

// Fence implements config.HeldLock.
func (h *held) Fence() int64 { return h.fence }

// Release implements config.HeldLock. It takes 3 seconds at most, also if ctx has ended.
// If the lock was lost before, the error is lease.ErrLost.
func (h *held) Release(ctx context.Context) error { return h.release(ctx) }

func (h *held) watch(ctx context.Context) {
	defer close(h.watched)
	for {
		if _, err := await(ctx, h.conn, askEvery); ctx.Err() != nil {
			return
		} else if err != nil {
			h.lose(fmt.Errorf("%w: the connection is gone: %w", lease.ErrLost, err))
			return
		}
	}
}

func (h *held) end(ctx context.Context) error {
	h.stop()
	<-h.watched
	h.lose(lease.ErrReleased) // whoever works under it ends before another has the lock
	err := unlock(ctx, h.conn, h.id)
	hangUp(ctx, h.conn)
	if err != nil {
		return fmt.Errorf("release advisory lock: %w: %w", lease.ErrLost, err)
	}
	return nil
}
