package verbs_test

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"

	sltx "github.com/superfly/ltx"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/restore"
)

// writerFile is a file of one page that a replicator has written.
type writerFile struct {
	level      int
	min, max   ltx.TXID
	salt       uint32 // of the WAL; zero for a compacted file
	offset     int64  // in the WAL
	page       byte   // what is in the page
	generation int64  // of the lease
}

func (f writerFile) key() string { return ltx.LayoutFile.Key(f.level, f.min, f.max) }

func writersReplica(t *testing.T, files ...writerFile) *replica.Client {
	t.Helper()
	store := blob.NewMemory()
	for _, f := range files {
		h := ltx.Header{
			Version:   3,
			Flags:     ltx.HeaderFlagNoChecksum,
			PageSize:  512,
			Commit:    1,
			MinTXID:   f.min,
			MaxTXID:   f.max,
			Timestamp: fakereplica.Time(f.max).UnixMilli(),
		}
		if f.salt != 0 {
			h.WALSalt1, h.WALSalt2, h.WALOffset, h.WALSize = f.salt, 1, f.offset, 536
		}
		var b bytes.Buffer
		enc, err := sltx.NewEncoder(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.EncodeHeader(h); err != nil {
			t.Fatal(err)
		}
		if err := enc.EncodePage(sltx.PageHeader{Pgno: 1}, bytes.Repeat([]byte{f.page}, 512)); err != nil {
			t.Fatal(err)
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		opts := fakereplica.AsWritten(h)
		if f.generation != 0 {
			opts.Metadata[replica.MetadataLeaseGeneration] = strconv.FormatInt(f.generation, 10)
		}
		if _, err := store.Write(t.Context(), f.key(), bytes.NewReader(b.Bytes()), opts); err != nil {
			t.Fatal(err)
		}
	}
	return replica.NewClient("memory", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return store, nil })
}

// wantSaid holds that inspect and check, which read the files to different depths, say
// something about an object, or, if said is empty, have no problem at all.
func wantSaid(t *testing.T, name string, c *replica.Client, key, said string) {
	t.Helper()
	in, err := check.Inspect(t.Context(), c, check.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	outlines, err := check.Inspect(t.Context(), c, check.InspectOptions{Read: check.ReadOutlines})
	if err != nil {
		t.Fatal(err)
	}
	report, err := check.Run(t.Context(), c, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for how, problems := range map[string][]replica.Problem{"inspect": in.Problems, "outlines": outlines.Problems,
		"check": report.Problems} {
		found := said == "" && len(problems) == 0
		for _, p := range problems {
			found = found || said != "" && p.Object == key && strings.Contains(p.Message, said)
		}
		if !found {
			t.Errorf("%s, %s: problems %+v, want one of %s that says %q", name, how, problems, key, said)
		}
	}
}

// TestTwoWriters: files of two replicators in one place are found by what is read anyway,
// and the restore that is made of both says so.
func TestTwoWriters(t *testing.T) {
	first := writerFile{9, 1, 1, 5, 32, 1, 0}
	a2, a3 := writerFile{0, 2, 2, 5, 568, 2, 0}, writerFile{0, 3, 3, 5, 1104, 3, 0}
	b2 := writerFile{0, 2, 2, 8, 568, 7, 0}
	wantSaid(t, "one writer", writersReplica(t, first, a2, a3), "", "")
	wantSaid(
		t,
		"one writer, whose WAL began again",
		writersReplica(t, first, a2, writerFile{0, 3, 3, 6, 32, 3, 0}),
		"",
		"",
	)
	mixed := writersReplica(t, first, b2, a3)
	wantSaid(t, "two writers", mixed, a3.key(), "two replicators may have written here")

	var doubts []error
	plan, err := restore.NewPlan(t.Context(), mixed, restore.Target{})
	if err != nil {
		t.Fatal(err)
	}
	opts := restore.Options{Doubt: func(err error) { doubts = append(doubts, err) }}
	var m memoryFile
	if err := plan.Write(t.Context(), filesOf(t, mixed), writer{&m, make(chan struct{}, 1)}, opts); err != nil ||
		len(doubts) != 2 {
		t.Errorf("restore: %v, and says %v; want two doubts, about transactions 2 and 3", err, doubts)
	}
	doubts = nil
	if _, err := restore.To(t.Context(), mixed, restore.Target{}, &bytes.Buffer{}, opts); err != nil || len(doubts) != 2 {
		t.Errorf("restore to a stream: %v, and says %v", err, doubts)
	}
	if problems := contradiction(t, first, a2); len(problems) == 0 {
		t.Error("two ways to one state that disagree are not found by an inspection that reads everything")
	}
}

// contradiction is what an inspection finds where a compacted file has other content than
// what it was made of.
func contradiction(t *testing.T, first, second writerFile) []replica.Problem {
	t.Helper()
	in, err := check.Inspect(
		t.Context(),
		writersReplica(t, first, second, writerFile{1, 2, 2, 0, 0, second.page + 1, 0}),
		check.InspectOptions{},
	)
	if err != nil {
		t.Fatal(err)
	}
	return in.Problems
}

// TestFormerHolder: a file that a former holder of the lease has written late is named; a
// lease that went from one holder to the next is nothing to speak of.
func TestFormerHolder(t *testing.T) {
	snapshot := writerFile{9, 1, 2, 0, 0, 1, 1}
	late := writerFile{0, 3, 3, 0, 0, 2, 1}
	wantSaid(t, "a late write among the new holder's", writersReplica(t, snapshot,
		writerFile{0, 2, 2, 0, 0, 1, 2}, late), late.key(), "lease generation 1")
	wantSaid(t, "a late write under a name that retention had freed", writersReplica(t, snapshot,
		late, writerFile{1, 3, 4, 0, 0, 3, 2}), late.key(), "lease generation 1")
	alone := writersReplica(t, snapshot, late, writerFile{1, 3, 4, 0, 0, 3, 2})
	for txid, notes := range map[ltx.TXID]int{3: 1, 4: 0} {
		if p, err := restore.NewPlan(t.Context(), alone, restore.Target{TXID: txid}); err != nil || len(p.Notes) != notes {
			t.Errorf("a plan for transaction %d: %+v, %v; want %d notes", txid, p, err, notes)
		}
	}
	among := writersReplica(t, snapshot, writerFile{0, 3, 3, 0, 0, 1, 2}, writerFile{0, 4, 4, 0, 0, 2, 1})
	var doubts []error
	opts := restore.Options{Doubt: func(err error) { doubts = append(doubts, err) }}
	if _, err := restore.To(t.Context(), among, restore.Target{}, &bytes.Buffer{}, opts); err != nil || len(doubts) != 1 ||
		!strings.Contains(doubts[0].Error(), "lease generation 1") {
		t.Errorf("restore: %v, and says %v; want that transaction 4 is a former holder's", err, doubts)
	}
	wantSaid(t, "a handover", writersReplica(t, snapshot,
		late, writerFile{0, 4, 4, 0, 0, 3, 2}, writerFile{1, 3, 4, 0, 0, 3, 2}), "", "")
	wantSaid(t, "a handover, compacted at once", writersReplica(t, snapshot,
		late, writerFile{1, 3, 3, 0, 0, 2, 2}), "", "")
}

// filesOf opens a replica.
func filesOf(t *testing.T, src replica.Source) *replica.Files {
	t.Helper()
	files, err := replica.Open(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
