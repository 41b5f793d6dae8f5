package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

func testEmpty(t *testing.T, h Harness) {
	s := h.New(t)()
	if got := list(t, s, "", blob.ListOptions{}); len(got) != 0 {
		t.Errorf("list of an empty store: %q", got)
	}
	if got := list(t, s, "no/such/", blob.ListOptions{Delimited: true}); len(got) != 0 {
		t.Errorf("list of an absent prefix: %q", got)
	}
	_, err := s.Open(t.Context(), "no/such", 0, 0)
	wantMissing(t, "Open", err)
	_, err = s.Stat(t.Context(), "no/such")
	wantMissing(t, "Stat", err)
	if err := s.Delete(t.Context(), []string{"no/such"}); err != nil {
		t.Errorf("Delete of an absent key: %v", err)
	}
}

func testRoundTrip(t *testing.T, h Harness) {
	open := h.New(t)
	for _, n := range []int{0, 1, 100, 64 << 10, 5<<20 - 1, 5 << 20, 11 << 20} {
		want := content(uint64(n), n)
		key := fmt.Sprintf("size/%d.bin", n)
		if info := put(t, open(), key, want); info.Size != int64(n) {
			t.Errorf("%s: Write reports %d bytes", key, info.Size)
		}
		wantContent(t, key+" on another handle", get(t, open(), key, 0, 0), want)

		// The same as a stream of unknown length.
		key += ".stream"
		if _, err := open().Write(t.Context(), key, io.MultiReader(bytes.NewReader(want)), blob.WriteOptions{}); err != nil {
			t.Fatalf("Write(%q): %v", key, err)
		}
		wantContent(t, key, get(t, open(), key, 0, 0), want)
	}

	// From the reader's position, not from its start.
	r := bytes.NewReader([]byte("skipped|kept"))
	if _, err := r.Seek(8, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Write(t.Context(), "tail", r, blob.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantContent(t, "write from a position", get(t, open(), "tail", 0, 0), []byte("kept"))
}

func testRanges(t *testing.T, h Harness) {
	s := h.New(t)()
	data := content(1, 1000)
	put(t, s, "k", data)
	for _, r := range []struct{ offset, length, from, to int64 }{
		{0, 0, 0, 1000}, {0, 100, 0, 100}, {100, 0, 100, 1000}, {250, 500, 250, 750},
		{999, 1, 999, 1000}, {990, 100, 990, 1000}, {0, 5000, 0, 1000}, {0, -1, 0, 1000},
		{1000, 0, 1000, 1000}, {1000, 10, 1000, 1000}, {2000, 0, 1000, 1000}, {2000, 5, 1000, 1000},
	} {
		wantContent(t, fmt.Sprintf("Open(%d, %d)", r.offset, r.length), get(t, s, "k", r.offset, r.length), data[r.from:r.to])
	}
	for _, r := range [][2]int64{{-1, 0}, {-1, 10}, {-1000, 0}, {math.MinInt64, 0}, {math.MinInt64, math.MaxInt64}} {
		if rc, err := s.Open(t.Context(), "k", r[0], r[1]); err == nil {
			t.Errorf("Open(%d, %d) succeeds", r[0], r[1])
			_ = rc.Close()
		}
	}
	_, err := s.Open(t.Context(), "absent", 10, 10)
	wantMissing(t, "Open of a range of an absent key", err)
}

func testReplace(t *testing.T, h Harness) {
	open := h.New(t)
	put(t, open(), "k", content(1, 5000))
	want := content(2, 17)
	put(t, open(), "k", want)
	wantContent(t, "replaced object", get(t, open(), "k", 0, 0), want)
	if got := list(t, open(), "", blob.ListOptions{}); len(got) != 1 {
		t.Errorf("after replacing: %q", got)
	}
}

func testInfo(t *testing.T, h Harness) {
	s := h.New(t)()
	before := time.Now().Add(-time.Minute)
	written := put(t, s, "dir/k", content(1, 321))
	stat, err := s.Stat(t.Context(), "dir/k")
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range s.List(t.Context(), "dir/", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]blob.Info{"Write": written, "Stat": stat, "List": info} {
			if got.Key != "dir/k" || got.Size != 321 || got.IsPrefix() {
				t.Errorf("%s: %+v", what, got)
			}
			if what != "Write" && (got.ModTime.Before(before) || got.ModTime.After(time.Now().Add(time.Minute))) {
				t.Errorf("%s: ModTime %v is not about now", what, got.ModTime)
			}
		}
		if info.ETag != "" && info.ETag != stat.ETag {
			t.Errorf("ETag: List %q, Stat %q", info.ETag, stat.ETag)
		}
	}
}

// testDescribe: a reader that knows its object says of it what Stat does, from wherever
// it reads, and goes on to do so when the object is replaced.
func testDescribe(t *testing.T, h Harness) {
	if h.NoDescribe != "" {
		t.Logf("readers do not describe their object: %s", h.NoDescribe)
		return
	}
	s := h.New(t)()
	opts := blob.WriteOptions{Metadata: map[string]string{"lease-generation": "7"}}
	if _, err := s.Write(t.Context(), "dir/k", bytes.NewReader(content(1, 321)), opts); err != nil {
		t.Fatal(err)
	}
	want, err := s.Stat(t.Context(), "dir/k")
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range [][2]int64{{0, 0}, {0, 100}, {200, 0}, {200, 50}} {
		rc, err := s.Open(t.Context(), "dir/k", span[0], span[1])
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		d, ok := rc.(blob.Describer)
		if !ok {
			t.Fatalf("%T does not describe its object", rc)
		}
		put(t, s, "dir/k", content(2, 50))
		got, ok := d.Describe()
		same := maps.Equal(got.Metadata, want.Metadata) && got.ModTime.Equal(want.ModTime)
		if !ok || !same || got.Size != want.Size || got.ETag != want.ETag {
			t.Errorf("reading %v: got %+v, %v; Stat said %+v", span, got, ok, want)
		}
		if _, err := s.Write(t.Context(), "dir/k", bytes.NewReader(content(1, 321)), opts); err != nil {
			t.Fatal(err)
		}
		if want, err = s.Stat(t.Context(), "dir/k"); err != nil {
			t.Fatal(err)
		}
	}
}

func testModTime(t *testing.T, h Harness) {
	if h.NoModTime != "" {
		t.Logf("writers cannot set the time: %s", h.NoModTime)
	}
	s := h.New(t)()
	want := time.Date(2024, 2, 29, 12, 30, 45, 678e6, time.UTC)
	if _, err := s.Write(t.Context(), "k", bytes.NewReader([]byte("x")), blob.WriteOptions{ModTime: want}); err != nil {
		t.Fatal(err)
	}
	stat, err := s.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if got := stat.ModTime; h.NoModTime == "" && !got.Equal(want) {
		t.Errorf("ModTime: got %v, want %v", got, want)
	} else if h.NoModTime != "" && got.Equal(want) {
		t.Error("the engine does set the time: drop NoModTime")
	}
}

func testMetadata(t *testing.T, h Harness) {
	open := h.New(t)
	want := map[string]string{"litestream-timestamp": "2026-11-20T14:05:06.789Z", "lease-owner": "host:42"}
	for name, size := range map[string]int{"small": 10, "large": 11 << 20} {
		opts := blob.WriteOptions{Metadata: want}
		if _, err := open().Write(t.Context(), name, bytes.NewReader(content(1, size)), opts); err != nil {
			t.Fatal(err)
		}
		stat, err := open().Stat(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got := stat.Metadata[k]; h.NoMetadata == "" && got != v {
				t.Errorf("%s: metadata %s: got %q, want %q", name, k, got, v)
			} else if h.NoMetadata != "" && got != "" {
				t.Error("the engine does keep metadata: drop NoMetadata")
			}
		}
		// The object that replaces it has no metadata.
		if _, err := open().Write(t.Context(), name, bytes.NewReader(content(2, size)), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if stat, err = open().Stat(t.Context(), name); err != nil || len(stat.Metadata) != 0 {
			t.Errorf("%s: after replacing: metadata %v, %v", name, stat.Metadata, err)
		}
	}
}

func testMetadataLimits(t *testing.T, h Harness) {
	s := h.New(t)()
	for _, m := range []map[string]string{
		{"Upper": "x"}, {"": "x"}, {"a_b": "x"}, {"a/b": "x"}, {"a": "line\nbreak"}, {"a": "é"}, {"a": " padded"},
		{"a": strings.Repeat("x", blob.MaxMetadata)},
	} {
		if _, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{Metadata: m}); err == nil {
			t.Errorf("%.40v: accepted", m)
		}
	}
	full := map[string]string{"a": strings.Repeat("x", blob.MaxMetadata-1)}
	if _, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{Metadata: full}); err != nil {
		t.Errorf("as much as allowed: %v", err)
	}
}

