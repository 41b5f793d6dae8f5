package v3compat

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

const (
	snapshotName = "snapshots/00000000.snapshot.lz4"
	segmentName  = "wal/00000000_00000000.wal.lz4"
)

func encodeTimes(t testing.TB, times map[string]time.Time) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteTimes(&buf, times); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTimesRoundTrip(t *testing.T) {
	want := map[string]time.Time{
		snapshotName: time.Date(2024, 2, 29, 1, 2, 3, 456789012, time.UTC),
		segmentName:  second(1),
	}
	local := map[string]time.Time{snapshotName: want[snapshotName].In(time.FixedZone("", 3600)),
		segmentName: want[segmentName]}
	data := encodeTimes(t, local)
	wantText := `{
  "version": 1,
  "times": {
    "snapshots/00000000.snapshot.lz4": "2024-02-29T01:02:03.456789012Z",
    "wal/00000000_00000000.wal.lz4": "2024-02-29T00:00:01Z"
  },
  "sha256": "SUM"
}
`
	wantText = strings.Replace(wantText, "SUM", fmt.Sprintf("%x", sha256.Sum256([]byte(
		"snapshots/00000000.snapshot.lz4\n1709168523456789012\nwal/00000000_00000000.wal.lz4\n1709164801000000000\n"))), 1)
	if diff := cmp.Diff(wantText, string(data)); diff != "" {
		t.Error(diff)
	}
	got, err := ReadTimes(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadTimesRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"empty":           "",
		"not JSON":        "2024-02-29",
		"cut":             `{"version":1,"times":{"wal/00000000_00000000.wal.lz4":"2024-02-29T00:00:01Z"`,
		"no version":      `{"times":{}}`,
		"version 2":       `{"version":2,"times":{}}`,
		"no times":        `{"version":1}`,
		"times null":      `{"version":1,"times":null}`,
		"times a list":    `{"version":1,"times":[]}`,
		"a bad time":      `{"version":1,"times":{"a":"yesterday"}}`,
		"a number":        `{"version":1,"times":{"a":1709164801}}`,
		"time zero":       `{"version":1,"times":{"a":"0001-01-01T00:00:00Z"}}`,
		"null for a time": `{"version":1,"times":{"a":null}}`,
		"trailing text":   `{"version":1,"times":{}} x`,
		"two times": `{"version":1,"times":{"wal/00000000_00000000.wal.lz4":"2024-02-29T00:00:01Z",` +
			`"wal/00000000_00000000.wal.lz4":"2024-02-29T00:00:02Z"}}`,
		"a wrong sum":     `{"version":1,"times":{},"sha256":"00"}`,
		"a sum before it": `{"version":1,"sha256":"00","times":{}}`,
		"two objects":     `{"version":1,"times":{}}{"version":1,"times":{}}`,
	} {
		if got, err := ReadTimes(strings.NewReader(data)); !errors.Is(err, ErrTimes) {
			t.Errorf("%s: %v, %v, want ErrTimes", name, got, err)
		}
	}
}

// A file with no end is not read to the end.
func TestReadTimesBound(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"spaces": repeat("          "),
		"times": io.MultiReader(strings.NewReader(`{"version":1,"times":{"a":"2024-02-29T00:00:01Z"`),
			repeat(`,"a":"2024-02-29T00:00:01Z"`)),
		"spaces after it": io.MultiReader(strings.NewReader(`{"version":1,"times":{}}`), repeat("          ")),
	} {
		counter := &countReader{r: r}
		if _, err := ReadTimes(counter); !errors.Is(err, ErrTimes) || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %v, want an error about the size", name, err)
		}
		if counter.n > maxTimesSize+1 {
			t.Errorf("%s: %d bytes were read", name, counter.n)
		}
	}
}

type repeat string

func (s repeat) Read(p []byte) (int, error) {
	n := 0
	for n == 0 || n+len(s) <= len(p) { // whole ones, so that what is read makes sense
		n += copy(p[n:], s)
	}
	return n, nil
}

type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestWriteTimesRefuses(t *testing.T) {
	for _, name := range []string{"", "times.json", "00000000.snapshot.lz4", "wal/00000000.snapshot.lz4", "wal/x",
		"generations/" + genID + "/" + segmentName} {
		var buf bytes.Buffer
		if err := WriteTimes(&buf, map[string]time.Time{name: second(1)}); err == nil || buf.Len() > 0 {
			t.Errorf("name %q: %v, and %d bytes written", name, err, buf.Len())
		}
	}
	if err := WriteTimes(io.Discard, map[string]time.Time{segmentName: {}}); err == nil {
		t.Error("time zero was accepted")
	}
}

// withTimes is a generation of one snapshot and one segment with a times.json.
func withTimes(t testing.TB, times []byte) *blob.Memory {
	store := blob.NewMemory()
	prefix := GenerationPrefix(genID)
	putAt(t, store, prefix+snapshotName, compress(t, nil), second(50))
	putAt(t, store, prefix+segmentName, compress(t, nil), second(51))
	put(t, store, prefix+TimesName, times)
	return store
}

