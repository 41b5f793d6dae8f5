package walpages

import (
	"bytes"
	"slices"
	"testing"

	"github.com/replctl/replicate/internal/sqlitewal"
)

const pageSize = 512

// file is a database in memory that counts the writes.
type file struct {
	data   []byte
	writes int
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.writes++
	f.data = append(f.data, make([]byte, max(0, int(off)+len(p)-len(f.data)))...)
	return copy(f.data[off:], p), nil
}

func (f *file) Truncate(size int64) error {
	f.data = append(f.data, make([]byte, max(0, int(size)-len(f.data)))...)[:size]
	return nil
}

func put(t *testing.T, p *Pages, version byte, pgnos ...uint32) {
	t.Helper()
	for _, pgno := range pgnos {
		if err := p.Put(sqlitewal.Frame{Pgno: pgno, Data: bytes.Repeat([]byte{version}, pageSize)}); err != nil {
			t.Fatal(err)
		}
	}
}

// versions are the first bytes of the pages.
func versions(f *file) (all []byte) {
	for at := 0; at < len(f.data); at += pageSize {
		all = append(all, f.data[at])
	}
	return all
}

func TestPages(t *testing.T) {
	f := &file{data: make([]byte, 2*pageSize)}
	p := New(f, pageSize, int64(len(f.data)), true)
	put(t, p, 1, 3, 2, 4)
	p.Commit()
	put(t, p, 2, 2, 5)
	if !p.Open() {
		t.Error("no transaction under way")
	}
	p.Rollback()
	put(t, p, 3, 4, 4)
	p.Commit()
	if f.writes > 0 || p.Open() || p.Spilled() {
		t.Errorf("%d writes before the flush, open %v, spilled %v", f.writes, p.Open(), p.Spilled())
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := versions(f), []byte{0, 1, 1, 3}; !bytes.Equal(got, want) || f.writes != 1 {
		t.Errorf("got versions %d in %d writes, want %d in one", got, f.writes, want)
	}
	if got, want := p.Changed(2, 4), []uint32{2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("changed %d, want %d", got, want)
	}
	put(t, p, 4, 1, 6)
	p.Commit()
	if err := p.Truncate(3); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := versions(f), []byte{4, 1, 1}; !bytes.Equal(got, want) {
		t.Errorf("truncated: got versions %d, want %d", got, want)
	}
	if got, want := p.Changed(3, 3), []uint32{1}; !slices.Equal(got, want) {
		t.Errorf("changed %d, want %d", got, want)
	}
}

// A transaction that does not fit is written before its end, and says so.
func TestSpill(t *testing.T) {
	f := new(file)
	p := New(f, pageSize, 0, false)
	for pgno := uint32(1); pgno <= PendingBytes/pageSize+1; pgno++ {
		put(t, p, 1, pgno)
	}
	if !p.Spilled() || len(f.data) != PendingBytes {
		t.Errorf("spilled %v, %d bytes, want %d", p.Spilled(), len(f.data), PendingBytes)
	}
}