// testGuard: what the guard refuses is not there, also when it was asked once all
// had been read.
func testGuard(t *testing.T, h Harness) {
	open := h.New(t)
	old := content(1, 100)
	put(t, open(), "old", old)
	refused := errors.New("not any more")
	for name, size := range map[string]int{"small": 100, "large": 11 << 20} {
		for _, key := range []string{"old", "new"} {
			data := content(2, size)
			write := func(r io.Reader, guard func() error) error {
				_, err := open().Write(t.Context(), key, r, blob.WriteOptions{Guard: guard, IfAbsent: key == "new"})
				return err
			}
			err := write(bytes.NewReader(data), func() error { return refused })
			wantIs(t, name+": refused", err, refused)
			read := &atEnd{r: bytes.NewReader(data)}
			err = write(read, func() error {
				if read.end {
					return refused
				}
				return nil
			})
			wantIs(t, name+": refused at the end", err, refused)
		}
	}
	wantContent(t, "the old object", get(t, open(), "old", 0, 0), old)
	if diff := cmp.Diff([]string{"old"}, list(t, open(), "", blob.ListOptions{})); diff != "" {
		t.Errorf("after refused writes (-want +got):\n%s", diff)
	}
	asked := 0
	lets := blob.WriteOptions{Guard: func() error { asked++; return nil }}
	if _, err := open().Write(t.Context(), "new", bytes.NewReader(old), lets); err != nil || asked == 0 {
		t.Errorf("let pass: %v, asked %d times", err, asked)
	}
}

