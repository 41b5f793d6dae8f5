package blobtest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

// tree holds names whose order differs between bytes of keys and names of
// directories: "/" sorts after "." and "-", before digits and letters.
var tree = []string{
	"a-b", "a.txt", "a/b", "a/b.c", "a/b0", "a/c/d", "a/c/e/f", "a/z", "a0", "a1/x",
	"b/0000000000000001-0000000000000001.ltx", "b/0000000000000002-000000000000000a.ltx",
	"b/000000000000000b-000000000000000b.ltx", "c", "é/ü",
}

func plant(t *testing.T, h Harness) blob.Store {
	t.Helper()
	open := h.New(t)
	s := open()
	for i := range tree { // in an order of its own
		put(t, s, tree[(i*7)%len(tree)], []byte("x"))
	}
	return open()
}

func testListOrder(t *testing.T, h Harness) {
	s := plant(t, h)
	if diff := cmp.Diff(tree, list(t, s, "", blob.ListOptions{})); diff != "" {
		t.Errorf("the whole store (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tree[2:8], list(t, s, "a/", blob.ListOptions{})); diff != "" {
		t.Errorf("below a/ (-want +got):\n%s", diff)
	}
	for info, err := range s.List(t.Context(), "a/b/", blob.ListOptions{}) {
		if err == nil { // an error is an engine's right
			t.Errorf("below an object: %q", info.Key)
		}
	}
}

func testListAfter(t *testing.T, h Harness) {
	s := plant(t, h)
	for i := range tree {
		for _, after := range []string{tree[i], tree[i] + "0"} {
			want := []string{}
			for _, key := range tree {
				if key > after {
					want = append(want, key)
				}
			}
			if diff := cmp.Diff(want, list(t, s, "", blob.ListOptions{After: after})); diff != "" {
				t.Errorf("after %q (-want +got):\n%s", after, diff)
			}
		}
	}
	got := list(t, s, "b/", blob.ListOptions{After: "b/000000000000000b", Delimited: true})
	if diff := cmp.Diff([]string{"b/000000000000000b-000000000000000b.ltx"}, got); diff != "" {
		t.Errorf("seek in one level (-want +got):\n%s", diff)
	}
}

func testListDelimited(t *testing.T, h Harness) {
	s := plant(t, h)
	for prefix, want := range map[string][]string{
		"":     {"a-b", "a.txt", "a/", "a0", "a1/", "b/", "c", "é/"},
		"a/":   {"a/b", "a/b.c", "a/b0", "a/c/", "a/z"},
		"a/c/": {"a/c/d", "a/c/e/"},
	} {
		if diff := cmp.Diff(want, list(t, s, prefix, blob.ListOptions{Delimited: true})); diff != "" {
			t.Errorf("level %q (-want +got):\n%s", prefix, diff)
		}
	}
	for info, err := range s.List(t.Context(), "", blob.ListOptions{Delimited: true, After: "a.txt"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsPrefix() || info.Key != "a/" {
			t.Errorf("after a.txt: got %+v, want the prefix a/", info)
		}
		break
	}
}

// testListMany crosses the page size of every store we know (1,000 keys).
func testListMany(t *testing.T, h Harness) {
	open := h.New(t)
	const n = 2345
	want := make([]string, n)
	for i := range n {
		want[i] = fmt.Sprintf("many/%08x", i*3)
	}
	errs := race(8, func(w int) error {
		s := open()
		for i := w; i < n; i += 8 {
			put(t, s, want[i], nil)
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, list(t, open(), "many/", blob.ListOptions{Delimited: true})); diff != "" {
		t.Errorf("all of them (-want +got):\n%s", diff)
	}
	after := blob.ListOptions{After: want[n-11], Delimited: true}
	if diff := cmp.Diff(want[n-10:], list(t, open(), "many/", after)); diff != "" {
		t.Errorf("the last ten (-want +got):\n%s", diff)
	}
}

func testListBreak(t *testing.T, h Harness) {
	s := plant(t, h)
	for range 3 {
		n := 0
		for _, err := range s.List(t.Context(), "", blob.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 {
				break
			}
		}
	}
	// The same sequence can be walked again, from the start.
	seq := s.List(t.Context(), "a/", blob.ListOptions{})
	for range 2 {
		n := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 6 {
			t.Errorf("walk: %d keys, want 6", n)
		}
	}
}

func testListLimit(t *testing.T, h Harness) {
	s := plant(t, h)
	for limit := 1; limit <= len(tree)+1; limit++ {
		got := list(t, s, "", blob.ListOptions{Limit: limit})
		if diff := cmp.Diff(tree[:min(limit, len(tree))], got); diff != "" {
			t.Errorf("at most %d (-want +got):\n%s", limit, diff)
		}
	}
	for _, c := range []struct {
		prefix string
		opts   blob.ListOptions
		want   []string
	}{
		{"", blob.ListOptions{After: "a.txt", Delimited: true, Limit: 2}, []string{"a/", "a0"}},
		{"a/", blob.ListOptions{After: "a/b", Limit: 3}, []string{"a/b.c", "a/b0", "a/c/d"}},
		{"a/", blob.ListOptions{After: "a/c/d", Limit: 5}, []string{"a/c/e/f", "a/z"}},
	} {
		if diff := cmp.Diff(c.want, list(t, s, c.prefix, c.opts)); diff != "" {
			t.Errorf("List(%q, %+v) (-want +got):\n%s", c.prefix, c.opts, diff)
		}
	}
	n := 0
	for info, err := range s.List(t.Context(), "", blob.ListOptions{Limit: -1}) {
		if n++; err == nil || n > 1 {
			t.Errorf("a negative limit yields %q, error %v", info.Key, err)
		}
	}
	if n == 0 {
		t.Error("a negative limit is no error")
	}
}

func testListInvalid(t *testing.T, h Harness) {
	s := plant(t, h)
	for _, c := range []struct {
		prefix string
		opts   blob.ListOptions
	}{
		{"a", blob.ListOptions{}},
		{"/", blob.ListOptions{}},
		{"../", blob.ListOptions{}},
		{"a/../", blob.ListOptions{}},
		{"a//", blob.ListOptions{}},
		{"a/", blob.ListOptions{After: "b/c"}},
		{"a/", blob.ListOptions{After: "a/c/d", Delimited: true}},
	} {
		var errs []error
		for info, err := range s.List(t.Context(), c.prefix, c.opts) {
			if err == nil {
				t.Errorf("List(%q, %+v) yields %q", c.prefix, c.opts, info.Key)
			}
			errs = append(errs, err)
		}
		if len(errs) != 1 {
			t.Errorf("List(%q, %+v): %d errors, want 1", c.prefix, c.opts, len(errs))
			continue
		}
		wantIs(t, fmt.Sprintf("List(%q, %+v)", c.prefix, c.opts), errs[0], blob.ErrInvalidKey)
	}
}
