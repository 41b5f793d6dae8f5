package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/sqldb"
)

// ErrPassword: a URL has a password. Whoever lists the processes of a machine would see it.
var ErrPassword = errors.New("a password does not belong in a url: " +
	"put it into PGPASSWORD, ~/.pgpass or a service file (PGSERVICE)")

// connectTimeout bounds a connection attempt where neither the URL nor PGCONNECT_TIMEOUT does,
// in seconds.
const connectTimeout = "10"

// NewLeaserFromURL returns the leaser of the records at a URL, whose parts replicate.ParseURL
// gives. The result is a *Leaser. It contacts nothing.
//
//	postgres://user@host:5432/database?schema=s&prefix=p&quiet=true&sslmode=verify-full
//
// Schema, prefix and quiet are the fields of [Options]. The other parameters are libpq's:
// host (also a directory with a socket), sslmode, sslrootcert, connect_timeout,
// target_session_attrs and so on. What is missing comes from PGHOST, PGUSER, PGPASSWORD and the other
// variables, ~/.pgpass and service files. A password in the URL is ErrPassword, and is in no
// error.
func NewLeaserFromURL(
	scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo,
) (replicate.Leaser, error) {
	if scheme != LeaserType && scheme != "postgresql" {
		return nil, fmt.Errorf("postgres lease: url scheme %q, want %q", scheme, LeaserType)
	}
	connection, opts, err := splitURL(host, urlPath, query, userinfo)
	if err != nil {
		return nil, fmt.Errorf("postgres lease: %w", err)
	}
	return NewLeaserAt(connection, opts), nil
}

// splitURL returns what pgx connects with, and the options of the records.
func splitURL(host, urlPath string, query url.Values, userinfo *url.Userinfo) (string, Options, error) {
	_, secret := userinfo.Password()
	if secret || query.Has("password") || query.Has("sslpassword") {
		return "", Options{}, ErrPassword
	}
	rest := maps.Clone(query)
	opts := Options{Schema: rest.Get("schema"), Prefix: rest.Get("prefix")}
	var err error
	if rest.Has("quiet") {
		if opts.Quiet, err = strconv.ParseBool(rest.Get("quiet")); err != nil {
			return "", Options{}, fmt.Errorf("quiet %q: want true or false", rest.Get("quiet"))
		}
	}
	if rest == nil {
		rest = url.Values{}
	}
	for _, name := range []string{"schema", "prefix", "quiet"} {
		rest.Del(name)
	}
	if os.Getenv("PGCONNECT_TIMEOUT") == "" {
		rest.Set("connect_timeout", cmp.Or(rest.Get("connect_timeout"), connectTimeout))
	}
	tables := sqldb.Options{Schema: opts.Schema, Prefix: opts.Prefix}
	if err := tables.Check(sqldb.PostgreSQL); err != nil {
		return "", Options{}, err
	}
	u := url.URL{Scheme: LeaserType, User: userinfo, Host: host, Path: "/" + urlPath, RawQuery: rest.Encode()}
	if _, err := pgxpool.ParseConfig(u.String()); err != nil {
		return "", Options{}, err
	}
	return u.String(), opts, nil
}
