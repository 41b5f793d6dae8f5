package ltx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	sltx "github.com/superfly/ltx"
)

func TestDecoderPages(t *testing.T) {
	for name, s := range map[string]spec{
		"snapshot":      snapshotSpec(512, 9, 4, 0),
		"untracked":     snapshotSpec(4096, 9, 4, HeaderFlagNoChecksum),
		"delta":         deltaSpec(1024, 2, 5, 1, 3, 20),
		"no pages":      deltaSpec(1024, 2, 5),
		"largest page":  snapshotSpec(65536, 3, 4, 0),
		"smallest page": snapshotSpec(512, 300, 4, 0),
	} {
		for encoding, file := range map[string][]byte{"blocks": s.encode(t), "frames": s.write(t, lz4Frame)} {
			d, err := NewDecoder(iotest.HalfReader(bytes.NewReader(file)))
			if err != nil {
				t.Fatalf("%s, %s: %v", name, encoding, err)
			}
			checkPages(t, d, s)
			if got, want := d.Bytes(), int64(len(file)); got != want {
				t.Errorf("%s, %s: read %d bytes, want %d", name, encoding, got, want)
			}
			if got, want := d.Trailer().PostApplyChecksum, s.post(); got != want {
				t.Errorf("%s, %s: database checksum %s, want %s", name, encoding, got, want)
			}
		}
	}
}

