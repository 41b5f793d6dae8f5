package ltx

import "sync"

// An appliedFile is what is known of a file while its pages are on their way.
type appliedFile struct {
	fileEnds
	hashed int64 // bytes that the file's checksum covers

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
