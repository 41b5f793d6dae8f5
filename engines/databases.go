package engines

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/sqldb"
)

// SQLiteType is the scheme of records in a file of SQLite.
const SQLiteType = "sqlite"

// ErrNoReplicas: the engine has records and leases, but no replicas.
var ErrNoReplicas = errors.New("no replica there: records only")

// noReplica is the replica of an engine that has none.
func noReplica(p Place, _ Options) (Client, error) {
	return nil, fmt.Errorf("%s url: %w", p.Scheme, ErrNoReplicas)
}

func postgresLeaser(p Place, opts Options) (LeaseClient, error) {
	l, err := postgres.NewLeaserFromURL(p.Scheme, p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	leaser := l.(*postgres.Leaser)
	opts.set(&leaser.Owner, &leaser.TTL, &leaser.MaxTTL, &leaser.MaxSkew)
	return leaser, nil
}

func sqliteLeaser(p Place, opts Options) (LeaseClient, error) {
	tables, err := sqliteTables(p)
	if err != nil {
		return nil, fmt.Errorf("sqlite lease: %w", err)
	}
	leaser := sqldb.NewLeaser(SQLiteType, func(context.Context) (cas.Store, error) {
		name := url.URL{Scheme: "file", Path: filepath.ToSlash(p.Path)}
		db, err := sqldb.OpenSQLite(&sqlite.Driver{}, name.String())
		if err != nil {
			return nil, err
		}
		return sqldb.New(db, sqldb.SQLite, tables)
	})
	opts.set(&leaser.Owner, &leaser.TTL, &leaser.MaxTTL, &leaser.MaxSkew)
	return leaser, nil
}

func sqliteTables(p Place) (sqldb.Options, error) {
	tables := sqldb.Options{Prefix: p.Query.Get("prefix")}
	if p.Host != "" || p.Path == "" || p.Path == "/" || p.Userinfo != nil {
		return tables, errors.New("want sqlite:///ABSOLUTE/PATH, the path of a database file")
	}
	for name := range p.Query {
		if name != "prefix" {
			return tables, fmt.Errorf("unknown url parameter %q: there is prefix", name)
		}
	}
	return tables, tables.Check(sqldb.SQLite)
}
