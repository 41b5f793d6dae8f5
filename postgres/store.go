package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/sqldb"
)

// LeaserType is the engine's name.
const LeaserType = "postgres"

// Options say where the tables are, and whether changes notify. The zero value suits most.
type Options struct {
	Schema string // sqldb.DefaultSchema if empty; created if it does not exist
	Prefix string // of the tables' names; sqldb.DefaultPrefix if empty

	// Quiet: changes notify nobody, and Notify is an error. The server takes a lock for each
	// transaction that notifies, so that they commit one after the other, each with an fsync of
	// its own. From some four writers at once it is a brake: see docs/benchmarks.md.
	Quiet bool
}

// Store is the records in a PostgreSQL database. It is safe for concurrent use.
type Store struct {
	*sqldb.Store
	pool   *pgxpool.Pool
	db     *sql.DB
	owned  bool // the pool is
	opts   Options
	listen *listener // nil if quiet
}

var (
	_ cas.Notifier = (*Store)(nil)
	_ cas.Deleter  = (*Store)(nil)
	_ cas.Batcher  = (*Store)(nil)
)

// Open returns the records at a URL, or at a connection string of libpq. A server that
// cannot be reached, or is a standby, is an error. The tables are created when they are
// first used. Close closes the connections.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err) // pgx leaves out the password
	}
	if cfg.ConnConfig.ValidateConnect == nil {
		cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err == nil {
		err = pool.Ping(ctx)
	}
	if err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	s, err := New(pool, opts)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.owned = true
	return s, nil
}

// New returns the records that a pool leads to. It contacts nothing. Close leaves the
// pool open.
func New(pool *pgxpool.Pool, opts Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("postgres records: no pool given")
	}
	s := &Store{pool: pool, opts: opts}
	channel := ""
	if !opts.Quiet {
		channel = "replicate_" + s.hash("changes")[:16]
		s.listen = &listener{connect: s.connect, channel: channel}
	}
	s.db = stdlib.OpenDBFromPool(pool)
	records, err := sqldb.New(s.db, sqldb.PostgreSQL, sqldb.Options{
		Schema: opts.Schema, Prefix: opts.Prefix, Channel: channel, QueryRow: s.queryRow,
	})
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.Store = records
	return s, nil
}

// queryRow does without database/sql, whose connections and rows cost three times as many
// allocations. A statement on a connection that has just ended is in doubt: pgx knows only in
// some of its modes that nothing was sent.
func (s *Store) queryRow(ctx context.Context, query string, args ...any) (sqldb.Row, func(), error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return conn.QueryRow(ctx, query, args...), conn.Release, nil
}

// hash is a name for something of these records, unlike that of other records.
func (s *Store) hash(what string) string {
	schema, prefix := s.opts.Schema, s.opts.Prefix
	if schema == "" {
		schema = sqldb.DefaultSchema
	}
	if prefix == "" {
		prefix = sqldb.DefaultPrefix
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "replicate %s of %s.%s", what, schema, prefix))
	return hex.EncodeToString(sum[:])
}

// Close ends all watches, and closes the connections that Open has made. Advisory locks
// stay until they are released.
func (s *Store) Close() error {
	if s == nil || s.pool == nil {
		return nil
	}
	if s.listen != nil {
		s.listen.close()
	}
	err := s.db.Close()
	if s.owned {
		s.pool.Close()
	}
	return err
}

// Notify implements [cas.Notifier].
func (s *Store) Notify(ctx context.Context, prefix string) (<-chan struct{}, error) {
	err := cas.CheckPrefix(prefix)
	switch {
	case err != nil:
	case s == nil || s.pool == nil:
		err = errors.New("no database: make the store with Open or New")
	case s.listen == nil:
		err = errors.New("the store is quiet")
	default:
		var hints <-chan struct{}
		if hints, err = s.listen.notify(ctx, prefix); err == nil {
			return hints, nil
		}
	}
	return nil, fmt.Errorf("notify %q: %w", prefix, err)
}

// connect makes a connection that belongs to no pool, in the way in which the pool makes its
// own. It prepares no statements.
func (s *Store) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	pool := s.pool.Config()
	cfg := pool.ConnConfig.Copy()
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.OnNotification = nil
	if pool.BeforeConnect != nil {
		if err := pool.BeforeConnect(ctx, cfg); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, conn, name); err != nil {
		hangUp(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// What the server does to find out that the machine at the other end is gone. It gives up
// after keepaliveIdle + keepaliveCount x keepaliveInterval at the latest, 16 s, and not
// before keepaliveIdle. It does so only when the network is silent: a process that dies
// closes its connection at once.
const (
	keepaliveIdle     = 10 // seconds
	keepaliveInterval = 2  // seconds
	keepaliveCount    = 3
)

// settle names a session, and has the server find out when its other end is gone.
func settle(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "SELECT set_config(name, value, false) FROM (VALUES "+
		"('application_name', $1), ('idle_session_timeout', '0'), "+
		"('tcp_keepalives_idle', $2), ('tcp_keepalives_interval', $3), ('tcp_keepalives_count', $4)) AS s (name, value) "+
		"WHERE name IN (SELECT name FROM pg_settings)", // idle_session_timeout is of PostgreSQL 14
		name, fmt.Sprint(keepaliveIdle), fmt.Sprint(keepaliveInterval), fmt.Sprint(keepaliveCount))
	return err
}

// hangUp closes a connection, in little time and whatever has become of the context.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
