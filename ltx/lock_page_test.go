//go:build !race

// Three times 1 GiB goes through checksums here: a second or less, but a minute
// for the race detector.

package ltx

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"
)

// The lock page is in no file, and stays a hole in the database: at 1 GiB, which
// pages of the largest size reach soonest. All pages are zeros.
func TestLockPage(t *testing.T) {
	const pageSize, commit = 65536, 1<<30/65536 + 2
	var file bytes.Buffer
	opts := SnapshotOptions{TXID: 1, Time: time.UnixMilli(0), PageSize: pageSize, Commit: commit}
	_, err := WriteSnapshot(&file, opts, func(pgno uint32, _ []byte) error {
		if pgno == commit-1 {
			return errors.New("that is the lock page")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info := &FileInfo{Level: SnapshotLevel, MinTXID: 1, MaxTXID: 1, Size: int64(file.Len())}
	var db extentDB
	var streamed byteCount
	r, err := Apply(t.Context(), []*FileInfo{info}, memReplica{info: file.Bytes()}.open, &db, ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Stream(t.Context(), []*FileInfo{info}, memReplica{info: file.Bytes()}.open, &streamed,
		ApplyOptions{}); err != nil || r.BytesWritten != (commit-1)*pageSize {
		t.Errorf("Stream: %d bytes written, %v", r.BytesWritten, err)
	}
	if streamed != commit*pageSize {
		t.Errorf("Stream: %d bytes, want %d", streamed, commit*pageSize)
	}
	got, want := [4]int64{db.written, r.BytesWritten, db.lock, db.size},
		[4]int64{(commit - 1) * pageSize, (commit - 1) * pageSize, 0, commit * pageSize}
	if got != want {
		t.Errorf("bytes written, by the result, on the lock page, size: got %d, want %d", got, want)
	}
}

// An extentDB keeps no bytes, but counts them, and those of the lock page.
type extentDB struct {
	mu                  sync.Mutex
	written, lock, size int64
}

func (db *extentDB) WriteAt(p []byte, offset int64) (int, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.written += int64(len(p))
	if end := offset + int64(len(p)); end > 1<<30 && offset < 1<<30+65536 {
		db.lock += end - offset
	}
	return len(p), nil
}

func (db *extentDB) Truncate(size int64) error {
	db.size = size
	return nil
}

// A byteCount is how many bytes were written to it.
type byteCount int64

func (c *byteCount) Write(p []byte) (int, error) {
	*c += byteCount(len(p))
	return len(p), nil
}
