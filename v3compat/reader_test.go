package v3compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

// spy counts what is asked of a store.
type spy struct {
	blob.Reader
	lists, listed, opens, stats int
}

func (s *spy) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	s.lists++
	return func(yield func(blob.Info, error) bool) {
		for info, err := range s.Reader.List(ctx, prefix, opts) {
			s.listed++
			if !yield(info, err) {
				return
			}
		}
	}
}

func (s *spy) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.opens++
	return s.Reader.Open(ctx, key, offset, length)
}

func (s *spy) Stat(ctx context.Context, key string) (blob.Info, error) {
	s.stats++
	return s.Reader.Stat(ctx, key)
}

// second is a time n seconds into an arbitrary day.
func second(n int) time.Time { return time.Date(2024, 2, 29, 0, 0, n, 0, time.UTC) }

func TestGenerations(t *testing.T) {
	store := blob.NewMemory()
	r := New(store)
	if got, err := r.Generations(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("empty store: %v, %v, want none", got, err)
	}
	for _, key := range []string{
		"generations/fedcba9876543210/wal/00000000_00000000.wal.lz4",
		"generations/0123456789abcdef/snapshots/00000000.snapshot.lz4",
		"generations/0123456789abcdef/snapshots/00000001.snapshot.lz4",
		"generations/0123456789ABCDEF/snapshots/00000000.snapshot.lz4",
		"generations/00000000000000000/x",
		"generations/.DS_Store",
		"generations/aaaaaaaaaaaaaaaa", // a file, not a generation
		"generations-old/bbbbbbbbbbbbbbbb/x",
		"ltx/0/0000000000000001-0000000000000001.ltx",
	} {
		put(t, store, key, []byte("x"))
	}
	got, err := r.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0123456789abcdef", "fedcba9876543210"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestListings(t *testing.T) {
	store := blob.NewMemory()
	prefix := GenerationPrefix(genID)
	for i, name := range []string{
		"aaa", "snapshots-old/00000007.snapshot.lz4",
		"snapshots/00000002.snapshot.lz4", "snapshots/00000000.snapshot.lz4", "snapshots/00000003.snapshot.lz4.tmp",
		"snapshots/deep/00000004.snapshot.lz4", "snapshots/00000000_00000000.wal.lz4", "tmp/00000000_00000000.wal.lz4",
		"wal/00000001_100000000.wal.lz4", "wal/00000001_20000000.wal.lz4", "wal/00000000_00000000.wal.lz4",
		"wal/00000001_0000000000000000.wal.lz4", "wal/00000001_00001020.wal.lz4.tmp",
		"wal/README", "wal/00000000.snapshot.lz4",
		"wal-old/00000007_00000000.wal.lz4", "zzz/00000001_00000000.wal.lz4",
	} {
		putAt(t, store, prefix+name, make([]byte, i), second(i))
	}
	r := New(store)

	snapshots, err := r.Snapshots(t.Context(), genID)
	if err != nil {
		t.Fatal(err)
	}
	wantSnapshots := []SnapshotInfo{{genID, 0, 3, second(3)}, {genID, 2, 2, second(2)}}
	if diff := cmp.Diff(wantSnapshots, snapshots); diff != "" {
		t.Error(diff)
	}

	segments, err := r.WALSegments(t.Context(), genID)
	if err != nil {
		t.Fatal(err)
	}
	wantSegments := []WALSegmentInfo{
		{genID, 0, 0, 10, second(10)}, {genID, 1, 0, 11, second(11)},
		{genID, 1, 0x20000000, 9, second(9)}, {genID, 1, 1 << 32, 8, second(8)},
	}
	if diff := cmp.Diff(wantSegments, segments); diff != "" {
		t.Error(diff)
	}
}

func TestListingsOfNothing(t *testing.T) {
	r := New(blob.NewMemory())
	if got, err := r.Snapshots(t.Context(), genID); err != nil || len(got) != 0 {
		t.Errorf("snapshots: %v, %v, want none", got, err)
	}
	if got, err := r.WALSegments(t.Context(), genID); err != nil || len(got) != 0 {
		t.Errorf("segments: %v, %v, want none", got, err)
	}
}

