//go:build unix

package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
)

// A record of the size of a lease's.
func benchValue(i int) []byte {
	return fmt.Appendf(nil, `{"generation":%d,"expires_at":"2026-11-21T04:44:39.123456789Z",`+
		`"owner":"some-host/1234","nonce":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}`, i)
}

// BenchmarkRecordsRead is beside the floor: to open and read the file.
func BenchmarkRecordsRead(b *testing.B) {
	dir := b.TempDir()
	s := file.NewRecords(dir, file.Options{})
	if _, err := s.Write(b.Context(), "lock.json", benchValue(0), ""); err != nil {
		b.Fatal(err)
	}
	b.Run("Records", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Read(b.Context(), "lock.json", ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := os.ReadFile(filepath.Join(dir, "lock.json")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRecordsWrite replaces a record that nobody else writes; the floor is
// to write, fsync and rename a file, and to fsync its directory.
func BenchmarkRecordsWrite(b *testing.B) {
	b.Run("Records", func(b *testing.B) {
		s := file.NewRecords(b.TempDir(), file.Options{})
		b.ReportAllocs()
		token := cas.Token("")
		for i := 0; b.Loop(); i++ {
			written, err := s.Write(b.Context(), "lock.json", benchValue(i), token)
			if err != nil {
				b.Fatal(err)
			}
			token = written.Token
		}
	})
	b.Run("Refused", func(b *testing.B) {
		s := file.NewRecords(b.TempDir(), file.Options{})
		if _, err := s.Write(b.Context(), "lock.json", benchValue(0), ""); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Write(b.Context(), "lock.json", benchValue(1), "stale"); err == nil {
				b.Fatal("a stale write succeeds")
			}
		}
	})
	b.Run("Floor", func(b *testing.B) {
		dir := b.TempDir()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := writeRaw(dir, "lock.json", benchValue(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
