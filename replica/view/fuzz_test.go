package view

import (
	"bytes"
	"testing"

	"github.com/replctl/replicate/blob"
)

// FuzzEntry: what parses is what was formatted.
func FuzzEntry(f *testing.F) {
	good, err := formatEntry("id", cachedRange{16, 20}, blob.Info{Key: "k", Size: 99}, []byte("data"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("10-14", good)
	f.Add("10-14", good[:len(good)-1])
	f.Add("0-0", []byte(nil))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		r, err := parseRange(name)
		if err != nil {
			return
		}
		info, data, err := parseEntry("id", r, b)
		if err != nil {
			return
		}
		again, err := formatEntry("id", r, info, data)
		if err != nil {
			t.Fatal(err)
		}
		if _, other, err := parseEntry("id", r, again); err != nil || !bytes.Equal(other, data) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := parseEntry("other", r, b); err == nil {
			t.Errorf("%q is of another object as well", name)
		}
	})
}

// FuzzChildren: any bytes are an interior page or not; its children are pages of the
// database.
func FuzzChildren(f *testing.F) {
	page := make([]byte, 512)
	page[0], page[4], page[11], page[13] = 5, 1, 3, 100
	page[103] = 2
	f.Add(uint32(2), page)
	f.Add(uint32(1), page)
	f.Fuzz(func(t *testing.T, pgno uint32, page []byte) {
		for _, c := range childrenOf(pgno, page, 1000) {
			if c < 2 || c > 1000 {
				t.Errorf("child %d", c)
			}
		}
		var tr tree
		tr.add(pgno, page, 1000)
		n := 0
		tr.walk(pgno, func(uint32, bool) bool { n++; return n < 10_000 })
	})
}