// A listing of many segments is one listing, and a listing of the snapshots
// does not wade through the segments.
func TestListingCost(t *testing.T) {
	store := manySegments(t, 10_000)
	s := &spy{Reader: store}
	segments, err := New(s).WALSegments(t.Context(), genID)
	if err != nil || len(segments) != 10_000 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	if want := (spy{store, 1, 10_000, 0, 0}); *s != want {
		t.Errorf("segments cost %+v, want %+v", *s, want)
	}
	s = &spy{Reader: store}
	if snapshots, err := New(s).Snapshots(t.Context(), genID); err != nil || len(snapshots) != 1 {
		t.Fatalf("%d snapshots, %v", len(snapshots), err)
	}
	if want := (spy{store, 1, 2, 0, 0}); *s != want {
		t.Errorf("snapshots cost %+v, want %+v", *s, want)
	}
}

func manySegments(t testing.TB, n int) *blob.Memory {
	store := blob.NewMemory()
	put(t, store, SnapshotKey(genID, 0), []byte("x"))
	for i := range n {
		put(t, store, WALSegmentKey(genID, i/100, int64(i%100)*4120), []byte("x"))
	}
	return store
}

func TestOpen(t *testing.T) {
	store := blob.NewMemory()
	put(t, store, SnapshotKey(genID, 1), compress(t, []byte("a snapshot")))
	put(t, store, WALSegmentKey(genID, 1, 1<<32), compress(t, []byte("a segment")))
	r := New(store)
	rc, err := r.OpenSnapshot(t.Context(), genID, 1)
	checkContent(t, rc, err, "a snapshot")
	rc, err = r.OpenWALSegment(t.Context(), genID, 1, 1<<32)
	checkContent(t, rc, err, "a segment")

	if _, err := r.OpenSnapshot(t.Context(), genID, 2); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), SnapshotKey(genID, 2)) {
		t.Errorf("missing snapshot: %v", err)
	}
	if _, err := r.OpenWALSegment(t.Context(), genID, 1, 32); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), WALSegmentKey(genID, 1, 32)) {
		t.Errorf("missing segment: %v", err)
	}
}

func checkContent(t *testing.T, rc io.ReadCloser, err error, want string) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	got, err := io.ReadAll(rc)
	if err != nil || string(got) != want {
		t.Errorf("content %q, %v, want %q", got, err, want)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
}

// Every name that the listing takes can be opened.
func TestOpenPaddedNames(t *testing.T) {
	for width := 8; width <= 16; width++ {
		store := blob.NewMemory()
		name := fmt.Sprintf("wal/00000001_%0*x.wal.lz4", width, 0x1020)
		put(t, store, GenerationPrefix(genID)+name, compress(t, []byte(name)))
		rc, err := New(store).OpenWALSegment(t.Context(), genID, 1, 0x1020)
		checkContent(t, rc, err, name)
	}
	store := blob.NewMemory()
	put(t, store, WALSegmentKey(genID, 1, 0), compress(t, []byte("canonical")))
	put(t, store, GenerationPrefix(genID)+"wal/00000001_0000000000000000.wal.lz4", compress(t, []byte("padded")))
	s := &spy{Reader: store}
	rc, err := New(s).OpenWALSegment(t.Context(), genID, 1, 0)
	checkContent(t, rc, err, "canonical")
	if s.opens != 1 {
		t.Errorf("%d requests for a segment with its usual name, want 1", s.opens)
	}
}

