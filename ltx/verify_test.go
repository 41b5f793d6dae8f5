package ltx

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	sltx "github.com/superfly/ltx"
)

func TestVerify(t *testing.T) {
	s := snapshotSpec(512, 9, 4, 0)
	file := s.encode(t)
	got, err := Verify(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Header: s.header, Trailer: got.Trailer, Pages: 9, Bytes: int64(len(file))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Both implementations take the same files for good and agree on what is in
// them.
func TestVerifyAgrees(t *testing.T) {
	for name, s := range goodSpecs() {
		for encoding, file := range map[string][]byte{"blocks": s.encode(t), "frames": s.write(t, lz4Frame)} {
			dec := sltx.NewDecoder(bytes.NewReader(file))
			if err := dec.Verify(); err != nil {
				t.Fatalf("%s, %s: superfly: %v", name, encoding, err)
			}
			got, err := Verify(bytes.NewReader(file))
			if err != nil {
				t.Errorf("%s, %s: %v", name, encoding, err)
			}
			want := Summary{Header: dec.Header(), Trailer: dec.Trailer(), Pages: int64(dec.PageN()), Bytes: int64(len(file))}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: (-superfly +ours)\n%s", name, encoding, diff)
			}
		}
	}
}

func goodSpecs() map[string]spec {
	noise := snapshotSpec(512, 2, 1, 0)
	noise.noise = true
	deletion := deltaSpec(512, 2, 2)
	deletion.header.Flags, deletion.header.PreApplyChecksum = HeaderFlagNoChecksum, 0
	return map[string]spec{
		"tracked snapshot":   snapshotSpec(512, 9, 4, 0),
		"untracked snapshot": snapshotSpec(512, 9, 4, HeaderFlagNoChecksum),
		"one page":           snapshotSpec(2048, 1, 1, 0),
		"delta":              deltaSpec(1024, 2, 5, 1, 3, 20),
		"no pages":           deletion,
		"noise":              noise,
	}
}

func TestVerifyTruncated(t *testing.T) {
	for name, s := range goodSpecs() {
		for encoding, file := range map[string][]byte{"blocks": s.encode(t), "frames": s.write(t, lz4Frame)} {
			for n := range file {
				if _, err := Verify(bytes.NewReader(file[:n])); !errors.Is(err, ErrTruncated) {
					t.Fatalf("%s, %s, %d of %d bytes: got %v, want ErrTruncated", name, encoding, n, len(file), err)
				}
			}
		}
	}
}

// Every flipped bit is found, but for one kind: LZ4 has several ways to write
// the same page, and a bit can lead from one to another. The file checksum
// covers the page, not its compressed form, so this cannot be found; and the
// pages are the right ones.
func TestVerifyBitFlips(t *testing.T) {
	for name, s := range map[string]spec{"snapshot": snapshotSpec(512, 3, 4, 0), "delta": deltaSpec(512, 2, 2, 3, 7)} {
		for encoding, file := range map[string][]byte{"blocks": s.encode(t), "frames": s.write(t, lz4Frame)} {
			missed := 0
			for bit := range 8 * len(file) {
				flipped := slices.Clone(file)
				flipped[bit/8] ^= 1 << (bit % 8)
				if _, err := Verify(bytes.NewReader(flipped)); err != nil {
					continue
				}
				missed++
				d, err := NewDecoder(bytes.NewReader(flipped))
				if err != nil || !inCompressed(t, file, int64(bit/8)) {
					t.Fatalf("%s, %s: bit %d of byte %d is not found: %v", name, encoding, bit%8, bit/8, err)
				}
				checkPages(t, d, s)
			}
			t.Logf("%s, %s: %d of %d bits give the same pages", name, encoding, missed, 8*len(file))
		}
	}
}

// inCompressed reports whether the byte is one of a compressed page, after the
// page header and, in a block, its length.
func inCompressed(t *testing.T, file []byte, offset int64) bool {
	t.Helper()
	o := outlineOf(t, file)
	for i := range o.Index.Len() {
		_, start, size := o.Index.At(i)
		data := start + pageHeaderSize
		if file[start+5] != 0 {
			data += blockSizeLen
		}
		if data <= offset && offset < start+size {
			return true
		}
	}
	return false
}

// The format's lengths are believed only up to what a page can need.
func TestVerifyBoundedMemory(t *testing.T) {
	s := deltaSpec(512, 2, 2, 5)
	for name, file := range map[string][]byte{
		"block of 4 GiB":  s.write(t, blockOfLength(1<<32-1)),
		"frame of 16 MiB": s.write(t, resized(lz4Frame, 16<<20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Verify(bytes.NewReader(file))
		runtime.ReadMemStats(&after)
		if got, want := after.TotalAlloc-before.TotalAlloc, uint64(1<<20); got > want || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: allocated %d bytes, want at most %d; %v", name, got, want, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, s := range goodSpecs() {
		f.Add(s.encode(f))
		f.Add(s.write(f, lz4Frame))
	}
	for _, file := range smallFiles(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Verify(bytes.NewReader(file))
		switch {
		case err == nil:
			if s.Bytes != int64(len(file)) {
				t.Fatalf("passes with %d of %d bytes", s.Bytes, len(file))
			}
			if err := sltx.NewDecoder(bytes.NewReader(file)).Verify(); err != nil {
				t.Fatalf("passes, but not with superfly: %v", err)
			}
		case !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated):
			t.Fatalf("%v is of no kind", err)
		}
	})
}
