package file

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// sortKeys sorts like slices.Sort. Names of LTX files differ in a few bytes, behind
// many that are the same: to compare eight bytes from there on as a number, which
// is mostly enough, takes a third of the time.
func sortKeys(keys []string) {
	if len(keys) < 1000 {
		slices.Sort(keys)
		return
	}
	type item struct {
		word uint64
		key  string
	}
	items := make([]item, len(keys))
	same := sharedPrefix(keys)
	for i, key := range keys {
		items[i] = item{wordAt(key, same), key}
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.word != b.word {
			return cmp.Compare(a.word, b.word)
		}
		return strings.Compare(a.key, b.key)
	})
	for i := range items {
		keys[i] = items[i].key
	}
}

// sharedPrefix is how many bytes all keys begin with.
func sharedPrefix(keys []string) int {
	first, same := keys[0], len(keys[0])
	for _, key := range keys[1:] {
		if strings.HasPrefix(key, first[:same]) {
			continue
		}
		same = 0
		for same < len(key) && key[same] == first[same] {
			same++
		}
	}
	return same
}

// wordAt is the eight bytes of a key from i on, as a number that compares as they
// do. Behind the end of the key there are zeros.
func wordAt(key string, i int) uint64 {
	var word [8]byte
	copy(word[:], key[i:])
	return binary.BigEndian.Uint64(word[:])
}
