package ltx

import (
	"bytes"
	"testing"
)

// FuzzApply gives two files of any bytes to Apply and to Stream: they agree, and
// what they accept, the decoder accepts too.
func FuzzApply(f *testing.F) {
	h := newHistory(5, 512, 0, 6)
	first, second := h.spec(1, 4).encode(f), h.spec(4, 6).encode(f)
	f.Add(first, second)
	f.Add(h.spec(1, 3).write(f, lz4Frame), h.spec(4, 6).write(f, lz4Frame))
	for _, b := range damage(second) {
		f.Add(first, b)
	}
	trap := truncatedChain(6, 7, 9)
	f.Add(trap[0].encode(f), trap[2].encode(f))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var files []*FileInfo
		replica := memReplica{}
		for _, b := range [][]byte{first, second} {
			info := file(0, 1, 1, int64(len(b)))
			if h, err := ParseHeader(b); err == nil {
				info.MinTXID, info.MaxTXID = h.MinTXID, h.MaxTXID
			}
			files, replica[info] = append(files, info), b
		}
		for ; len(files) > 0; files = files[:len(files)-1] {
			if _, err := restore(t, files, replica); err != nil {
				continue
			}
			for _, f := range files {
				if _, err := Verify(bytes.NewReader(replica[f])); err != nil {
					t.Errorf("%s is accepted, but: %v", IDOf(f), err)
				}
			}
		}
	})
}
