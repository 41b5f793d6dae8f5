package blobtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
)

// loopWait is how long a loop over a few objects may take. One that is stuck is over
// never, so that it may be long.
const loopWait = time.Minute

// testListLoop: a loop over a List uses the store, by the same handle.
func testListLoop(t *testing.T, h Harness) {
	s := h.New(t)()
	var want, got []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("a/%d", i))
		put(t, s, want[i], []byte("old"))
	}
	done := make(chan error, 1)
	go func() {
		for info, err := range s.List(t.Context(), "a/", blob.ListOptions{}) {
			if err == nil {
				got = append(got, info.Key)
				err = useInLoop(t, s, info)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the loop shows %q, %v, want %q", got, err, want)
		}
	case <-time.After(loopWait):
		t.Fatal("a loop that uses the store is stuck")
	}
	if left := list(t, s, "", blob.ListOptions{}); len(left) != 0 {
		t.Errorf("the loop has deleted everything, and there is %q", left)
	}
}

// useInLoop reads the object that is listed, writes another one, lists all of them, and
// deletes both.
func useInLoop(t *testing.T, s blob.Store, info blob.Info) error {
	if _, err := read(t, s, info.Key, 0, 0); err != nil {
		return err
	}
	other := "b/" + info.Key
	if _, err := s.Write(t.Context(), other, bytes.NewReader([]byte("x")), blob.WriteOptions{}); err != nil {
		return err
	}
	for _, err := range s.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			return err
		}
	}
	return s.Delete(t.Context(), []string{info.Key, other})
}

// testAliasing: who changes metadata or content that it has given, or was given, changes
// no object.
func testAliasing(t *testing.T, h Harness) {
	s := h.New(t)()
	data, given := content(1, 1000), map[string]string{"lease-owner": "host:42"}
	info, err := s.Write(t.Context(), "k", bytes.NewReader(data), blob.WriteOptions{Metadata: given})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := s.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(shown.Metadata)
	wantSame := func(what string) {
		t.Helper()
		wantContent(t, "after a change of "+what, get(t, s, "k", 0, 0), content(1, 1000))
		if now, err := s.Stat(t.Context(), "k"); err != nil || !maps.Equal(now.Metadata, want) {
			t.Errorf("after a change of %s: metadata %v, %v, want %v", what, now.Metadata, err, want)
		}
	}
	clear(data)
	wantSame("the content that was given")
	for what, m := range map[string]map[string]string{
		"the metadata that were given": given, "what Write returned": info.Metadata, "what Stat returned": shown.Metadata,
	} {
		if m != nil {
			m["lease-owner"] = "nobody"
			wantSame(what)
		}
	}
	rc, err := s.Open(t.Context(), "k", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if d, ok := rc.(blob.Describer); ok {
		if described, ok := d.Describe(); ok && described.Metadata != nil {
			described.Metadata["lease-owner"] = "nobody"
			wantSame("what Describe returned")
		}
	}
}
