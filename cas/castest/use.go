package castest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
)

// loopWait is how long a loop over a few records may take. One that is stuck is over
// never, so that it may be long.
const loopWait = time.Minute

// testListLoop: a loop over a List uses the store, by the same handle.
func testListLoop(t *testing.T, h Harness) {
	s := h.New(t)()
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("a/%d", i))
		write(t, s, want[i], "old", "")
	}
	var got []string
	done := make(chan error, 1)
	go func() {
		for e, err := range s.List(t.Context(), "a/", "") {
			if err == nil {
				got = append(got, e.Key)
				err = useInLoop(t, s, e)
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
	for _, key := range want {
		if r := read(t, s, key); string(r.Value) != "new" {
			t.Errorf("%s is %q after the loop has written it", key, r.Value)
		}
	}
}

// useInLoop reads the record that is listed, replaces it, makes another one, deletes that
// where the engine can, and lists all of them.
func useInLoop(t *testing.T, s cas.Store, e cas.Entry) error {
	r, err := s.Read(t.Context(), e.Key, "")
	if err != nil {
		return err
	}
	if _, err := s.Write(t.Context(), e.Key, []byte("new"), r.Token); err != nil {
		return err
	}
	made, err := s.Write(t.Context(), "b/"+e.Key, []byte("x"), "")
	if err != nil {
		return err
	}
	for _, err := range s.List(t.Context(), "", "") {
		if err != nil {
			return err
		}
	}
	if d, ok := s.(cas.Deleter); ok {
		return d.Delete(t.Context(), "b/"+e.Key, made.Token)
	}
	return nil
}

// testAliasing: who changes a value that it has given, or was given, changes no record.
func testAliasing(t *testing.T, h Harness) {
	s := h.New(t)()
	value := []byte("one")
	spoil := func() {
		for i := range value {
			value[i] = 'X'
		}
	}
	written, err := s.Write(t.Context(), "k", value, "")
	if err != nil {
		t.Fatal(err)
	}
	spoil()
	wantRecord(t, s, "k", "one", written.Token)
	value = read(t, s, "k").Value
	spoil()
	wantRecord(t, s, "k", "one", written.Token)
	value = []byte("two")
	r, err := cas.Swap(t.Context(), s, "k", value, written.Token)
	if err != nil {
		t.Fatal(err)
	}
	spoil()
	wantRecord(t, s, "k", "two", r.Token)
}
