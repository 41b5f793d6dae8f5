package ltx

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// truncatedChain is a database of 10 pages, truncated to 5, and grown to 10
// again by a transaction that writes the given pages.
func truncatedChain(pages ...uint32) []spec {
	first := snapshotSpec(512, 10, 1, HeaderFlagNoChecksum)
	second, third := first, first
	second.header.MinTXID, second.header.MaxTXID, second.header.Commit, second.pages = 2, 2, 5, []uint32{1}
	third.header.MinTXID, third.header.MaxTXID, third.pages = 3, 3, pages
	return []spec{first, second, third}
}

// encodeAll makes a replica of files, in order.
func encodeAll(tb testing.TB, specs []spec) ([]*FileInfo, memReplica) {
	tb.Helper()
	var files []*FileInfo
	replica := memReplica{}
	for _, s := range specs {
		b := s.encode(tb)
		f := file(0, s.header.MinTXID, s.header.MaxTXID, int64(len(b)))
		files, replica[f] = append(files, f), b
	}
	return files, replica
}

// restore does it in both ways, which must agree.
func restore(t *testing.T, files []*FileInfo, replica memReplica) ([]byte, error) {
	t.Helper()
	var db memDB
	var out bytes.Buffer
	_, err := Apply(t.Context(), files, replica.open, &db, ApplyOptions{})
	_, streamErr := Stream(t.Context(), files, replica.open, &out, ApplyOptions{})
	if (err == nil) != (streamErr == nil) {
		t.Errorf("Apply: %v, but Stream: %v", err, streamErr)
	}
	if err == nil && !bytes.Equal(db.data, out.Bytes()) {
		t.Error("Apply and Stream give different databases")
	}
	return db.data, errors.Join(err, streamErr)
}

// A page that was truncated away must not come back with its old content, even
// if the database has that size again.
func TestApplyTruncatedAndGrown(t *testing.T) {
	files, replica := encodeAll(t, truncatedChain(6, 7, 8, 9, 10))
	got, err := restore(t, files, replica)
	if err != nil || len(got) != 10*512 {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	files, replica = encodeAll(t, truncatedChain(6, 7, 8, 10))
	if _, err = restore(t, files, replica); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "page 9 of 10") {
		t.Errorf("got %v, want ErrCorrupt about page 9", err)
	}
	if got, err := restore(t, files[:2], replica); err != nil || len(got) != 5*512 {
		t.Errorf("truncated: got %d bytes, %v", len(got), err)
	}
}

func TestApplyToNothing(t *testing.T) {
	specs := []spec{snapshotSpec(512, 10, 1, 0), deltaSpec(512, 2, 2)}
	specs[1].header.Commit, specs[1].header.PreApplyChecksum, specs[1].after = 0, specs[0].post(), ChecksumFlag
	files, replica := encodeAll(t, specs)
	if got, err := restore(t, files, replica); err != nil || len(got) != 0 {
		t.Errorf("got %d bytes, %v, want none", len(got), err)
	}
}

// A header may claim a database of any size. That alone must not cost memory.
func TestApplyHugeCommit(t *testing.T) {
	specs := truncatedChain(6)
	specs[2].header.Commit = maxCommit
	files, replica := encodeAll(t, specs)
	if _, err := restore(t, files, replica); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestApplyChecksums(t *testing.T) {
	h := newHistory(3, 512, 0, 9)
	whole := func() []spec { return []spec{h.spec(1, 4), h.spec(5, 6), h.spec(7, 9)} }
	files, replica := encodeAll(t, whole())
	if _, err := restore(t, files, replica); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]spec){
		"begins elsewhere": func(s []spec) { s[1].header.PreApplyChecksum ^= 1 },
		"ends elsewhere":   func(s []spec) { s[1].after ^= 1 },
		"wrong result":     func(s []spec) { s[2].after ^= 1 },
		"wrong page size": func(s []spec) {
			s[0] = snapshotSpec(1024, 10, 4, 0)
		},
	} {
		specs := whole()
		change(specs)
		files, replica := encodeAll(t, specs)
		if _, err := restore(t, files, replica); !errors.Is(err, ErrCorrupt) ||
			!strings.Contains(err.Error(), "level 0 file 000") {
			t.Errorf("%s: got %v, want ErrCorrupt about a file", name, err)
		}
	}
}

// Files that track the checksum and files that do not may come in any order.
func TestApplyMixedTracking(t *testing.T) {
	for mask := range 8 {
		h := newHistory(uint64(mask), 512, 0, 6)
		specs := []spec{h.spec(1, 2), h.spec(3, 4), h.spec(5, 6)}
		for i := range specs {
			if mask>>i&1 == 1 {
				specs[i].header.Flags, specs[i].header.PreApplyChecksum = HeaderFlagNoChecksum, 0
			}
		}
		files, replica := encodeAll(t, specs)
		if got, err := restore(t, files, replica); err != nil || !bytes.Equal(got, h.database(6)) {
			t.Errorf("%03b: got %d bytes, %v", mask, len(got), err)
		}
	}
}

func TestApplyOrder(t *testing.T) {
	for name, files := range map[string][]*FileInfo{
		"none":      nil,
		"no first":  {file(0, 2, 3, 1000)},
		"hole":      {file(9, 1, 3, 1000), file(0, 5, 5, 1000)},
		"backwards": {file(9, 1, 3, 1000), file(0, 2, 3, 1000)},
		"no range":  {file(9, 0, 3, 1000)},
		"size":      {file(9, 1, 3, 0)},
	} {
		if _, err := restore(t, files, memReplica{}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestStreamTooManyFiles(t *testing.T) {
	var files []*FileInfo
	for txid := range TXID(MaxStreamFiles + 1) {
		files = append(files, file(0, txid+1, txid+1, 1000))
	}
	_, err := Stream(t.Context(), files, memReplica{}.open, nil, ApplyOptions{})
	if !errors.Is(err, ErrTooManyFiles) {
		t.Errorf("got %v, want ErrTooManyFiles", err)
	}
}
