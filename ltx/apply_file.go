package ltx

// An appliedFile is what is known of a file while its pages are on their way.
type appliedFile struct {
	fileEnds
	crc   uint64      // of the header
	parts []*filePart // of the rest, in order
}

// A filePart is what a part of a file adds to its checksums. Whoever decompresses
// the part fills it in.
type filePart struct {
	remainder uint64 // of the bytes that the file's checksum covers; see crcRemainder
	hashed    int64  // how many they are
	post      Checksum
}

// sumPages reports whether the checksum of all pages is in the trailer.
func (f *appliedFile) sumPages() bool { return f.header.IsSnapshot() && !f.header.NoChecksum() }

// check is for after all parts were filled in.
func (f *appliedFile) check() error {
	crc, post := f.crc, Checksum(0)
	for _, p := range f.parts {
		crc = crcAppend(crc, p.remainder, p.hashed)
		post ^= p.post
	}
	return checkSums(f.header, f.trailer, crc, ChecksumFlag|post)
}
