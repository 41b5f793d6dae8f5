package ltx

import (
	"bytes"
	"errors"
	"testing"
)

func TestReadPage(t *testing.T) {
	for seed := range uint64(16) {
		h := newHistory(seed, pageSizes[seed%8], HeaderFlagNoChecksum, 12)
		files, replica := h.chain(t)
		var outlines []Outline
		for _, f := range files {
			outlines = append(outlines, outlineOf(t, replica[f]))
		}
		page := make([]byte, h.pageSize)
		for i, want := range h.states[h.last()] {
			pgno := uint32(i) + 1
			at, ok := FindPage(outlines, pgno)
			if !ok {
				t.Fatalf("seed %d: page %d not found", seed, pgno)
			}
			r := ranges{file: replica[files[at]]}
			if ok, err := outlines[at].ReadPage(t.Context(), r.open, pgno, page); err != nil || !ok {
				t.Fatalf("seed %d: page %d: got %v, %v", seed, pgno, ok, err)
			}
			if !bytes.Equal(page, want) || r.count != 1 {
				t.Errorf("seed %d: wrong page %d after %d requests", seed, pgno, r.count)
			}
		}
		if at, ok := FindPage(outlines, uint32(len(h.states[h.last()]))+1); ok {
			t.Errorf("seed %d: found a page after the last in file %d", seed, at)
		}
	}
}

func TestFindPageTruncated(t *testing.T) {
	files := truncatedChain(6, 7, 8, 9)
	var outlines []Outline
	for _, s := range files {
		outlines = append(outlines, outlineOf(t, s.encode(t)))
	}
	for pgno, want := range map[uint32]int{5: 0, 6: 2, 10: -1, 11: -1} {
		got, ok := FindPage(outlines, pgno)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("page %d: got file %d, want %d", pgno, got, want)
		}
	}
}

func TestReadPageDamaged(t *testing.T) {
	for name, encoding := range map[string]func(uint32, []byte) []byte{"block": nil, "frame": lz4Frame} {
		file := deltaSpec(512, 2, 2, 3, 5).write(t, encoding)
		o := outlineOf(t, file)
		page := make([]byte, 512)
		if ok, err := o.ReadPage(t.Context(), (&ranges{file: file}).open, 4, page); ok || err != nil {
			t.Errorf("%s: absent page: got %v, %v", name, ok, err)
		}
		if _, err := o.ReadPage(t.Context(), (&ranges{file: file}).open, 3, page[1:]); err == nil {
			t.Errorf("%s: short buffer: got no error", name)
		}
		offset, size, _ := o.Index.Lookup(5)
		for _, at := range []int64{0, 3, 4, 6, 9} {
			damaged := bytes.Clone(file)
			damaged[offset+at] ^= 0x55
			if _, err := o.ReadPage(t.Context(), (&ranges{file: damaged}).open, 5, page); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: byte %d of the frame: got %v, want ErrCorrupt", name, at, err)
			}
		}
		_, err := o.ReadPage(t.Context(), (&ranges{file: file[:offset+size-1]}).open, 5, page)
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: cut: got %v, want ErrTruncated", name, err)
		}
	}
}
