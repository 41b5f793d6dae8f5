package v3compat

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
)

const maxMemDB = 64 << 20

// memDB is a database file in memory.
type memDB struct{ data []byte }

func (db *memDB) WriteAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > int64(len(db.data)) {
		if err := db.Truncate(end); err != nil {
			return 0, err
		}
	}
	return copy(db.data[off:], p), nil
}

func (db *memDB) Truncate(size int64) error {
	if size > maxMemDB {
		return errors.New("file too large")
	}
	if size > int64(len(db.data)) {
		db.data = append(db.data, make([]byte, size-int64(len(db.data)))...)
	}
	clear(db.data[size:])
	db.data = db.data[:size]
	return nil
}

// restored plans and restores.
func restored(t testing.TB, r *Reader, target Target, opts RestoreOptions) ([]byte, *RestoreResult, error) {
	t.Helper()
	plan, err := r.Plan(t.Context(), target)
	if err != nil {
		return nil, nil, err
	}
	var db memDB
	result, err := r.Restore(t.Context(), plan, &db, opts)
	return db.data, result, err
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// What Litestream v0.3.13 restored from the same backup at the same targets.
func TestRestoreWhatLitestreamDoes(t *testing.T) {
	facts := testreplica.Expected(t, "v0.3")
	want := map[string]Target{facts.DBSHA256: {}}
	for _, g := range facts.Generations {
		want[g.DBSHA256] = Target{Generation: g.Generation}
	}
	for _, i := range facts.Instants {
		want[i.DBSHA256] = Target{Timestamp: i.At}
	}
	r := New(realReplica(t))
	for sum, target := range want {
		data, result, err := restored(t, r, target, RestoreOptions{})
		if got := sha256Hex(data); err != nil || got != sum {
			t.Errorf("%v: got %s, %v, want %s", target, got, err, sum)
		}
		if err == nil && (result.PageSize != facts.PageSize || int(result.Pages)*result.PageSize != len(data)) {
			t.Errorf("%v: %+v of %d bytes", target, result, len(data))
		}
	}
}
