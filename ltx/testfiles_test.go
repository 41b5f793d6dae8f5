package ltx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc64"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
	sltx "github.com/superfly/ltx"
)

// A spec describes a file to make. Pages are numbers; what is in them follows
// from the number, so that two files agree about a page.
type spec struct {
	header Header
	pages  []uint32
	noise  bool // pages that LZ4 cannot compress, instead of half-empty ones

	content func(pgno uint32) []byte // instead of what follows from the number
	after   Checksum                 // of the database, for files that are no snapshot
}

// snapshotSpec is a database of n pages after transaction max.
func snapshotSpec(pageSize, n uint32, max TXID, flags uint32) spec {
	s := spec{header: Header{Version: sltx.Version, Flags: flags, PageSize: pageSize, Commit: n,
		MinTXID: 1, MaxTXID: max, Timestamp: 1_700_000_000_000}}
	for pgno := uint32(1); pgno <= n; pgno++ {
		if pgno != sltx.LockPgno(pageSize) {
			s.pages = append(s.pages, pgno)
		}
	}
	return s
}

// deltaSpec changes a few pages of a database of 20.
func deltaSpec(pageSize uint32, min, max TXID, pages ...uint32) spec {
	return spec{pages: pages, header: Header{Version: sltx.Version, PageSize: pageSize, Commit: 20,
		MinTXID: min, MaxTXID: max, Timestamp: 1_700_000_000_000, PreApplyChecksum: ChecksumFlag | 1}}
}

func (s spec) page(pgno uint32) []byte {
	if s.content != nil {
		return s.content(pgno)
	}
	page := make([]byte, s.header.PageSize)
	rnd := rand.New(rand.NewPCG(uint64(pgno), 7))
	filled := len(page) / 2
	if s.noise {
		filled = len(page)
	}
	for i := 0; i < filled; i += 8 {
		v := rnd.Uint64()
		if !s.noise {
			v &= 0x0303030303030303
		}
		binary.LittleEndian.PutUint64(page[i:], v)
	}
	return page
}

// post is the checksum of the database after the file: true for snapshots,
// some legal value for others.
func (s spec) post() Checksum {
	switch {
	case s.header.NoChecksum():
		return 0
	case !s.header.IsSnapshot():
		return ChecksumFlag | cmp.Or(s.after, 2)
	}
	sum := ChecksumFlag
	for _, pgno := range s.pages {
		sum = ChecksumFlag | (sum ^ sltx.ChecksumPage(pgno, s.page(pgno)))
	}
	return sum
}

// encode makes the file with the other implementation of the format.
func (s spec) encode(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	enc, err := sltx.NewEncoder(&b)
	if err != nil {
		tb.Fatal(err)
	}
	if err := enc.EncodeHeader(s.header); err != nil {
		tb.Fatal(err)
	}
	for _, pgno := range s.pages {
		if err := enc.EncodePage(sltx.PageHeader{Pgno: pgno}, s.page(pgno)); err != nil {
			tb.Fatal(err)
		}
	}
	enc.SetPostApplyChecksum(s.post())
	if err := enc.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// write makes the file byte by byte, without the encoder's checks, so that it
// may be wrong in one way and right, checksums included, in all others.
// frame(pgno, page) is what stands for a page after its page number; nil means
// LZ4 blocks.
func (s spec) write(tb testing.TB, frame func(pgno uint32, page []byte) []byte) []byte {
	tb.Helper()
	file, err := s.header.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	sum := crc64.New(crc64.MakeTable(crc64.ISO))
	_, _ = sum.Write(file)
	if frame == nil {
		frame = blockFrame
	}
	var index []byte
	for _, pgno := range s.pages {
		body := frame(pgno, s.page(pgno))
		hashed := 2 // flags
		if body[1] == byte(sltx.PageHeaderFlagSize) {
			hashed += blockSizeLen
		}
		f := append(binary.BigEndian.AppendUint32(nil, pgno), body...)
		_, _ = sum.Write(f[:4+hashed])
		_, _ = sum.Write(s.page(pgno))
		for _, v := range []int{int(pgno), len(file), len(f)} {
			index = binary.AppendUvarint(index, uint64(v))
		}
		file = append(file, f...)
	}
	tail := make([]byte, pageHeaderSize)
	tail = append(tail, index...)
	tail = append(tail, 0)
	tail = binary.BigEndian.AppendUint64(tail, uint64(len(index)+1))
	tail = binary.BigEndian.AppendUint64(tail, uint64(s.post()))
	_, _ = sum.Write(tail)
	file = append(file, tail...)
	return binary.BigEndian.AppendUint64(file, uint64(ChecksumFlag)|sum.Sum64())
}

// blockFrame is flags, length and an LZ4 block.
func blockFrame(_ uint32, page []byte) []byte {
	block := make([]byte, lz4.CompressBlockBound(len(page)))
	n, err := lz4.CompressBlock(page, block, nil)
	if err != nil || n == 0 {
		panic("page did not compress")
	}
	b := binary.BigEndian.AppendUint16(nil, sltx.PageHeaderFlagSize)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, block[:n]...)
}

// lz4Frame is flags and an LZ4 frame, the way of older writers.
func lz4Frame(_ uint32, page []byte) []byte {
	b := bytes.NewBuffer(make([]byte, 2))
	zw := lz4.NewWriter(b)
	if err := zw.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.CompressionLevelOption(lz4.Fast)); err != nil {
		panic(err)
	}
	if _, err := zw.Write(page); err != nil {
		panic(err)
	}
	if err := zw.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
