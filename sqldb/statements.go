package sqldb

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// statements are those of one store.
type statements struct {
	// read: key, known token -> the server's time, whether it is a standby, token, value. It
	// has one row, also if there is no record.
	read string

	// create: key, token, value. replace: key, token, value, expected token. remove: key,
	// expected token. On PostgreSQL they return the server's time for what was changed.
	create, replace, remove string

	// list: after, before, limit -> whether it is a standby, key, token.
	list string

	migrated string   // -> whether the table of migrations is there
	migrants string   // -> the number of the last migration
	migrate  string   // number
	tables   []string // the migrations, from number 1; the first makes the table of migrations, too
}

func table(o Options, name string) string { return quote(o.Schema) + "." + quote(o.Prefix+name) }

func quote(identifier string) string { return `"` + identifier + `"` }

// changes are create, replace and remove, without what they return.
func changes(o Options) (create, replace, remove string) {
	records := table(o, "records")
	return "INSERT INTO " + records + " (key, token, value) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
		"UPDATE " + records + " SET token = $2, value = $3 WHERE key = $1 AND token = $4",
		"DELETE FROM " + records + " WHERE key = $1 AND token = $2"
}

const (
	read = "SELECT %s, %s, token, CASE WHEN token %s $2 THEN value END FROM (SELECT 1) AS one LEFT JOIN %s ON key = $1"
	list = "SELECT %s, key, token FROM %s WHERE key > $1 AND key < $2 ORDER BY key LIMIT $3"
)

func newStatements(d Dialect, o Options) statements {
	if d == PostgreSQL {
		return postgresql(o)
	}
	return sqlite(o)
}

func postgresql(o Options) statements {
	records, migrations := table(o, "records"), table(o, "migrations")
	s := statements{
		read:     fmt.Sprintf(read, "clock_timestamp()", "pg_is_in_recovery()", "IS DISTINCT FROM", records),
		list:     fmt.Sprintf(list, "pg_is_in_recovery()", records),
		migrated: fmt.Sprintf("SELECT to_regclass('%s') IS NOT NULL", migrations),
		migrants: "SELECT coalesce(max(number), 0) FROM " + migrations,
		migrate:  "INSERT INTO " + migrations + " (number) VALUES ($1)",
		tables: []string{
			"CREATE TABLE " + migrations + " (number integer PRIMARY KEY); " +
				"CREATE TABLE " + records + ` (key text COLLATE "C" PRIMARY KEY, token text NOT NULL, value bytea NOT NULL)`,
		},
	}
	s.create, s.replace, s.remove = changes(o)
	for _, change := range []*string{&s.create, &s.replace, &s.remove} {
		if o.Channel == "" {
			*change += " RETURNING clock_timestamp()"
			continue
		}
		*change = fmt.Sprintf("WITH changed AS (%s RETURNING key) "+
			"SELECT clock_timestamp() FROM changed, LATERAL pg_notify('%s', key)", *change, o.Channel)
	}
	return s
}

var dollar = regexp.MustCompile(`\$(\d+)`)

func sqlite(o Options) statements {
	records, migrations := table(o, "records"), table(o, "migrations")
	s := statements{
		read: fmt.Sprintf(read, "NULL", "0", "IS NOT", records),
		list: fmt.Sprintf(list, "0", records),
		migrated: fmt.Sprintf("SELECT count(*) FROM %s.sqlite_master WHERE type = 'table' AND name = '%smigrations'",
			quote(o.Schema), o.Prefix),
		migrants: "SELECT coalesce(max(number), 0) FROM " + migrations,
		migrate:  "INSERT INTO " + migrations + " (number) VALUES ($1)",
		tables: []string{
			"CREATE TABLE " + migrations + " (number INTEGER PRIMARY KEY); " +
				"CREATE TABLE " + records +
				" (key TEXT NOT NULL PRIMARY KEY COLLATE BINARY, token TEXT NOT NULL, value BLOB NOT NULL)",
		},
	}
	s.create, s.replace, s.remove = changes(o)
	for _, with := range []*string{&s.read, &s.create, &s.replace, &s.remove, &s.list, &s.migrate} {
		*with = dollar.ReplaceAllString(*with, "?$1")
	}
	return s
}

// writeAll is one statement of PostgreSQL that applies all of some creations and
// replacements, or divides by zero. Each has its own parameters, one after the other.
func writeAll(o Options, creates []bool) string {
	create, replace, _ := changes(o)
	var with, keys []string
	before := 0 // parameters
	for i, isNew := range creates {
		change, n := replace, 4
		if isNew {
			change, n = create, 3
		}
		change = dollar.ReplaceAllStringFunc(change, func(p string) string {
			own, _ := strconv.Atoi(p[1:])
			return "$" + strconv.Itoa(before+own)
		})
		before += n
		with = append(with, fmt.Sprintf("c%d AS (%s RETURNING key)", i, change))
		keys = append(keys, fmt.Sprintf("SELECT key FROM c%d", i))
	}
	notify := "0"
	if o.Channel != "" {
		notify = fmt.Sprintf("count(pg_notify('%s', key)::text)", o.Channel)
	}
	return fmt.Sprintf("WITH %s, changed AS (%s) "+
		"SELECT clock_timestamp(), 1 / CASE count(*) WHEN %d THEN 1 ELSE 0 END, %s FROM changed",
		strings.Join(with, ", "), strings.Join(keys, " UNION ALL "), len(creates), notify)
}
