package sqlite

// checkUnused: the system refuses to replace a file that SQLite has open, as SQLite
// does not share it for deletion.
func checkUnused(string) error { return nil }
