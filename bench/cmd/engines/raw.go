package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// raw is the statements of package sqldb, sent by pgx.
type raw struct {
	pool *pgxpool.Pool
	swap string
}

const (
	rawGet = `SELECT clock_timestamp(), pg_is_in_recovery(), token, CASE WHEN token IS DISTINCT FROM $2 THEN value END
FROM (SELECT 1) AS one LEFT JOIN raw_records ON key = $1`
	rawSwap = `WITH changed AS (UPDATE raw_records SET token = $2, value = $3 WHERE key = $1 AND token = $4 RETURNING key)
SELECT clock_timestamp() FROM changed, LATERAL pg_notify('raw', key)`
)

// rawQuiet is rawSwap of a store that notifies nobody.
const rawQuiet = `UPDATE raw_records SET token = $2, value = $3 WHERE key = $1 AND token = $4
RETURNING clock_timestamp()`

func openRaw(ctx context.Context, url string) (*raw, error) {
	swap := rawSwap
	if bare := strings.ReplaceAll(url, "&quiet=true", ""); bare != url {
		url, swap = bare, rawQuiet
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, `DROP TABLE IF EXISTS raw_records;
CREATE TABLE raw_records (key text COLLATE "C" PRIMARY KEY, token text NOT NULL, value bytea NOT NULL);`+rawTables)
	return &raw{pool, swap}, err
}

func (s *raw) title() string { return "PostgreSQL by pgx alone" }

func (s *raw) client(ctx context.Context, i int) (get, swap func(context.Context) error, err error) {
	key := fmt.Sprint("bench/", i)
	value := make([]byte, size)
	n := 0
	_, err = s.pool.Exec(ctx, "INSERT INTO raw_records VALUES ($1, '0', $2) ON CONFLICT (key) DO UPDATE SET token = '0'",
		key, value)
	swap = func(ctx context.Context) error {
		var at time.Time
		n++
		return s.pool.QueryRow(ctx, s.swap, key, fmt.Sprint(n), value, fmt.Sprint(n-1)).Scan(&at)
	}
	get = func(ctx context.Context) error {
		var at time.Time
		var standby bool
		var token string
		var value []byte
		return s.pool.QueryRow(ctx, rawGet, key, "").Scan(&at, &standby, &token, &value)
	}
	return get, swap, err
}

var errNoWatch = errors.New("is not measured")

func (s *raw) watch(context.Context, string, func(string)) error { return errNoWatch }
func (s *raw) put(context.Context, string, string) error         { return errNoWatch }
