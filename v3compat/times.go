package v3compat

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
)

const (
	timesVersion = 1

	// maxTimesSize bounds times.json: some 900,000 objects.
	maxTimesSize = 64 << 20
)

// ReadTimes decodes a times.json: for each object of a generation, by its key
// below the generation ("snapshots/00000000.snapshot.lz4"), when it was written.
//
//	{"version": 1, "times": {"snapshots/<name>": "<RFC 3339>", "wal/<name>": ...}, "sha256": "<hex>"}
//
// The field sha256 may be missing, as in a file that was written by hand. If it is
// there, it has to be that of the entries in their order: for each, the name, the time
// in nanoseconds since 1970 as a decimal number, and a newline after either.
//
// A file that is malformed, of another version, or larger than 64 MiB is [ErrTimes]. So is
// a time of zero, since it would read as no time at all, and a name with two times. Names
// that no object of a generation can have are allowed, and left out. Memory is for the
// result: the file is not held.
func ReadTimes(r io.Reader) (map[string]time.Time, error) {
	in := &boundedReader{r: r, left: maxTimesSize}
	f := timesReader{dec: json.NewDecoder(in), sum: sha256.New()}
	err := f.read()
	if in.err != nil {
		return nil, in.err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTimes, err)
	}
	return f.times, nil
}

// boundedReader fails where there is more than it may read. It keeps its own error,
// which a decoder may replace.
type boundedReader struct {
	r    io.Reader
	left int
	err  error
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		b.err = fmt.Errorf("%w: larger than %d bytes", ErrTimes, maxTimesSize)
		return 0, b.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// timesReader decodes token by token.
type timesReader struct {
	dec     *json.Decoder
	version int
	times   map[string]time.Time
	sum     hash.Hash // of the entries
	wanted  string    // the field sha256, if there is one
}

func (f *timesReader) read() error {
	if err := f.object(f.field); err != nil {
		return err
	}
	switch _, err := f.dec.Token(); {
	case !errors.Is(err, io.EOF):
		return errors.New("there is something behind it")
	case f.version != timesVersion:
		return fmt.Errorf("version %d, want %d", f.version, timesVersion)
	case f.times == nil:
		return errors.New("no times in it")
	case f.wanted != "" && f.wanted != hex.EncodeToString(f.sum.Sum(nil)):
		return errors.New("its checksum is wrong: it was changed or damaged")
	}
	return nil
}

// object calls value for each name of an object, to decode what follows.
func (f *timesReader) object(value func(name string) error) error {
	if err := f.delimiter('{'); err != nil {
		return err
	}
	for f.dec.More() {
		token, err := f.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return cmp.Or(err, errors.New("a name is missing"))
		}
		if err := value(name); err != nil {
			return err
		}
	}
	return f.delimiter('}')
}

func (f *timesReader) delimiter(want json.Delim) error {
	token, err := f.dec.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v, where %v is expected", token, want)
	}
	return err
}

func (f *timesReader) field(name string) error {
	switch name {
	case "version":
		return f.dec.Decode(&f.version)
	case "times":
		f.times = make(map[string]time.Time)
		return f.object(f.entry)
	case "sha256":
		return f.dec.Decode(&f.wanted)
	}
	var other json.RawMessage
	return f.dec.Decode(&other)
}

func (f *timesReader) entry(name string) error {
	token, err := f.dec.Token()
	if err != nil {
		return err
	}
	text, ok := token.(string)
	if !ok {
		return fmt.Errorf("%s has no time", name)
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return err
	case at.IsZero():
		return fmt.Errorf("%s has time zero", name)
	}
	addEntry(f.sum, name, at)
	if !isObjectName(name) {
		return nil
	}
	if before, ok := f.times[name]; ok && !before.Equal(at) {
		return fmt.Errorf("%s has two times", name)
	}
	f.times[name] = at
	return nil
}

func addEntry(sum hash.Hash, name string, at time.Time) {
	_, _ = fmt.Fprintf(sum, "%s\n%d\n", name, at.UnixNano())
}

// WriteTimes encodes a times.json that [ReadTimes] takes, one object per line.
// It refuses names that are no objects of a generation, and times of zero.
func WriteTimes(w io.Writer, times map[string]time.Time) error {
	for name, t := range times {
		if !isObjectName(name) {
			return fmt.Errorf("write times: %q is neither a snapshot nor a WAL segment", name)
		}
		if t.IsZero() {
			return fmt.Errorf("write times: %s has time zero", name)
		}
	}
	out, sum, separator := bufio.NewWriter(w), sha256.New(), "\n"
	_, _ = fmt.Fprintf(out, "{\n  \"version\": %d,\n  \"times\": {", timesVersion)
	for _, name := range slices.Sorted(maps.Keys(times)) { // it needs no escapes: see isObjectName
		at := times[name].UTC()
		addEntry(sum, name, at)
		_, _ = fmt.Fprintf(out, "%s    %q: %q", separator, name, at.Format(time.RFC3339Nano))
		separator = ",\n"
	}
	_, _ = fmt.Fprintf(out, "\n  },\n  \"sha256\": \"%x\"\n}\n", sum.Sum(nil))
	if err := out.Flush(); err != nil { // which has the error of any write before
		return fmt.Errorf("write times: %w", err)
	}
	return nil
}

// objectTimes are the times of a generation's objects: those of its times.json
// where there is one, and the store's where there is none. Never a mixture.
type objectTimes struct {
	key   string
	times map[string]time.Time // nil: no times.json
}

func (t objectTimes) of(name string, stored time.Time) (time.Time, error) {
	if t.times == nil {
		return stored, nil
	}
	at, ok := t.times[name]
	if !ok {
		return time.Time{}, fmt.Errorf("%s: %w: it does not mention %s", t.key, ErrTimes, name)
	}
	return at, nil
}

// loadTimes reads the times.json that a listing has come across.
func (r *Reader) loadTimes(ctx context.Context, info blob.Info) (objectTimes, error) {
	key := strings.TrimSuffix(info.Key, "/")
	if info.IsPrefix() {
		return objectTimes{}, &ObjectError{key, fmt.Errorf("%w: a directory stands in its place", ErrTimes)}
	}
	if info.Size > maxTimesSize {
		return objectTimes{}, &ObjectError{info.Key, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTimes, info.Size,
			maxTimesSize)}
	}
	rc, err := r.from().Open(ctx, info.Key, 0, 0)
	if blob.IsObjects(err) {
		return objectTimes{}, &ObjectError{key, fmt.Errorf("%w: %w", ErrTimes, err)}
	} else if err != nil {
		return objectTimes{}, err
	}
	defer rc.Close()
	times, err := ReadTimes(rc)
	if err != nil {
		return objectTimes{}, &ObjectError{info.Key, err}
	}
	return objectTimes{key: info.Key, times: times}, nil
}
