package v3compat

import (
	"bytes"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/sqlitewal"
)

// fuzzLog makes a log of frames, three bytes each: page number, commit size and
// content. All of them belong to it but those of page 0.
func fuzzLog(frames []byte) []byte {
	h := sqlitewal.Header{PageSize: smallPage, Salt: [2]uint32{3, 4}}
	chain := sqlitewal.NewChain(h)
	log := h.Append(nil)
	for ; len(frames) >= 3; frames = frames[3:] {
		data := bytes.Repeat(frames[2:3], smallPage)
		if frames[0] == 1 {
			data = smallPages(1)
		}
		log = chain.Append(log, sqlitewal.Frame{Pgno: uint32(frames[0]), Commit: uint32(frames[1]), Data: data})
	}
	return log
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte{}, []byte{}, uint16(0))
	f.Add([]byte{2, 2, 7, 3, 0, 8, 1, 3, 0}, []byte{}, uint16(32))
	f.Add([]byte{2, 9, 7, 3, 0, 8, 200, 0, 0}, []byte{}, uint16(600))
	f.Add([]byte{5, 5, 1, 5, 0, 2, 5, 3, 3, 4, 0, 4}, []byte("and more"), uint16(1100))
	f.Add([]byte{0, 1, 1}, fuzzLog([]byte{1, 1, 1})[32:], uint16(5))
	f.Fuzz(func(t *testing.T, frames, more []byte, cut uint16) {
		log := append(fuzzLog(frames), more...)
		at := min(int(cut), len(log))
		s := &small{store: blob.NewMemory()}
		s.put(t, SnapshotKey(genID, 0), smallPages(2))
		s.put(t, WALSegmentKey(genID, 0, 0), log[:at])
		if at > 0 && at < len(log) {
			s.put(t, WALSegmentKey(genID, 0, int64(at)), log[at:])
		}
		got, result, err := restored(t, New(s.store), Target{}, RestoreOptions{})
		if err != nil {
			return
		}
		_, _, whole := readLog(t, log)
		if want := checkpoint(t, smallPages(2), log); !whole || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %+v, want %d, of a log that is whole: %v", len(got), result, len(want), whole)
		}
	})
}

// FuzzRestoreObjects restores from arbitrary objects.
func FuzzRestoreObjects(f *testing.F) {
	f.Add(compress(f, smallPages(2)), compress(f, fuzzLog([]byte{2, 2, 7})))
	f.Add(compress(f, nil), compress(f, fuzzLog(nil)))
	f.Fuzz(func(t *testing.T, snapshot, segment []byte) {
		store := blob.NewMemory()
		putAt(t, store, SnapshotKey(genID, 0), snapshot, second(1))
		putAt(t, store, WALSegmentKey(genID, 0, 0), segment, second(1))
		got, result, err := restored(t, New(store), Target{}, RestoreOptions{})
		if err == nil && len(got) != result.PageSize*int(result.Pages) {
			t.Errorf("%d bytes, %+v", len(got), result)
		}
	})
}