// Nothing that is not a generation, an index or an offset becomes a key.
func TestReaderRefuses(t *testing.T) {
	s := &spy{Reader: blob.NewMemory()}
	r := New(s)
	for _, gen := range []string{"", "..", "../../etc", "/etc", "0123456789ABCDEF", "0123456789abcde/",
		"0123456789abcdef/../x"} {
		_, err1 := r.Snapshots(t.Context(), gen)
		_, err2 := r.WALSegments(t.Context(), gen)
		_, err3 := r.OpenSnapshot(t.Context(), gen, 0)
		_, err4 := r.OpenWALSegment(t.Context(), gen, 0, 0)
		_, err5 := r.Inspect(t.Context(), gen, InspectOptions{})
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !errors.Is(err, ErrInvalidGeneration) {
				t.Errorf("method %d with generation %q: %v, want ErrInvalidGeneration", i+1, gen, err)
			}
		}
	}
	for _, pos := range []Pos{{genID, -1, 0}, {genID, 0, -1}, {genID, 1 << 32, 0}} {
		if _, err := r.OpenWALSegment(t.Context(), genID, pos.Index, pos.Offset); err == nil ||
			errors.Is(err, fs.ErrNotExist) {
			t.Errorf("OpenWALSegment(%d, %d): %v, want a refusal", pos.Index, pos.Offset, err)
		}
	}
	if _, err := r.OpenSnapshot(t.Context(), genID, -1); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenSnapshot(-1): %v, want a refusal", err)
	}
	if want := (spy{Reader: s.Reader}); *s != want {
		t.Errorf("the store was asked: %+v", *s)
	}
}

// brokenStore fails in the middle of a listing.
type brokenStore struct{ blob.Reader }

var errBroken = errors.New("bucket on fire")

func (s brokenStore) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info, err := range s.Reader.List(ctx, prefix, opts) {
			if !yield(info, err) {
				return
			}
			break
		}
		yield(blob.Info{}, errBroken)
	}
}

func TestListingFails(t *testing.T) {
	r := New(brokenStore{manySegments(t, 10)})
	_, err1 := r.Generations(t.Context())
	_, err2 := r.Snapshots(t.Context(), genID)
	_, err3 := r.WALSegments(t.Context(), genID)
	_, err4 := r.Inspect(t.Context(), genID, InspectOptions{})
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, errBroken) {
			t.Errorf("method %d: %v, want %v", i+1, err, errBroken)
		}
	}
}

// Reading everything that Litestream wrote, through the listings.
func TestRealReplica(t *testing.T) {
	var want struct {
		Generations []struct {
			Generation  string `json:"generation"`
			Snapshots   int    `json:"snapshots"`
			WALSegments int    `json:"wal_segments"`
		} `json:"generations"`
	}
	data, err := os.ReadFile("../testdata/v0.3/expected.json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := New(realReplica(t))
	generations, err := r.Generations(t.Context())
	if err != nil || len(generations) != len(want.Generations) {
		t.Fatalf("generations %v, %v, want %v", generations, err, want.Generations)
	}
	for _, w := range want.Generations {
		gen := w.Generation
		snapshots, err := r.Snapshots(t.Context(), gen)
		if err != nil || len(snapshots) != w.Snapshots {
			t.Fatalf("%s: %d snapshots, %v, want %d", gen, len(snapshots), err, w.Snapshots)
		}
		for _, s := range snapshots {
			rc, err := r.OpenSnapshot(t.Context(), gen, s.Index)
			checkPrefix(t, rc, err, []byte(dbMagic))
		}
		segments, err := r.WALSegments(t.Context(), gen)
		if err != nil || len(segments) != w.WALSegments {
			t.Fatalf("%s: %d segments, %v, want %d", gen, len(segments), err, w.WALSegments)
		}
		for _, s := range segments {
			rc, err := r.OpenWALSegment(t.Context(), gen, s.Index, s.Offset)
			var want []byte
			if s.Offset == 0 {
				want = []byte{0x37, 0x7f, 0x06}
			}
			checkPrefix(t, rc, err, want)
		}
	}
}

func checkPrefix(t *testing.T, rc io.ReadCloser, err error, want []byte) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || len(got) == 0 || !bytes.HasPrefix(got, want) {
		t.Errorf("%d bytes, %v, want them to start with %q", len(got), err, want)
	}
}
