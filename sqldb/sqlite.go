package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// busyTimeout is how long a writer waits for another one.
const busyTimeout = 10 * time.Second

// OpenSQLite opens a database file with the settings that records need: journal_mode=WAL,
// synchronous=FULL, and a busy timeout of 10 s. The driver is one of SQLite, for example
// &sqlite.Driver{} of modernc.org/sqlite; name is the file as the driver wants it. A file that
// is missing is created when the database is first used.
func OpenSQLite(d driver.Driver, name string) (*sql.DB, error) {
	if d == nil {
		return nil, fmt.Errorf("open %s: no driver given", name)
	}
	open := func(context.Context) (driver.Conn, error) { return d.Open(name) }
	if dc, ok := d.(driver.DriverContext); ok {
		c, err := dc.OpenConnector(name)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		open = c.Connect
	}
	return sql.OpenDB(&connector{d, open}), nil
}

// connector makes connections with the settings.
type connector struct {
	driver driver.Driver
	open   func(context.Context) (driver.Conn, error)
}

// Driver implements [driver.Connector].
func (c *connector) Driver() driver.Driver { return c.driver }

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := setPragmas(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func setPragmas(ctx context.Context, conn driver.Conn) error {
	x, ok := conn.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("the driver's connection (%T) runs no statements", conn)
	}
	began := time.Now()
	for _, pragma := range []string{
		fmt.Sprintf("busy_timeout=%d", busyTimeout.Milliseconds()), "journal_mode=WAL", "synchronous=FULL",
	} {
		for {
			_, err := x.ExecContext(ctx, "PRAGMA "+pragma, nil)
			if err == nil {
				break
			}
			// SQLite does not wait for others that change the journal mode.
			if sqliteCode(err)&0xff != sqliteBusy || time.Since(began) > busyTimeout {
				return fmt.Errorf("pragma %s: %w", pragma, err)
			}
			if err := clock.System.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPragmas refuses a connection without the settings.
func checkPragmas(ctx context.Context, conn *sql.Conn, schema string) error {
	var mode string
	var busy, synchronous int
	err := errors.Join(
		conn.QueryRowContext(ctx, "PRAGMA "+quote(schema)+".journal_mode").Scan(&mode),
		conn.QueryRowContext(ctx, "PRAGMA "+quote(schema)+".synchronous").Scan(&synchronous),
		conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&busy),
	)
	switch {
	case err != nil:
		return err
	case mode != "wal" || synchronous < synchronousFull || busy < 1:
		return unusable(fmt.Sprintf("journal_mode=%s, synchronous=%d, busy_timeout=%d: want wal, 2 (FULL) or more, "+
			"and some: open the database with OpenSQLite", mode, synchronous, busy))
	}
	return nil
}

const synchronousFull = 2