func TestListingsWithTimes(t *testing.T) {
	store := withTimes(t, encodeTimes(t, map[string]time.Time{snapshotName: second(1), segmentName: second(2)}))
	s := &spy{Reader: store}
	r := New(s)
	snapshots, err := r.Snapshots(t.Context(), genID)
	if err != nil || len(snapshots) != 1 || !snapshots[0].CreatedAt.Equal(second(1)) {
		t.Errorf("snapshots %v, %v, want one of %v", snapshots, err, second(1))
	}
	segments, err := r.WALSegments(t.Context(), genID)
	if err != nil || len(segments) != 1 || !segments[0].CreatedAt.Equal(second(2)) {
		t.Errorf("segments %v, %v, want one of %v", segments, err, second(2))
	}
	if s.lists != 2 || s.opens != 2 || s.stats != 0 {
		t.Errorf("two listings cost %+v, want 2 lists and 2 opens", *s)
	}

	put(t, store, TimesKey(genID), encodeTimes(t, map[string]time.Time{snapshotName: second(9), segmentName: second(2)}))
	if snapshots, err = r.Snapshots(t.Context(), genID); err != nil || !snapshots[0].CreatedAt.Equal(second(9)) {
		t.Errorf("after the times changed: %v, %v, want %v", snapshots, err, second(9))
	}
}

// There is no fallback to the store's times.
func TestListingsWithUnusableTimes(t *testing.T) {
	for name, times := range map[string][]byte{
		"malformed":         []byte("{"),
		"mentions neither":  []byte(`{"version":1,"times":{}}`),
		"under other names": encodeTimes(t, map[string]time.Time{"wal/00000000_0000000000000000.wal.lz4": second(1)}),
	} {
		r := New(withTimes(t, times))
		_, err1 := r.Snapshots(t.Context(), genID)
		_, err2 := r.WALSegments(t.Context(), genID)
		for i, err := range []error{err1, err2} {
			if !errors.Is(err, ErrTimes) || !strings.Contains(err.Error(), TimesKey(genID)) {
				t.Errorf("%s, listing %d: %v, want ErrTimes and the key", name, i+1, err)
			}
		}
	}
}

func TestTimesSizeIsCheckedFirst(t *testing.T) {
	store := withTimes(t, make([]byte, maxTimesSize+1))
	s := &spy{Reader: store}
	if _, err := New(s).WALSegments(t.Context(), genID); !errors.Is(err, ErrTimes) {
		t.Errorf("got %v, want ErrTimes", err)
	}
	if s.opens != 0 {
		t.Error("it was opened all the same")
	}
}

func TestPaddedNameHasItsOwnTime(t *testing.T) {
	store := blob.NewMemory()
	name := "wal/00000000_0000000000000000.wal.lz4"
	put(t, store, GenerationPrefix(genID)+name, compress(t, nil))
	put(t, store, TimesKey(genID), encodeTimes(t, map[string]time.Time{name: second(3)}))
	segments, err := New(store).WALSegments(t.Context(), genID)
	if err != nil || len(segments) != 1 || !segments[0].CreatedAt.Equal(second(3)) {
		t.Errorf("got %v, %v, want one of %v", segments, err, second(3))
	}
}

func FuzzTimes(f *testing.F) {
	f.Add(encodeTimes(f, map[string]time.Time{snapshotName: second(1), segmentName: second(2)}))
	f.Add([]byte(`{"version":1,"times":{"a":"2024-02-29T00:00:01.000000001+01:00"}}`))
	for _, data := range realNames(f, TimesName) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		times, err := ReadTimes(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrTimes) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		for name := range times {
			if !isObjectName(name) {
				delete(times, name)
			}
		}
		var buf bytes.Buffer
		if err := WriteTimes(&buf, times); err != nil {
			return // a year that RFC 3339 has no place for
		}
		again, err := ReadTimes(&buf)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(times, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestTimesFlips: whichever bit of a times.json is wrong, no object gets another time.
func TestTimesFlips(t *testing.T) {
	want := map[string]time.Time{snapshotName: second(1), segmentName: second(2)}
	sound := encodeTimes(t, want)
	refused := 0
	for bit := range 8 * len(sound) {
		b := bytes.Clone(sound)
		b[bit/8] ^= 1 << (bit % 8)
		got, err := ReadTimes(bytes.NewReader(b))
		if err == nil && !maps.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("bit %d, %q: got %v", bit, b[bit/8], got)
		} else if err != nil {
			refused++
		}
	}
	if refused < 4*len(sound) {
		t.Errorf("%d of %d flips were refused", refused, 8*len(sound))
	}
}

// TestReadTimesMemory: a times.json of nearly the largest size takes memory for its
// entries only. The bound is on what is alive, which a collector's pace cannot change.
func TestReadTimesMemory(t *testing.T) {
	const entries = 880_000
	r := &timesStream{entries: entries}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r.atEnd = func() {
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	times, err := ReadTimes(r)
	if err != nil || len(times) != entries {
		t.Fatalf("%d times, %v", len(times), err)
	}
	if alive := int64(after.HeapAlloc) - int64(before.HeapAlloc); alive > 160<<20 {
		t.Errorf("%d MiB are alive when %d MiB were read", alive>>20, r.n>>20)
	}
}

// timesStream makes a times.json as it is read.
type timesStream struct {
	entries, next int
	rest          []byte
	n             int64
	atEnd         func()
}

func (s *timesStream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		switch {
		case s.next == 0:
			s.rest = []byte(`{"version":1,"times":{`)
		case s.next <= s.entries:
			s.rest = fmt.Appendf(nil, "%q:%q,", WALDir+FormatWALSegmentName(s.next, 0), second(s.next).Format(time.RFC3339Nano))
			if s.next == s.entries {
				s.rest = s.rest[:len(s.rest)-1]
			}
		case s.next == s.entries+1:
			s.rest = []byte("}}")
			s.atEnd()
		default:
			return 0, io.EOF
		}
		s.next++
	}
	n := copy(p, s.rest)
	s.rest, s.n = s.rest[n:], s.n+int64(n)
	return n, nil
}
