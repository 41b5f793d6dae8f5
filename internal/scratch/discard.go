// Package scratch has places for a database on its way to somewhere else, or nowhere.
package scratch

// Discard is an ltx.Database and a v3compat.Database that keeps nothing: it is for
// a restore that only shows that it succeeds.
type Discard struct{}

// WriteAt implements io.WriterAt.
func (Discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// Truncate accepts any size.
func (Discard) Truncate(int64) error { return nil }
