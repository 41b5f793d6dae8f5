package check

import (
	"errors"
	"io"

	"github.com/replctl/replicate/ltx"
)

// contentSums is what is in an LTX file, reduced to a checksum for each page.
type contentSums struct {
	info    *ltx.FileInfo
	header  ltx.Header
	trailer ltx.Trailer
	pages   []pageSum // by page number
}

type pageSum struct {
	pgno uint32
	sum  ltx.Checksum
}

// read reads a file from end to end, with every check that [ltx.Decoder] makes.
func (s *contentSums) read(r io.Reader) (ltx.Header, error) {
	d, err := ltx.NewDecoder(r)
	if err != nil {
		return ltx.Header{}, err
	}
	s.header = d.Header()
	for {
		pgno, page, err := d.Next()
		if errors.Is(err, io.EOF) {
			s.trailer = d.Trailer()
			return s.header, nil
		} else if err != nil {
			return s.header, err
		}
		s.pages = append(s.pages, pageSum{pgno, ltx.PageChecksum(pgno, page)})
	}
}

// missing is the first page after a number of them that the database has after the
// file, and the file has not; 0 if there is none.
func (s *contentSums) missing(before uint32) uint32 {
	next := before + 1
	for _, p := range s.pages {
		if next == s.header.LockPgno() {
			next++
		}
		if p.pgno > next {
			return next
		}
		if p.pgno == next {
			next++
		}
	}
	if next == s.header.LockPgno() {
		next++
	}
	if next <= s.header.Commit {
		return next
	}
	return 0
}

// lineage follows a database through its files, page by page, without keeping the
// pages: it knows the checksum of each. So it sees whether two ways to one state
// agree: a snapshot with the transactions since the one before, a compacted file
// with those that it was made of. Where they do not, two replicators have written
// here, or a copy mixes two replicas; and which state a restore gives depends on
// the way it takes.
//
// Files come in the order of inspector.sequence. Memory is 8 bytes for each page.
type lineage struct {
	txid   ltx.TXID       // whose state is known
	table  []ltx.Checksum // by page number less one; 0: missing
	commit uint32
	made   string // by which file, for messages

	report func(info *ltx.FileInfo, format string, args ...any)
}

// add takes the next file.
func (l *lineage) add(s *contentSums) {
	switch f := s.info; {
	case f.MaxTXID == l.txid:
		l.compare(s)
	case f.MinTXID-1 <= l.txid && l.txid > 0:
		l.checkBefore(s)
		l.apply(s)
	case f.MinTXID == 1:
		l.forget()
		l.apply(s)
	}
	// Anything else follows a hole, and waits for the next snapshot.
}

func (l *lineage) forget() { l.txid, l.commit, l.table = 0, 0, l.table[:0] }

// compare is for a file that leads to the state that is known already.
func (l *lineage) compare(s *contentSums) {
	if s.header.Commit != l.commit {
		l.report(s.info, "the database has %d pages after it, but %d after %s, which ends with the same transaction: "+
			"two replicators may have written here", s.header.Commit, l.commit, l.made)
		return
	}
	for _, p := range s.pages {
		if l.at(p.pgno) != p.sum {
			l.report(s.info, "page %d is not what %s leaves, which ends with the same transaction: "+
				"two replicators may have written here", p.pgno, l.made)
			return
		}
	}
	l.checkAfter(s)
}

func (l *lineage) at(pgno uint32) ltx.Checksum {
	if int64(pgno) > int64(len(l.table)) {
		return 0
	}
	return l.table[pgno-1]
}

// apply makes the state after the file. Pages that the database has grown by and
// that the file does not have are missing (litestream#1323); then there is no state,
// and no table, which a file of a few bytes could make as large as it likes.
func (l *lineage) apply(s *contentSums) {
	if pgno := s.missing(l.commit); pgno != 0 {
		l.report(s.info, "the database grows from %d to %d pages with it, and it does not have page %d",
			l.commit, s.header.Commit, pgno)
		l.forget()
		return
	}
	if s.header.Commit < l.commit {
		l.table = l.table[:s.header.Commit]
	}
	for _, p := range s.pages {
		for uint32(len(l.table)) < p.pgno {
			l.table = append(l.table, 0)
		}
		l.table[p.pgno-1] = p.sum
	}
	for uint32(len(l.table)) < s.header.Commit {
		l.table = append(l.table, 0)
	}
	l.txid, l.commit = s.info.MaxTXID, s.header.Commit
	l.made = ltx.FormatName(s.info.MinTXID, s.info.MaxTXID)
	l.checkAfter(s)
}

// checkBefore compares the state that is known with that which the file says it is
// applied to.
func (l *lineage) checkBefore(s *contentSums) {
	if s.header.NoChecksum() || s.header.PreApplyChecksum == 0 || s.info.MinTXID-1 != l.txid {
		return
	}
	if got := l.sum(); got != s.header.PreApplyChecksum {
		l.report(s.info, "it is made for a database with checksum %s, but %s leaves one with %s",
			s.header.PreApplyChecksum, l.made, got)
	}
}

func (l *lineage) checkAfter(s *contentSums) {
	if s.header.NoChecksum() {
		return
	}
	if got := l.sum(); got != s.trailer.PostApplyChecksum {
		want := s.trailer.PostApplyChecksum
		l.report(s.info, "it should leave a database with checksum %s, but leaves one with %s", want, got)
	}
}

func (l *lineage) sum() ltx.Checksum {
	sum := ltx.Checksum(0)
	for _, page := range l.table {
		sum ^= page
	}
	return ltx.ChecksumFlag | sum
}
