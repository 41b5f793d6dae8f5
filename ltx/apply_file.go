package ltx

import (
	"fmt"
	"sync"
)

// An appliedFile is what is known of a file while its pages are on their way.
type appliedFile struct {
	info    *FileInfo
	header  Header
	trailer Trailer
	hashed  int64 // bytes that the file's checksum covers

	mu   sync.Mutex
	crc  crcParts
	post Checksum // of all pages, for snapshots
}

// sumPages reports whether the checksum of all pages is in the trailer.
func (f *appliedFile) sumPages() bool { return f.header.IsSnapshot() && !f.header.NoChecksum() }

// add accounts for a part of the file: the remainder of the bytes that the
// file's checksum covers, which end after end of them, and the checksum of the
// pages.
func (f *appliedFile) add(remainder uint64, end int64, post Checksum) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crc.add(remainder, end)
	f.post = ChecksumFlag | (f.post ^ post)
}

// check is for after all parts were added.
func (f *appliedFile) check() error {
	return checkSums(f.header, f.trailer, f.crc.crc(f.hashed), f.post)
}

// checkSameDatabase compares a file's header with its FileInfo and with that of the
// newest file.
func checkSameDatabase(f *FileInfo, h, newest Header) error {
	if err := CheckInfo(f, h); err != nil {
		return err
	}
	if h.PageSize != newest.PageSize {
		return fmt.Errorf("%w: pages of %d bytes, but of %d in the last file", ErrCorrupt, h.PageSize, newest.PageSize)
	}
	return nil
}

// checkJoints compares the checksum that a file was made for with the one that
// an older file left, where one ends and the other begins. Between files that
// overlap there is nothing to compare: no file has the state in between.
func checkJoints(newestFirst []*appliedFile) error {
	for i, f := range newestFirst[:len(newestFirst)-1] {
		before := newestFirst[i+1]
		if f.header.MinTXID != before.header.MaxTXID+1 || f.header.NoChecksum() || before.header.NoChecksum() {
			continue
		}
		if got, want := before.trailer.PostApplyChecksum, f.header.PreApplyChecksum; got != want {
			return fmt.Errorf("%s: %w: it applies to the database with checksum %s, but %s ends with %s",
				fileName(f.info), ErrCorrupt, want, fileName(before.info), got)
		}
	}
	return nil
}
