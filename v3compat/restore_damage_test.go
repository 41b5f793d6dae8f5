package v3compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/sqlitewal"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/internal/walpages"
)

// loadDir returns a store with the files below a directory, with their times.
func loadDir(t testing.TB, dir string) *blob.Memory {
	t.Helper()
	store := blob.NewMemory()
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(root, path)
		if err == nil {
			putAt(t, store, path, data, info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestRestoreDamagedReplicas(t *testing.T) {
	want := testreplica.Expected(t, "v0.3").DBSHA256
	dirs, err := filepath.Glob("../testdata/damaged/v3-*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, dir := range append(dirs, "../testdata/damaged/both-formats") {
		var report struct {
			Want    string
			Objects []string
		}
		data, err := os.ReadFile(filepath.Join(dir, "damage.json"))
		if err == nil {
			err = json.Unmarshal(data, &report)
		}
		if err != nil {
			t.Fatal(err)
		}
		store := loadDir(t, testreplica.Copy(t, "damaged/"+filepath.Base(dir)))
		got, _, err := restored(t, New(store), Target{}, RestoreOptions{})
		named := slices.ContainsFunc(report.Objects, func(o string) bool {
			return err != nil && (strings.Contains(err.Error(), o) ||
				strings.Contains(err.Error(), o[:strings.LastIndex(o, "/")]+"/: "))
		})
		switch {
		case report.Want != "error" && (err != nil || sha256Hex(got) != want):
			t.Errorf("%s: got %s, %v, want %s", dir, sha256Hex(got), err, want)
		case report.Want == "error" && !named:
			t.Errorf("%s: got %v, want an error that names one of %v", dir, err, report.Objects)
		}
	}
}

func TestRestoreDamage(t *testing.T) {
	for name, test := range smallDamages {
		s := makeSmall(t)
		if _, _, err := restored(t, New(s.store), Target{}, RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		at := WALSegmentKey(genID, 0, int64(s.cut))
		test.damage(t, s, at)
		if test.object == "" {
			test.object = at
		}
		_, _, err := restored(t, New(s.store), Target{}, RestoreOptions{})
		if err == nil || !strings.Contains(err.Error(), test.object) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q of %s", name, err, test.want, test.object)
		}
	}
}

// A transaction may be cut by the end of a segment, and at the end of all of
// them its beginning has no effect.
func TestRestoreOpenTransaction(t *testing.T) {
	s := makeSmall(t)
	frame := sqlitewal.FrameHeaderSize + smallPage
	s.delete(t, WALSegmentKey(genID, 1, 0))
	s.delete(t, WALSegmentKey(genID, 0, int64(s.cut)))
	want := checkpoint(t, smallPages(2), s.first[:s.cut])
	s.put(t, WALSegmentKey(genID, 0, int64(s.cut)), s.first[s.cut:s.cut+frame])
	got, result, err := restored(t, New(s.store), Target{}, RestoreOptions{})
	if err != nil || !bytes.Equal(got, want) || result.Dropped != 1 || result.Transactions != 2 ||
		result.Pos.Offset != int64(s.cut) {
		t.Errorf("cut transaction: %d bytes, %+v, %v", len(got), result, err)
	}
	s.put(t, WALSegmentKey(genID, 0, int64(s.cut+frame)), s.first[s.cut+frame:])
	want = checkpoint(t, smallPages(2), s.first)
	got, result, err = restored(t, New(s.store), Target{}, RestoreOptions{})
	if err != nil || !bytes.Equal(got, want) || result.Dropped != 0 || result.Transactions != 4 || result.Frames != 6 {
		t.Errorf("whole transaction: %d bytes, %+v, %v", len(got), result, err)
	}
}

// The transaction that has no end is larger than what is kept in memory.
func TestRestoreLargeOpenTransaction(t *testing.T) {
	const pageSize = 65536
	h := sqlitewal.Header{PageSize: pageSize}
	chain := sqlitewal.NewChain(h)
	frame := func(log []byte, pgno, commit uint32, fill byte) []byte {
		return chain.Append(log, sqlitewal.Frame{Pgno: pgno, Commit: commit, Data: bytes.Repeat([]byte{fill}, pageSize)})
	}
	log := frame(h.Append(nil), 2, 3, 1)
	committed, pages := len(log), walpages.PendingBytes/pageSize+10
	for i := range pages {
		log = frame(log, uint32(i+1), 0, 2)
	}
	s := &small{store: blob.NewMemory()}
	s.put(t, SnapshotKey(genID, 0), nil)
	s.put(t, WALSegmentKey(genID, 0, 0), log[:committed])
	s.put(t, WALSegmentKey(genID, 0, int64(committed)), log[committed:])
	want := checkpoint(t, nil, log)
	var states []Pos
	got, result, err := restored(t, New(s.store), Target{}, RestoreOptions{OnState: func(s State) error {
		states = append(states, s.Pos)
		return nil
	}})
	if err != nil || !bytes.Equal(got, want) || result.Dropped != int64(pages) || result.Transactions != 1 {
		t.Errorf("%d bytes, %+v, %v, want %d", len(got), result, err, len(want))
	}
	if len(states) != 3 {
		t.Errorf("states %v, want each once", states)
	}
}

// vanishing is a store without one of the objects that it lists.
type vanishing struct {
	blob.Reader
	key string
	err error
}

func (s vanishing) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if key == s.key {
		return nil, s.err
	}
	return s.Reader.Open(ctx, key, offset, length)
}

func TestRestoreFromChangingStore(t *testing.T) {
	s := makeSmall(t)
	for _, key := range []string{SnapshotKey(genID, 0), WALSegmentKey(genID, 0, 0), WALSegmentKey(genID, 1, 0)} {
		gone := &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
		_, _, err := restored(t, New(vanishing{s.store, key, gone}), Target{}, RestoreOptions{})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	r := New(s.store)
	plan, err := r.Plan(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, SnapshotKey(genID, 0), smallPages(9))
	if _, err := r.Restore(t.Context(), plan, &memDB{}, RestoreOptions{}); err == nil ||
		!strings.Contains(err.Error(), "it was replaced since") {
		t.Errorf("replaced snapshot: %v", err)
	}
}

// fullDB is a database on a full disk.
type fullDB struct{ memDB }

var errFull = errors.New("no space left")

func (db *fullDB) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > smallPage {
		return 0, errFull
	}
	return db.memDB.WriteAt(p, off)
}

func TestRestoreIsInterrupted(t *testing.T) {
	s := makeSmall(t)
	r := New(s.store)
	plan, err := r.Plan(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restore(t.Context(), plan, &fullDB{}, RestoreOptions{}); !errors.Is(err, errFull) {
		t.Errorf("full disk: %v", err)
	}
	stop := errors.New("stop")
	if _, err := r.Restore(t.Context(), plan, &memDB{},
		RestoreOptions{OnState: func(State) error { return stop }}); !errors.Is(err, stop) {
		t.Errorf("error of OnState: %v", err)
	}
	for n := range 4 { // cancelled once the nth piece was read
		ctx, cancel := context.WithCancel(t.Context())
		_, err := r.Restore(ctx, plan, &memDB{}, RestoreOptions{Concurrency: 1, Progress: func(int64) {
			if n--; n < 0 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		cancel()
	}
}

func TestRestoreRefusesPlan(t *testing.T) {
	s := makeSmall(t)
	r := New(s.store)
	for name, change := range map[string]func(*Plan){
		"generation":          func(p *Plan) { p.Generation = "../../etc/passwd" },
		"snapshot":            func(p *Plan) { p.Snapshot.Generation = "../../etc/passwd" },
		"segment":             func(p *Plan) { p.Segments[1].Generation = "../../etc/passwd" },
		"no first segment":    func(p *Plan) { p.Segments = p.Segments[1:] },
		"no log":              func(p *Plan) { p.Segments = p.Segments[2:] },
		"later log":           func(p *Plan) { p.Segments[2].Index++ },
		"out of order":        func(p *Plan) { slices.Reverse(p.Segments) },
		"twice the same":      func(p *Plan) { p.Segments[1] = p.Segments[0] },
		"log without a start": func(p *Plan) { p.Segments[2].Offset = 7 },
	} {
		plan, err := r.Plan(t.Context(), Target{})
		if err != nil {
			t.Fatal(err)
		}
		change(plan)
		if _, err := r.Restore(t.Context(), plan, &memDB{}, RestoreOptions{}); err == nil ||
			strings.Contains(err.Error(), "read ") {
			t.Errorf("%s: got %v, want it refused before it is read", name, err)
		}
	}
}

func TestRestoreProgress(t *testing.T) {
	s := makeSmall(t)
	plan, err := New(s.store).Plan(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	_, err = New(s.store).Restore(t.Context(), plan, &memDB{}, RestoreOptions{Progress: func(n int64) { sum += n }})
	if err != nil || sum != plan.Bytes {
		t.Errorf("progress %d, %v, want %d", sum, err, plan.Bytes)
	}
}

// A log of more than 4 GiB, of which only the end is there to be read.
func TestApplyBeyond4GiB(t *testing.T) {
	h := sqlitewal.Header{PageSize: smallPage}
	chain := sqlitewal.NewChain(h)
	frameSize := int64(h.FrameSize())
	start := sqlitewal.HeaderSize + (5<<30)/frameSize*frameSize
	seg := WALSegmentInfo{Generation: genID, Offset: start}
	db := &memDB{}
	a := &applier{db: db, plan: &Plan{Generation: genID, Segments: []WALSegmentInfo{{Generation: genID}, seg}}}
	a.begin(smallPage)
	a.log = walLogState{begun: true, offset: start, header: h, chain: sqlitewal.NewChain(h)}
	log := smallFrames(chain, nil, [2]uint32{2, 0}, [2]uint32{1, 2})
	err := a.write(2, log)
	if err == nil {
		err = a.endObject(2)
	}
	if err == nil {
		err = a.finish()
	}
	if want := start + 2*frameSize; err != nil || a.result.Pos.Offset != want || len(db.data) != 2*smallPage {
		t.Errorf("%v, end %d, want %d, %d bytes", err, a.result.Pos.Offset, want, len(db.data))
	}
	a.log.offset = start - frameSize
	a.begun = 1
	if err := a.write(2, log); err == nil || !strings.Contains(err.Error(), "missing: bytes 13ffffd48 to 13fffff5f") {
		t.Errorf("a frame is missing before it: %v", err)
	}
}

// TestRestoreLostGrowth: a log that begins with another size than the one before has
// left is refused unless its first transaction writes page 1, and the segment that
// something is missing behind is named.
func TestRestoreLostGrowth(t *testing.T) {
	for name, test := range map[string]struct {
		pgno, commit uint32
		refused      bool
	}{
		"the same size":     {2, 4, false},
		"grown":             {2, 6, true},
		"shrunk":            {2, 3, true},
		"grown with page 1": {1, 6, false},
	} {
		m := &historyMaker{history: &history{store: blob.NewMemory()}, t: t, rng: rand.New(rand.NewPCG(1, 2)),
			head: sqlitewal.Header{PageSize: 512}}
		db := make([]byte, 4*512)
		copy(db, m.page(1))
		m.put(SnapshotKey(genID, 0), db)
		for index, f := range []sqlitewal.Frame{{Pgno: 3, Commit: 4}, {Pgno: test.pgno, Commit: test.commit}} {
			f.Data = m.page(f.Pgno)
			chain := sqlitewal.NewChain(m.head)
			m.put(WALSegmentKey(genID, index, 0), chain.Append(m.head.Append(nil), f))
			m.head.Salt[0]++
		}
		_, _, err := restored(t, New(m.store), Target{}, RestoreOptions{})
		var object *ObjectError
		if test.refused != errors.Is(err, ErrContent) || test.refused &&
			(!errors.As(err, &object) || object.Key != WALSegmentKey(genID, 0, 0)) || !test.refused && err != nil {
			t.Errorf("%s: got %v, want it refused: %v", name, err, test.refused)
		}
	}
}
