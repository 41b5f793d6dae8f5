package ltx

import "fmt"

// fileEnds is what a file says of itself and of the database.
type fileEnds struct {
	info    *FileInfo
	header  Header
	trailer Trailer
}

// checkSameDatabase compares a file's header with its FileInfo and with that of
// the newest file.
func checkSameDatabase(f *FileInfo, h, newest Header) error {
	if err := CheckInfo(f, h); err != nil {
		return err
	}
	if h.PageSize != newest.PageSize {
		return fmt.Errorf("%w: pages of %d bytes, but of %d in the last file", ErrCorrupt, h.PageSize, newest.PageSize)
	}
	return nil
}

// checkListedSize is for after a file was read to its end.
func checkListedSize(f *FileInfo, read int64) error {
	if read != f.Size {
		return fmt.Errorf("%w: it has %d bytes, but was listed with %d", ErrCorrupt, read, f.Size)
	}
	return nil
}

// checkEnds compares the checksums of the database, where files track it: the
// one that a file was made for with the one that an older file left, where one
// ends and the other begins, and that of the newest file with the sum of the
// pages. Between files that overlap there is nothing to compare, because no file
// ends where the newer one begins.
func checkEnds(newestFirst []fileEnds, sum Checksum) error {
	for i, f := range newestFirst[1:] {
		after := newestFirst[i]
		if err := checkEnd(after, f); err != nil {
			return err
		}
	}
	f := newestFirst[0]
	if want := f.trailer.PostApplyChecksum; !f.header.NoChecksum() && sum != want {
		return &FileError{f.info,
			fmt.Errorf("%w: database checksum %s, but the pages of all files give %s", ErrCorrupt, want, sum)}
	}
	return nil
}

// result is what the newest file says of the database.
func (f fileEnds) result(read, written int64) ApplyResult {
	h := f.header
	return ApplyResult{TXID: h.MaxTXID, Time: Time(h), PageSize: h.PageSize, Commit: h.Commit,
		Checksum: f.trailer.PostApplyChecksum, BytesRead: read, BytesWritten: written}
}
