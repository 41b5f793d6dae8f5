// Package diff says what changed in a replicated database between two moments: objects of the
// schema, and rows of each table.
//
// [Compare] takes two views ([view.View]) and reads both schemas. [Diff.Rows] then streams the
// changes of one table in the order of its key, [Diff.Count] counts them, and [Diff.Script] writes
// SQL that turns the first database into the second, or back.
//
// # Which rows are one
//
// A row is known by its key: the rowid, or the primary key of a WITHOUT ROWID table. VACUUM may
// give new rowids to the rows of a table without INTEGER PRIMARY KEY; such rows count as updated
// or as deleted and inserted. A row is updated if a column that both tables have differs. Generated
// columns are not compared. A table whose key has other columns than before counts as dropped and
// created. A virtual table stores nothing: its shadow tables are compared.
//
// # What is read
//
// Where both views are of one replica, most pages are known to be the same without reading them
// ([view.Same]). Compare reads the interior pages of the b-trees, which say in which ranges of keys a
// page has changed, and Rows reads those ranges in both databases. Compare stops as soon as it knows
// where each changed page belongs. Everything is read, which is right but not cheap, where
//
//   - the views are of two replicas, or of two page sizes or encodings, or VACUUM has moved every page, or
//     retention has left nothing but snapshots between them;
//   - the replica is a v0.3 backup;
//   - overflow pages were overwritten, and the page with the row that they belong to was not;
//   - the columns of a table are others than before, except for some added or removed at the end;
//   - a WITHOUT ROWID table has a descending key, or is in a database of UTF-16.
//
// Text that is not valid in UTF-16 is shown, and written to a script, with replacement characters.
//
// A table whose rows cannot be brought into one order is refused with a reason: one without a
// usable name for its rowid, one that needs a collation which is not SQLite's own, and a WITHOUT
// ROWID table in databases of two text encodings.
//
// Memory depends neither on how many rows there are nor on how many changed.
package diff
