// Package fakereplica makes small replicas in memory for tests: of LTX files that have only
// a header, for plans, and of snapshots of databases that need no SQLite.
package fakereplica

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// File is an LTX file of a replica that is only planned for: it has a header.
type File struct {
	Level    int
	Min, Max ltx.TXID
	Size     int // in bytes; at least that of the smallest file
}

// Key is where the file is.
func (f File) Key() string { return ltx.LayoutS3.Key(f.Level, f.Min, f.Max) }

// Time is when a transaction was.
func Time(txid ltx.TXID) time.Time {
	return time.UnixMilli(1_700_000_000_000 + int64(txid)*1500).UTC()
}

// Store counts listings and reads.
type Store struct {
	blob.Store
	Directory bool // keeps the time of a file, as a directory does
	Listings  atomic.Int32
	Opens     atomic.Int32
}

// KeepsModTime implements [blob.ModTimeKeeper].
func (s *Store) KeepsModTime() bool { return s.Directory }

// List implements [blob.Reader].
func (s *Store) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	s.Listings.Add(1)
	return s.Store.List(ctx, prefix, opts)
}

// Open implements [blob.Reader].
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.Opens.Add(1)
	return s.Store.Open(ctx, key, offset, length)
}

// New makes a replica of these files, each with the [Time] of its last transaction.
func New(t testing.TB, files ...File) (*Store, *replica.Client) {
	t.Helper()
	s := &Store{Store: blob.NewMemory()}
	for _, f := range files {
		h := ltx.Header{
			Version:   3,
			Flags:     ltx.HeaderFlagNoChecksum,
			PageSize:  4096,
			Commit:    1,
			MinTXID:   f.Min,
			MaxTXID:   f.Max,
			Timestamp: Time(f.Max).UnixMilli(),
		}
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, make([]byte, max(f.Size, ltx.MinFileSize)-len(b))...)
		if _, err := s.Write(t.Context(), f.Key(), bytes.NewReader(b), AsWritten(h)); err != nil {
			t.Fatal(err)
		}
	}
	return s, ClientOf(s)
}

// ClientOf returns a client of the replica in a store.
func ClientOf(store blob.Store) *replica.Client {
	return replica.NewClient("fake", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
}

// AsWritten are the options with which a client writes a file to a store that does not
// keep the time of files.
func AsWritten(h ltx.Header) blob.WriteOptions {
	written := ltx.Time(h).Format(time.RFC3339Nano)
	return blob.WriteOptions{Metadata: map[string]string{replica.MetadataTimestamp: written}}
}

// Client returns a create-only client of an empty replica.
func Client() *replica.Client {
	c := ClientOf(blob.NewMemory())
	c.CreateOnly = true
	return c
}

// Image is a database of 512-byte pages, without SQLite. It is a replica.Image.
type Image []byte

// Pages is an image of n pages with this byte in them.
func Pages(n int, fill byte) Image {
	return Image(bytes.Repeat([]byte{fill, 1, 2, 3}, n*128))
}

// PageSize implements [replica.Image].
func (Image) PageSize() uint32 { return 512 }

// Pages implements [replica.Image].
func (m Image) Pages() uint32 { return uint32(len(m) / 512) }

// ReadPage implements [replica.Image].
func (m Image) ReadPage(pgno uint32, buf []byte) error {
	if pgno < 1 || pgno > m.Pages() || len(buf) != 512 {
		return fmt.Errorf("page %d into %d bytes", pgno, len(buf))
	}
	copy(buf, m[(pgno-1)*512:])
	return nil
}
