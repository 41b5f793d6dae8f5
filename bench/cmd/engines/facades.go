package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/logstate"
)

// facades is a side that keeps configurations and checkpoints: by a facade, or in tables of its
// own with a transaction for each change.
type facades interface {
	// activate makes version n%2 the active one of configuration i; active reads it.
	activate(ctx context.Context, i, n int) error
	active(ctx context.Context, i int) error
	// update replaces the checkpoint of log i after a look at it.
	update(ctx context.Context, i, n int) error
	// prepare makes configuration i, with two versions, and log i.
	prepare(ctx context.Context, i int) error
}

func hasFacades(s side) bool {
	_, ok := s.(facades)
	return ok
}

// facade is an operation of clients with a configuration and a log each.
func facade(
	do func(ctx context.Context, f facades, i, n int) error,
) func(context.Context, side, int, time.Duration) ([]time.Duration, error) {
	return func(ctx context.Context, s side, clients int, d time.Duration) ([]time.Duration, error) {
		f := s.(facades)
		for i := range clients {
			if err := f.prepare(ctx, i); err != nil {
				return nil, err
			}
		}
		until := time.Now().Add(d)
		return together(clients, func(i int) (all []time.Duration, err error) {
			for n := 0; n == 0 || time.Now().Before(until); n++ {
				began := time.Now()
				if err := do(ctx, f, i, n); err != nil {
					return nil, err
				}
				all = append(all, time.Since(began))
			}
			return all, nil
		})
	}
}

func (s *records) config() *config.Store { return config.New(s.store, config.Options{}) }

func (s *records) prepare(ctx context.Context, i int) error {
	for _, v := range []string{"v0", "v1"} {
		if err := s.config().SaveSnapshot(ctx, fmt.Sprint("c", i), v, make([]byte, size)); err != nil {
			return err
		}
	}
	return s.activate(ctx, i, 1)
}

func (s *records) activate(ctx context.Context, i, n int) error {
	return s.config().ActivateSnapshot(ctx, fmt.Sprint("c", i), fmt.Sprint("v", n%2))
}

func (s *records) active(ctx context.Context, i int) error {
	_, err := s.config().GetActiveSnapshot(ctx, fmt.Sprint("c", i))
	return err
}

func (s *records) update(ctx context.Context, i, n int) error {
	return logstate.New(s.store).WithContext(ctx).Update(fmt.Sprint("log", i), func([]byte) ([]byte, error) {
		return fmt.Appendf(nil, "%0512d", n), nil
	})
}

const rawTables = `
DROP TABLE IF EXISTS raw_snapshots, raw_logs;
CREATE TABLE raw_snapshots (collection text, version text, active boolean NOT NULL, content bytea NOT NULL,
	PRIMARY KEY (collection, version));
CREATE TABLE raw_logs (id text PRIMARY KEY, checkpoint bytea NOT NULL)`

func (s *raw) prepare(ctx context.Context, i int) error {
	for n, v := range []string{"v0", "v1"} {
		_, err := s.pool.Exec(ctx, "INSERT INTO raw_snapshots VALUES ($1, $2, $3, $4) "+
			"ON CONFLICT (collection, version) DO UPDATE SET active = EXCLUDED.active",
			fmt.Sprint("c", i), v, n == 1, make([]byte, size))
		if err != nil {
			return err
		}
	}
	_, err := s.pool.Exec(ctx, "INSERT INTO raw_logs VALUES ($1, $2) ON CONFLICT DO NOTHING",
		fmt.Sprint("log", i), fmt.Appendf(nil, "%0512d", 0))
	return err
}

func (s *raw) activate(ctx context.Context, i, n int) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, off := tx.Exec(ctx, "UPDATE raw_snapshots SET active = false WHERE collection = $1 AND active",
			fmt.Sprint("c", i))
		_, on := tx.Exec(ctx, "UPDATE raw_snapshots SET active = true WHERE collection = $1 AND version = $2",
			fmt.Sprint("c", i), fmt.Sprint("v", n%2))
		return errors.Join(off, on)
	})
}

func (s *raw) active(ctx context.Context, i int) error {
	var version string
	var content []byte
	return s.pool.QueryRow(ctx, "SELECT version, content FROM raw_snapshots WHERE collection = $1 AND active",
		fmt.Sprint("c", i)).Scan(&version, &content)
}

func (s *raw) update(ctx context.Context, i, n int) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var old []byte
		err := tx.QueryRow(ctx, "SELECT checkpoint FROM raw_logs WHERE id = $1 FOR UPDATE", fmt.Sprint("log", i)).Scan(&old)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE raw_logs SET checkpoint = $2 WHERE id = $1",
			fmt.Sprint("log", i), fmt.Appendf(nil, "%0512d", n))
		return err
	})
}