// atEnd is a stream that tells when it has been read.
type atEnd struct {
	r   io.Reader
	end bool
}

func (a *atEnd) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.end = a.end || err != nil
	return n, err
}

func testFailingReader(t *testing.T, h Harness) {
	open := h.New(t)
	broken := errors.New("the source broke")
	old := content(1, 100)
	put(t, open(), "old", old)
	for _, n := range []int{0, 10, 6 << 20} {
		for _, key := range []string{"old", "new"} {
			r := io.MultiReader(bytes.NewReader(content(2, n)), iotest.ErrReader(broken))
			_, err := open().Write(t.Context(), key, r, blob.WriteOptions{})
			wantIs(t, fmt.Sprintf("Write from a reader that fails after %d bytes", n), err, broken)
		}
	}
	wantContent(t, "the old object", get(t, open(), "old", 0, 0), old)
	if diff := cmp.Diff([]string{"old"}, list(t, open(), "", blob.ListOptions{})); diff != "" {
		t.Errorf("after failed writes (-want +got):\n%s", diff)
	}
}

func testIfAbsent(t *testing.T, h Harness) {
	open := h.New(t)
	for name, size := range map[string]int{"small": 100, "large": 6 << 20} {
		key := "dir/" + name
		first := content(1, size)
		create := blob.WriteOptions{IfAbsent: true}
		if _, err := open().Write(t.Context(), key, bytes.NewReader(first), create); err != nil {
			t.Fatalf("%s: creating: %v", name, err)
		}
		_, err := open().Write(t.Context(), key, bytes.NewReader(content(2, size)), create)
		wantIs(t, name+": creating again", err, fs.ErrExist)
		_, err = open().Write(t.Context(), key, io.MultiReader(bytes.NewReader(content(2, size))), create)
		wantIs(t, name+": creating again from a stream", err, fs.ErrExist)
		wantContent(t, name, get(t, open(), key, 0, 0), first)

		if err := open().Delete(t.Context(), []string{key}); err != nil {
			t.Fatal(err)
		}
		if _, err := open().Write(t.Context(), key, bytes.NewReader(first), create); err != nil {
			t.Errorf("%s: creating after a delete: %v", name, err)
		}
	}
}

func testIfAbsentRace(t *testing.T, h Harness) {
	open := h.New(t)
	const writers, rounds = 16, 8
	for round := range rounds {
		key := fmt.Sprintf("race/%d", round)
		errs := race(writers, func(i int) error {
			opts := blob.WriteOptions{IfAbsent: true}
			_, err := open().Write(t.Context(), key, bytes.NewReader(content(uint64(i), 1000)), opts)
			return err
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err != nil:
				wantIs(t, "a loser", err, fs.ErrExist)
			case winner >= 0:
				t.Errorf("round %d: writers %d and %d both created the object", round, winner, i)
			default:
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody created the object", round)
		}
		wantContent(t, "the winner's content", get(t, open(), key, 0, 0), content(uint64(winner), 1000))
	}
}

// testReplaceRace reads while writers replace: every read gives one version,
// whole, or an error; never a mix, never a part.
func testReplaceRace(t *testing.T, h Harness) {
	open := h.New(t)
	const writers, each, size = 4, 25, 64 << 10
	version := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size) }
	put(t, open(), "k", version(255))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for s := open(); ; {
				select {
				case <-done:
					return
				default:
				}
				got, err := read(t, s, "k", 0, 0)
				if err == nil && (len(got) != size || !bytes.Equal(got, version(int(got[0])))) {
					t.Errorf("torn read: %s", brief(got))
					return
				}
			}
		})
	}
	for i, err := range race(writers, func(i int) error {
		s := open()
		for range each {
			if _, err := s.Write(t.Context(), "k", bytes.NewReader(version(i)), blob.WriteOptions{}); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Errorf("writer %d: %v", i, err)
		}
	}
	close(done)
	readers.Wait()
	if got := get(t, open(), "k", 0, 0); len(got) != size || !bytes.Equal(got, version(int(got[0]))) {
		t.Errorf("the object is a mix: %s", brief(got))
	}
}

// race runs fn n times at once and returns the errors.
func race(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}
