package ltx

import "fmt"

// CheckFollows compares two files of which one begins with the transaction after the
// other's last, by what their writers say of themselves: whether the checksum of the
// database that after is made for is the one that before leaves, and whether after goes
// on in the database's WAL where before ended, or begins with a new WAL, as Litestream
// does. The error says that two writers have written here, each from a database of its
// own. It is nil where the files do not tell.
//
// Post is the PostApplyChecksum of before; zero if it is not known.
func CheckFollows(before Header, post Checksum, after Header) error {
	if after.MinTXID != before.MaxTXID+1 {
		return nil
	}
	if post != 0 && !before.NoChecksum() && !after.NoChecksum() && after.PreApplyChecksum != post {
		return fmt.Errorf("it is made for a database with checksum %s, and transaction %s leaves one with %s: "+
			"two replicators may have written here",
			after.PreApplyChecksum, before.MaxTXID, post)
	}
	if !hasWAL(before) || !hasWAL(after) || after.WALOffset == walHeaderSize {
		return nil
	}
	sameLog := before.WALSalt1 == after.WALSalt1 && before.WALSalt2 == after.WALSalt2
	switch end := before.WALOffset + before.WALSize; {
	case !sameLog:
		return fmt.Errorf("it begins in the middle of another WAL, at byte %d, than that of transaction %s: "+
			"two replicators may have written here",
			after.WALOffset, before.MaxTXID)
	case after.WALOffset != end:
		return fmt.Errorf("it begins at byte %d of the WAL, and transaction %s ends at byte %d: "+
			"two replicators may have written here",
			after.WALOffset, before.MaxTXID, end)
	}
	return nil
}

// hasWAL reports whether a header says from where in a WAL its pages are: compacted
// files do not.
func hasWAL(h Header) bool { return h.WALOffset != 0 && h.WALSize != 0 }

// doubts are the files that do not go on where the one before them ends.
func doubts(newestFirst []fileEnds) (found []*FileError) {
	for i := len(newestFirst) - 1; i > 0; i-- {
		before, after := newestFirst[i], newestFirst[i-1]
		if err := CheckFollows(before.header, before.trailer.PostApplyChecksum, after.header); err != nil {
			found = append(found, &FileError{after.info, err})
		}
	}
	return found
}
