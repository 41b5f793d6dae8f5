// Package query asks a SQLite database that is only read, and writes what it answers: it splits SQL
// into statements ([Split]), runs one of them and hands its rows on as SQLite has them ([Run]),
// encodes values as text, JSON and SQL ([Text], [AppendJSON], [AppendLiteral]), writes results as
// CSV and JSON ([NewCSV], [NewJSON], [NewJSONL]), lists tables ([Tables]) and writes the SQL that
// makes them again ([Dump]).
//
// It takes any connection of the modernc.org/sqlite driver: one of a view of a replica
// (sqlite.OpenView), or of a database file.
//
// # Values
//
// A value is nil (NULL), an int64, a float64, a string or a []byte. A string may be invalid UTF-8 or
// contain NUL bytes. A float64 may be infinite and is never NaN: SQLite makes NULL of NaN. Text in a
// column that is declared as a date stays text: the driver by itself would make a time.Time of it,
// and what is stored would be lost.
package query
