package resource

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
)

// stream is the snapshot of a handle, as bytes.
func stream(t *testing.T, s *Store) string {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteSnapshot(&b, snapshot); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// reread reads a stream into a new store, and returns it.
func reread(t *testing.T, in io.Reader) (*Store, error) {
	t.Helper()
	s := open(t, new(cas.Memory), patient)
	r, err := s.Restore()
	if err != nil {
		t.Fatal(err)
	}
	if err := ReadSnapshot(in, r); err != nil {
		return nil, err
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, nil
}

func someStore(t *testing.T) *Store {
	t.Helper()
	s := open(t, new(cas.Memory), patient)
	write(t, s, "a", "", "one")
	_, err := s.WriteCAS(t.Context(), &Resource{ID: idOf("b\n"), Status: map[string]Status{"c": fullStatus()}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStreamForm: the form that the documentation shows.
func TestStreamForm(t *testing.T) {
	got := stream(t, open(t, new(cas.Memory), patient))
	const want = `{"format":"resource-snapshot/1","version":"0"}
{"end":{"resources":0,"sha256":"`
	if !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 2 {
		t.Errorf("an empty snapshot: %s", got)
	}
	lines := strings.SplitAfter(stream(t, someStore(t)), "\n")
	const line = `{"resource":{"id":{"type":{"group":"g","group_version":"v1","kind":"k"},"tenancy":{},"name":"a"},` +
		`"version":"1","data":"b25l"}}` + "\n"
	if lines[1] != line {
		t.Errorf("the line of a resource: %s, want %s", lines[1], line)
	}
}

// TestDamagedStream: a stream that was cut short, made longer or changed anywhere is
// ErrCorrupt, or what it holds is refused.
func TestDamagedStream(t *testing.T) {
	whole := stream(t, someStore(t))
	for n := range whole {
		_, err := reread(t, strings.NewReader(whole[:n]))
		wantIs(t, "a stream that was cut short", err, io.ErrUnexpectedEOF)
		wantIs(t, "a stream that was cut short", err, ErrCorrupt)
		flipped := []byte(whole)
		flipped[n] ^= 1
		_, err = reread(t, bytes.NewReader(flipped))
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrInvalid) {
			t.Errorf("byte %d is changed: %v", n, err)
		}
	}
	_, head, _ := strings.Cut(whole, "\n")
	for what, text := range map[string]string{
		"twice":                whole + whole,
		"a byte more":          whole + "\n",
		"another format":       `{"format":"resource-snapshot/2","version":"1"}` + "\n" + head,
		"no head":              head,
		"unknown fields":       `{"format":"resource-snapshot/1","version":"1","more":1}` + "\n" + head,
		"an empty line":        strings.Replace(whole, "\n", "\n{}\n", 1),
		"two values on a line": strings.Replace(whole, "\n", "{}\n", 1),
		"an endless line":      strings.Replace(whole, "\n", strings.Repeat(" ", maxLine)+"\n", 1),
	} {
		_, err := reread(t, strings.NewReader(text))
		wantIs(t, what, err, ErrCorrupt)
	}
	failing := errors.New("failing")
	_, err := reread(t, io.MultiReader(strings.NewReader(whole[:100]), iotest.ErrReader(failing)))
	wantIs(t, "a reader that fails", err, failing)
	if errors.Is(err, ErrCorrupt) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// TestEndlessStream: what has no end takes no more memory than a line.
func TestEndlessStream(t *testing.T) {
	_, err := reread(t, endless{})
	wantIs(t, "a line without end", err, ErrCorrupt)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add([]byte(`{"format":"resource-snapshot/1","version":"3"}` + "\n" +
		`{"resource":{"id":{"type":{"kind":"k"},"tenancy":{},"name":"a"},"version":"1","data":"b25l"}}` + "\n" +
		`{"end":{"resources":1,"sha256":"` + checksum(nil) + `"}}` + "\n"))
	f.Add([]byte(`{"format":"resource-snapshot/1","version":"0"}` + "\n" +
		`{"end":{"resources":0,"sha256":"e7e0b1f7c8d2f6e7"}}` + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := reread(t, bytes.NewReader(in))
		if err == nil {
			wantSameAgain(t, s)
			return
		}
		// Most inputs have a wrong checksum. Read what there is with the right one.
		r := &collected{}
		_ = ReadSnapshot(bytes.NewReader(in), r)
		var b bytes.Buffer
		if err := WriteSnapshot(&b, r); err != nil {
			t.Fatal(err)
		}
		if s, err = reread(t, &b); err == nil {
			wantSameAgain(t, s)
		}
	})
}

func wantSameAgain(t *testing.T, s *Store) {
	t.Helper()
	again, err := reread(t, strings.NewReader(stream(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	unversioned := func(s *Store) (list []*Resource) {
		snapshot, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for r := snapshot.Next(); r != nil; r = snapshot.Next() {
			r.Version = ""
			list = append(list, r)
		}
		return list
	}
	if diff := cmp.Diff(unversioned(s), unversioned(again)); diff != "" {
		t.Errorf("written and read again:\n%s", diff)
	}
}

// collected is a restoration that keeps what is applied, and the snapshot of that.
type collected struct {
	list []*Resource
	last string
}

func (c *collected) Apply(r *Resource) error      { c.list = append(c.list, r); return nil }
func (c *collected) Above(version string) error   { c.last = version; return nil }
func (c *collected) Commit(context.Context) error { return nil }
func (c *collected) Abort()                       {}
func (c *collected) Len() int                     { return len(c.list) }
func (c *collected) Version() string              { return c.last }

func (c *collected) Next() *Resource {
	if len(c.list) == 0 {
		return nil
	}
	r := c.list[0]
	c.list = c.list[1:]
	return r
}
