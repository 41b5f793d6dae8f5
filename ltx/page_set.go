package ltx

import (
	"fmt"
	"math/bits"
)

// A pageSet is which pages have their final version, while files are gone
// through from the newest to the oldest.
type pageSet struct {
	words []uint64
	count int64

	// limit is the smallest size of the database, in pages, after any of the
	// newer files: pages beyond it did not survive.
	limit uint32
}

// newPageSet is for a database of n pages.
func newPageSet(n uint32) pageSet {
	return pageSet{words: make([]uint64, (int64(n)+63)/64), limit: n}
}

// claim reports whether a page is to be written: it is the newest version, and
// it survived.
func (s *pageSet) claim(pgno uint32) bool {
	if pgno > s.limit {
		return false
	}
	word, bit := (pgno-1)/64, uint64(1)<<((pgno-1)%64)
	if s.words[word]&bit != 0 {
		return false
	}
	s.words[word] |= bit
	s.count++
	return true
}

// truncate is for after all pages of a file with this commit size.
func (s *pageSet) truncate(commit uint32) { s.limit = min(s.limit, commit) }

// checkComplete returns an error that names the first page which is missing, of
// the database that h describes.
func (s *pageSet) checkComplete(h Header) error {
	if s.count == dataPages(h) {
		return nil
	}
	for i, w := range s.words {
		for ; ^w != 0; w |= w + 1 {
			if pgno := uint32(i*64+bits.TrailingZeros64(^w)) + 1; pgno != h.LockPgno() {
				return missingPage(pgno, h)
			}
		}
	}
	return nil
}

func missingPage(pgno uint32, h Header) error {
	return fmt.Errorf("database at transaction %s: %w: page %d of %d is missing: no file has it "+
		"since the database last was shorter",
		h.MaxTXID, ErrCorrupt, pgno, h.Commit)
}
