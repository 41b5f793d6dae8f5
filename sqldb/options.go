package sqldb

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
)

// Dialect is the SQL that a database speaks.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgresql"
)

// Defaults of Options.
const (
	DefaultSchema = "public" // on PostgreSQL
	DefaultPrefix = "replicate_"
)

// Options say where the tables are. The zero value suits most.
type Options struct {
	// Schema is where the tables are; on PostgreSQL DefaultSchema if empty. It is created
	// if it does not exist. On SQLite it is empty, or the name of a database that every
	// connection has attached.
	Schema string

	// Prefix is what the names of the tables begin with; DefaultPrefix if empty. Stores with
	// different prefixes have nothing to do with one another.
	Prefix string

	// Channel, if set, is where each change of a record notifies, with the record's key, on
	// PostgreSQL. The server takes a lock for it that all notifying transactions share.
	Channel string

	// QueryRow, if set, sends a statement that returns at most one row, in place of the *sql.DB: the
	// pool of a driver is quicker. It has the same database, and errors that mean the same: a row
	// that is not there is sql.ErrNoRows. An error of QueryRow itself is one of connecting. The row is
	// read once, then release is called.
	QueryRow func(ctx context.Context, query string, args ...any) (row Row, release func(), err error)
}

// Row is the one row that a statement returns, as *sql.Row is.
type Row interface {
	Scan(dest ...any) error
}

// identifier is what a schema, a prefix and a channel look like. They are quoted in
// statements all the same.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

func (o Options) withDefaults(d Dialect) (Options, error) {
	switch d {
	case SQLite:
		if o.Channel != "" {
			return o, fmt.Errorf("channel %q: SQLite notifies nobody", o.Channel)
		}
		o.Schema = cmp.Or(o.Schema, "main")
	case PostgreSQL:
		o.Schema = cmp.Or(o.Schema, DefaultSchema)
	default:
		return o, fmt.Errorf("dialect %q: want %q or %q", d, SQLite, PostgreSQL)
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	for what, name := range map[string]string{"schema": o.Schema, "prefix": o.Prefix, "channel": o.Channel} {
		if (name != "" || what != "channel") && !identifier.MatchString(name) {
			return o, fmt.Errorf("%s %.60q: want up to 40 lower-case letters, digits and _, not beginning with a digit",
				what, name)
		}
	}
	return o, nil
}

// Check is an error if New refuses the options.
func (o Options) Check(d Dialect) error {
	_, err := o.withDefaults(d)
	return err
}