func checkPages(t *testing.T, d *Decoder, s spec) {
	t.Helper()
	var got []uint32
	pgno, page, err := d.Next()
	for ; err == nil; pgno, page, err = d.Next() {
		got = append(got, pgno)
		if !bytes.Equal(page, s.page(pgno)) {
			t.Errorf("page %d differs", pgno)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("after page %d: %v", pgno, err)
	}
	if !slices.Equal(got, s.pages) || d.Pages() != int64(len(got)) {
		t.Errorf("got pages %v (%d), want %v", got, d.Pages(), s.pages)
	}
}

// The hand-made files of the tests below are wrong in one way only.
func TestSpecWriteIsRight(t *testing.T) {
	s := snapshotSpec(512, 9, 4, 0)
	if !bytes.Equal(s.write(t, nil), s.encode(t)) {
		t.Error("write and encode differ")
	}
}

func TestDecoderRefuses(t *testing.T) {
	gap := snapshotSpec(512, 9, 4, 0)
	gap.pages = slices.Delete(gap.pages, 4, 5)
	short := snapshotSpec(512, 9, 4, 0)
	short.pages = short.pages[:8]
	lock := deltaSpec(65536, 2, 2, 5, sltx.LockPgno(65536))
	lock.header.Commit = 20000
	for name, file := range map[string][]byte{
		"descending pages":     deltaSpec(512, 2, 2, 5, 4).write(t, nil),
		"same page twice":      deltaSpec(512, 2, 2, 5, 5).write(t, nil),
		"page after commit":    deltaSpec(512, 2, 2, 5, 21).write(t, nil),
		"lock page":            lock.write(t, nil),
		"snapshot with a gap":  gap.write(t, nil),
		"snapshot cut":         short.write(t, nil),
		"unknown page flags":   deltaSpec(512, 2, 2, 5).write(t, flagged),
		"block of no bytes":    deltaSpec(512, 2, 2, 5).write(t, blockOfLength(0)),
		"block over the bound": deltaSpec(512, 2, 2, 5).write(t, blockOfLength(531)),
		"block of 4 GiB":       deltaSpec(512, 2, 2, 5).write(t, blockOfLength(1<<32-1)),
		"block of a half page": deltaSpec(512, 2, 2, 5).write(t, resized(blockFrame, 256)),
		"block of two pages":   deltaSpec(512, 2, 2, 5).write(t, resized(blockFrame, 1024)),
		"frame of a half page": deltaSpec(512, 2, 2, 5).write(t, resized(lz4Frame, 256)),
		"frame of two pages":   deltaSpec(512, 2, 2, 5).write(t, resized(lz4Frame, 1024)),
		"frame that explodes":  deltaSpec(512, 2, 2, 5).write(t, resized(lz4Frame, 1<<24)),
		"bytes after trailer":  append(deltaSpec(512, 2, 2, 5).encode(t), 0),
	} {
		if _, err := Verify(bytes.NewReader(file)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

func flagged(pgno uint32, page []byte) []byte {
	b := blockFrame(pgno, page)
	b[0] = 0x80
	return b
}

func blockOfLength(n uint32) func(uint32, []byte) []byte {
	return func(pgno uint32, page []byte) []byte {
		b := blockFrame(pgno, page)
		binary.BigEndian.PutUint32(b[2:], n)
		return b
	}
}

func resized(frame func(uint32, []byte) []byte, size int) func(uint32, []byte) []byte {
	return func(pgno uint32, page []byte) []byte {
		resized := make([]byte, size)
		copy(resized, page)
		return frame(pgno, resized)
	}
}

func TestDecoderChecksums(t *testing.T) {
	file := snapshotSpec(512, 3, 4, 0).encode(t)
	post, sum := slices.Clone(file), slices.Clone(file)
	sum[len(sum)-1] ^= 1
	post[len(post)-9] ^= 1
	reseal(post)
	for want, file := range map[string][]byte{"file checksum": sum, "database checksum": post} {
		_, err := Verify(bytes.NewReader(file))
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ErrCorrupt about the %s", err, want)
		}
	}
}

// reseal corrects the file checksum of a snapshot with 512-byte pages whose
// trailer was changed.
func reseal(file []byte) {
	d, err := NewDecoder(bytes.NewReader(file))
	for err == nil {
		_, _, err = d.Next()
	}
	sum := ChecksumFlag | Checksum(crcAppend(d.crc, crcRemainder(d.tail), d.tailLen))
	binary.BigEndian.PutUint64(file[len(file)-8:], uint64(sum))
}

// A zero-length database has the checksum of no pages.
func TestDecoderDeletion(t *testing.T) {
	s := deltaSpec(512, 2, 2)
	s.header.Commit = 0
	if _, err := Verify(bytes.NewReader(s.write(t, nil))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestDecoderErrorSticks(t *testing.T) {
	file := deltaSpec(512, 2, 2, 5, 4).write(t, nil)
	d, err := NewDecoder(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	_, _, first := d.Next()
	if _, _, again := d.Next(); first == nil || !errors.Is(again, first) {
		t.Errorf("got %v, then %v", first, again)
	}
}

func TestDecoderReaderFails(t *testing.T) {
	file := snapshotSpec(512, 3, 4, 0).encode(t)
	for _, want := range []error{errors.New("reset"), io.ErrUnexpectedEOF, fmt.Errorf("read: %w", io.EOF)} {
		for n := range file {
			_, err := Verify(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(want)))
			if !errors.Is(err, want) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) {
				t.Fatalf("after %d bytes: got %v, want %v", n, err, want)
			}
		}
	}
}

func TestDecoderResetAfterError(t *testing.T) {
	d, err := NewDecoder(strings.NewReader("no LTX file"))
	if !errors.Is(err, ErrTruncated) {
		t.Fatalf("got %v, want ErrTruncated", err)
	}
	if _, _, err := d.Next(); !errors.Is(err, ErrTruncated) {
		t.Errorf("Next: got %v, want ErrTruncated", err)
	}
	for _, pageSize := range []uint32{65536, 512, 4096} {
		s := snapshotSpec(pageSize, 3, 1, 0)
		if err := d.Reset(bytes.NewReader(s.encode(t))); err != nil {
			t.Fatal(err)
		}
		checkPages(t, d, s)
	}
}

func TestDecoderAllocatesNothingPerPage(t *testing.T) {
	few, many := snapshotSpec(512, 10, 1, 0).encode(t), snapshotSpec(512, 2000, 1, 0).encode(t)
	d := new(Decoder)
	allocs := func(file []byte) float64 {
		return testing.AllocsPerRun(5, func() {
			for err := d.Reset(bytes.NewReader(file)); !errors.Is(err, io.EOF); _, _, err = d.Next() {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	allocs(many)
	if got, want := allocs(many), allocs(few); got > want {
		t.Errorf("%.0f allocations for 2000 pages, %.0f for 10", got, want)
	}
}
