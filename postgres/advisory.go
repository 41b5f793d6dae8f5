package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/config"
)

// AdvisoryLocker hands out PostgreSQL's session-level advisory locks. It is a
// config.Locker, and works by itself. It is safe for concurrent use.
//
// A lock belongs to a connection, which it has for itself. If the process dies, the server
// sees the connection close, and the lock is free at once; if the machine or the network
// dies, the server sees it by TCP keepalives, 10 to 16 seconds later. The holder asks the
// server every 2 seconds, and its context ends 5 seconds after the network was cut at the
// latest. So a lock is usually handed over faster than a lease, and a holder that is
// suspended keeps it.
//
// A lock is as good as the server's memory: when the server restarts or fails over all
// locks are gone, and somebody else may have one up to 5 seconds before a holder that is cut
// off has noticed. So each holder has a fencing number, to be passed to whatever can refuse
// a lower one.
//
// The number is the generation of a lease's record, the one which package config has for
// the lock with that key: it goes on where leases have left off, and leases go on where it
// has. A lock is refused while somebody holds that lease. The reverse does not hold: whoever
// locks by leases does not see the advisory lock, so that all have to use one way.
//
// A pooler in transaction mode gives each statement another session, in which the lock
// is not. TryLock finds that out and refuses.
type AdvisoryLocker struct {
	// Owner is this holder's name, for people; lease.DefaultOwner if empty.
	Owner string

	store *Store
}

var _ config.Locker = (*AdvisoryLocker)(nil)

// NewAdvisoryLocker returns the locker of the database that s is in. Stores with another
// schema or prefix have other locks.
func NewAdvisoryLocker(s *Store) *AdvisoryLocker { return &AdvisoryLocker{store: s} }

// ErrPooled: a pooler in transaction mode is on the way.
var ErrPooled = errors.New("advisory locks need a session of their own, " +
	"and a pooler in transaction mode is on the way: connect to the server, or to a pool in session mode")

// TryLock takes the lock with that number, or returns config.ErrLockNotAcquired at once. The
// lock does not end with ctx.
func (l *AdvisoryLocker) TryLock(ctx context.Context, key int64) (_ config.HeldLock, err error) {
	defer errs.Wrap(&err, "advisory lock %d", key)
	if l == nil || l.store == nil || l.store.pool == nil {
		return nil, errors.New("no database: make the locker with NewAdvisoryLocker")
	}
	conn, err := l.store.connect(ctx, fmt.Sprintf("replicate lock %d", key))
	if err != nil {
		return nil, err
	}
	held := false
	defer func() {
		if !held {
			hangUp(ctx, conn) // and the lock is gone
		}
	}()
	if err := l.checkSession(ctx, conn); err != nil {
		return nil, err
	}
	id := l.id(key)
	var got bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", id).Scan(&got); err != nil {
		return nil, err
	}
	if !got {
		return nil, config.ErrLockNotAcquired
	}
	fence, err := l.count(ctx, key)
	if err == nil {
		err = conn.Ping(ctx) // while the session lives nobody else has counted
	}
	if err != nil {
		_ = unlock(ctx, conn, id)
		return nil, err
	}
	held = true
	return hold(ctx, conn, id, fence), nil
}

// id is the number of the lock for the server, whose numbers all programs share.
func (l *AdvisoryLocker) id(key int64) int64 {
	sum, _ := hex.DecodeString(l.store.hash(fmt.Sprint("lock ", key)))
	return int64(binary.BigEndian.Uint64(sum))
}

// countTTL is how long a holder that dies between two requests leaves the record of the
// fencing number taken.
const countTTL = 5 * time.Second

// count takes the lease of the lock and gives it back at once, which raises its generation.
// The advisory lock is held meanwhile: nobody else does the same.
func (l *AdvisoryLocker) count(ctx context.Context, key int64) (int64, error) {
	cfg := lease.Config{Key: config.LockKey(key), Owner: l.Owner, TTL: countTTL, MaxTTL: config.MaxLockTTL}
	leaser := lease.NewLeaser(LeaserType, func() lease.Config { return cfg },
		func(context.Context) (cas.Store, error) { return l.store, nil })
	taken, err := leaser.AcquireLease(ctx)
	var other *replicate.LeaseExistsError
	switch {
	case errors.As(err, &other):
		return 0, fmt.Errorf("%w: the lock is free, but not its fencing number: %w", config.ErrLockNotAcquired, err)
	case err != nil:
		return 0, errors.Join(err, leaser.WithdrawLease(context.WithoutCancel(ctx)))
	}
	return taken.Generation, leaser.ReleaseLease(ctx, taken)
}

// checkSession finds out whether all statements of a connection have one session. The server
// tells its process when a connection begins; a pooler tells something else.
func (l *AdvisoryLocker) checkSession(ctx context.Context, conn *pgx.Conn) error {
	first, err := backend(ctx, conn)
	if err != nil || first == conn.PgConn().PID() {
		return err
	}
	other, err := l.store.connect(ctx, "replicate probe")
	if err != nil {
		return err
	}
	defer hangUp(ctx, other)
	// A transaction of another connection keeps the session of the first statement busy, if a
	// pooler gives it that one.
	if _, err := other.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	theirs, err := backend(ctx, other)
	if err != nil {
		return err
	}
	again, err := backend(ctx, conn)
	if err != nil {
		return err
	}
	if theirs == first || theirs == again || first != again {
		return fmt.Errorf("%w (processes %d, %d and %d of the server)", ErrPooled, first, theirs, again)
	}
	return nil
}

func backend(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}

func unlock(ctx context.Context, conn *pgx.Conn, id int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	var was bool
	err := conn.QueryRow(ctx, "SELECT pg_advisory_unlock($1)", id).Scan(&was)
	if err == nil && !was {
		err = lease.ErrLost
	}
	return err
}
