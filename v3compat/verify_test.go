package v3compat

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/replctl/replicate/internal/testreplica"
)

// smallest is a WAL segment as Litestream stored it.
func smallest(t testing.TB) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(testreplica.Dir(t, "v0.3"), "generations", "*", "wal", "*.lz4"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	var best []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if best == nil || len(b) < len(best) {
			best = b
		}
	}
	return best
}

func TestVerify(t *testing.T) {
	b := smallest(t)
	if err := Verify(bytes.NewReader(b)); err != nil {
		t.Errorf("a whole segment: %v", err)
	}
	for n := range b {
		if err := Verify(bytes.NewReader(b[:n])); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if err := Verify(bytes.NewReader(append(b[:len(b):len(b)], 0))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
	broken := errors.New("connection reset")
	if err := Verify(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrTruncated) {
		t.Errorf("an error of the reader: %v", err)
	}
	if err := Verify(bytes.NewReader([]byte("age-encryption.org/v1\n"))); !errors.Is(err, ErrEncrypted) {
		t.Errorf("encrypted: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(smallest(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Verify(bytes.NewReader(b))
		if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrEncrypted) {
			t.Errorf("got %v", err)
		}
	})
}
