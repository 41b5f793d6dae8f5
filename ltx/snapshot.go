package ltx

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	sltx "github.com/superfly/ltx"
)

// SnapshotOptions say what a snapshot is of. The fields from MinTXID on may be
// zero.
type SnapshotOptions struct {
	TXID     TXID      // that the database is the state after
	Time     time.Time // of that state; kept in milliseconds
	PageSize uint32    // bytes
	Commit   uint32    // pages of the database, the lock page included

	// MinTXID is where the file begins; 0 stands for 1, as snapshots do. With
	// any other it is a file of transactions that happen to change all pages.
	MinTXID TXID

	NodeID uint64

	// Where in the WAL the state ends: its last frame, and the salts in the
	// WAL's header. Offset 0 stands for 32, which is right behind that header,
	// as in Litestream's snapshots with an empty WAL: it refuses to continue
	// from a level 0 file with less.
	WALOffset, WALSize int64
	WALSalt1, WALSalt2 uint32

	// Checksum makes the file track the database's checksum. Litestream
	// v0.5.18 does not: none of its files do.
	Checksum bool

	// Concurrency is how many goroutines compress; 0 stands for GOMAXPROCS.
	// More than 16 are not used.
	Concurrency int
}

func (o SnapshotOptions) header() (Header, error) {
	h := Header{Version: sltx.Version, PageSize: o.PageSize, Commit: o.Commit,
		MinTXID: cmp.Or(o.MinTXID, 1), MaxTXID: o.TXID,
		Timestamp: o.Time.UnixMilli(), NodeID: o.NodeID,
		WALOffset: cmp.Or(o.WALOffset, walHeaderSize), WALSize: o.WALSize, WALSalt1: o.WALSalt1, WALSalt2: o.WALSalt2}
	if !o.Checksum {
		h.Flags = HeaderFlagNoChecksum
	}
	if o.Checksum && h.MinTXID > 1 {
		return h, errors.New("the checksum of the database is tracked only from transaction 1 on")
	}
	if o.Commit == 0 {
		return h, errors.New("an empty database has no pages to write")
	}
	return h, checkHeader(h)
}

// SnapshotResult is the file that was written.
type SnapshotResult struct {
	Header  Header
	Trailer Trailer
	Bytes   int64 // of the file
}

// WriteSnapshot writes a file with the whole database to w: every page but the
// lock page, in order. It is for the level [SnapshotLevel], named by its
// transactions: 1 to TXID.
//
// Litestream v0.5.18 restores from such a file, but goes by level 0 alone when
// it continues: it counts on from the last transaction there, or from 1 if there
// is none, and then reads the level 0 file with just that transaction. So a
// snapshot of a later transaction than level 0 has hides what Litestream writes
// next, unless level 0 gets a file of that one transaction too: the same pages,
// with MinTXID and TXID the same.
//
// page fills buf with a page; it is called for one page after the other, from
// one goroutine. An error of page or of w ends the snapshot: what was written
// then is no LTX file. No error leaves a goroutine behind.
//
// Pages are compressed in parallel, as LZ4 blocks. Memory is about half a MiB
// for each goroutine, and some two bytes for each page.
func WriteSnapshot(w io.Writer, opts SnapshotOptions,
	page func(pgno uint32, buf []byte) error) (SnapshotResult, error) {
	h, err := opts.header()
	if err != nil {
		return SnapshotResult{}, fmt.Errorf("snapshot: %w", err)
	}
	s := &snapshotWriter{w: bufio.NewWriterSize(w, snapshotBatch), header: h, post: ChecksumFlag}
	if err := s.writeHeader(); err != nil {
		return SnapshotResult{}, err
	}
	if err := s.writePages(page, ApplyOptions{Concurrency: opts.Concurrency}.concurrency()); err != nil {
		return SnapshotResult{}, err
	}
	if err := s.writeTail(); err != nil {
		return SnapshotResult{}, err
	}
	return SnapshotResult{Header: h, Trailer: s.trailer, Bytes: s.offset}, nil
}

const walHeaderSize = 32

// snapshotBatch is how many bytes of pages are compressed at a time.
const snapshotBatch = 256 << 10

// A snapshotWriter knows what has been written.
type snapshotWriter struct {
	w       *bufio.Writer
	header  Header
	trailer Trailer
	offset  int64
	crc     uint64
	post    Checksum
	sizes   frameSizes
}

// write writes bytes that the file's checksum covers.
func (s *snapshotWriter) write(b []byte) error {
	s.crc = crcUpdate(s.crc, b)
	return s.writeUnhashed(b)
}

func (s *snapshotWriter) writeUnhashed(b []byte) error {
	s.offset += int64(len(b))
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func (s *snapshotWriter) writeHeader() error {
	b, err := s.header.MarshalBinary()
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return s.write(b)
}

// writeBatch writes page frames, which are in the file's checksum by their
// remainder.
func (s *snapshotWriter) writeBatch(b *snapshotPages) error {
	s.crc = crcAppend(s.crc, b.remainder, b.hashed)
	s.post = ChecksumFlag | (s.post ^ b.post)
	for _, n := range b.sizes {
		s.sizes.add(n)
	}
	return s.writeUnhashed(b.out)
}

// writeTail writes what follows the page frames.
func (s *snapshotWriter) writeTail() error {
	if err := s.write(make([]byte, pageHeaderSize)); err != nil {
		return err
	}
	start := s.offset
	if err := s.writeIndex(); err != nil {
		return err
	}
	if !s.header.NoChecksum() {
		s.trailer.PostApplyChecksum = s.post
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(s.offset-start))
	b = binary.BigEndian.AppendUint64(b, uint64(s.trailer.PostApplyChecksum))
	if err := s.write(b); err != nil {
		return err
	}
	s.trailer.FileChecksum = ChecksumFlag | Checksum(s.crc)
	if err := s.writeUnhashed(binary.BigEndian.AppendUint64(nil, uint64(s.trailer.FileChecksum))); err != nil {
		return err
	}
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func (s *snapshotWriter) writeIndex() error {
	offset, pgno := int64(HeaderSize), uint32(0)
	buf := make([]byte, 0, maxIndexEntry)
	for size := range s.sizes.all() {
		if pgno++; pgno == s.header.LockPgno() {
			pgno++
		}
		b := binary.AppendUvarint(buf, uint64(pgno))
		b = binary.AppendUvarint(b, uint64(offset))
		b = binary.AppendUvarint(b, size)
		if err := s.write(b); err != nil {
			return err
		}
		offset += int64(size)
	}
	return s.write([]byte{0})
}
