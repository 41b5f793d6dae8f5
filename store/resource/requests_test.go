package resource

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

// wantRequests checks what was asked of the store since the last time. Keys are without
// the common part.
func wantRequests(t *testing.T, s *tap, what string, want ...string) {
	t.Helper()
	got := s.take()
	for i := range got {
		got[i] = strings.Replace(got[i], "resource/", "", 1)
	}
	if strings.Contains(what, "changes") {
		slices.Sort(got) // some are at the same time
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests of %s (-want +got):\n%s", what, diff)
	}
}

// TestRequests is the table of costs in the package's comment.
func TestRequests(t *testing.T) {
	memory := new(cas.Memory)
	s := &tap{Store: memory}
	patient := Options{Interval: patient.Interval} // without a checkpoint
	a, b := open(t, s, patient), open(t, &tap{Store: memory}, patient)
	text(t, a)
	wantRequests(t, s, "a first read", "read head")
	x := write(t, a, "x", "", "1")
	wantRequests(t, s, "the first write of a store", "read head", "write head", "write log/0001")
	x = write(t, a, "x", x.Version, "2")
	wantRequests(t, s, "a write", "write log/0002")
	text(t, a)
	wantRequests(t, s, "a strong list", "read log/0003")
	if _, err := a.Read(t.Context(), Eventual, x.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ListByOwner(t.Context(), x.ID); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, s, "an eventual read")
	_, err := a.WriteCAS(t.Context(), &Resource{ID: x.ID})
	wantIs(t, "a write", err, ErrCASFailure)
	wantRequests(t, s, "a refused write", "read log/0003")
	if err := a.DeleteCAS(t.Context(), idOf("nothing"), "1"); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, s, "deleting nothing", "read log/0003")

	y := write(t, b, "y", "", "1")
	write(t, a, "x", x.Version, "3")
	wantRequests(t, s, "a write that lost a race", "write log/0003", "read log/0003", "write log/0004")
	for range 3 {
		y = write(t, b, "y", y.Version, "")
	}
	text(t, a)
	wantRequests(t, s, "a read of three changes", "read log/0005", "read log/0006", "read log/0007", "read log/0008")
	if err := a.DeleteCAS(t.Context(), y.ID, y.Version); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, s, "a delete", "write log/0008")
	w, err := a.WatchList(t.Context(), typ.Unversioned(), Tenancy{}, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantRequests(t, s, "a new watch and its snapshot", "read log/0009")
	fresh := &tap{Store: memory}
	c := open(t, fresh, patient)
	text(t, c)
	if got := fresh.take(); len(got) > 1+9+maxAhead || got[0] != "read resource/head" {
		t.Errorf("requests of a new handle: %q", got)
	}
}

// TestCheckpointRequests: C+3, for C chunks that have changed, and one more for each
// key of a chunk that the handle does not know.
func TestCheckpointRequests(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, patient)
	x := write(t, a, "x", "", "1")
	for round := range 3 {
		var log []string
		for len(log) < 2 {
			s.take()
			x = write(t, a, "x", x.Version, "1")
			settle(a)
			log = places(s.take())
		}
		want := []string{"write log", "read head", "read state", "write state", "write log", "write head"}
		if round == 2 {
			want = slices.Delete(want, 2, 3)
		}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("round %d: requests of a write with a checkpoint (-want +got):\n%s", round, diff)
		}
	}
}

// places is a log without the numbers of keys.
func places(log []string) (places []string) {
	for _, l := range log {
		l = strings.Replace(l, " resource/", " ", 1)
		place, _, _ := strings.Cut(l, "/")
		places = append(places, place)
	}
	return places
}

// settle waits for a checkpoint that a write has started.
func settle(s *Store) {
	s.turn <- struct{}{}
	s.give()
}

// TestSharedRequests: what arrives while a write is under way shares the next.
func TestSharedRequests(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, Options{})
	write(t, a, "first", "", "")
	s.take()
	a.turn <- struct{}{} // as a write that is under way
	const n = 50
	done := make(chan error, 2*n)
	for i := range n {
		go func() {
			_, err := a.WriteCAS(t.Context(), &Resource{ID: idOf(string(rune('a' + i)))})
			done <- err
		}()
	}
	for proposed := 0; proposed < n; {
		a.mu.Lock()
		proposed = len(a.proposals)
		a.mu.Unlock()
	}
	a.give()
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantRequests(t, s, "50 writes", "write log/0002")
}

// TestS3Requests counts what a server sees.
func TestS3Requests(t *testing.T) {
	srv := fakes3.New(t)
	records, err := s3.OpenRecords(t.Context(), s3.Config{
		Bucket: srv.Bucket, Endpoint: srv.URL, AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, records, patient)
	x := write(t, a, "x", "", "1")
	srv.Reset()
	x = write(t, a, "x", x.Version, "2")
	if got := srv.Count(""); got != 1 || srv.Count("PutObject") != 1 {
		t.Errorf("a write makes %d requests", got)
	}
	srv.Reset()
	if _, err := a.Read(t.Context(), Strong, x.ID); err != nil {
		t.Fatal(err)
	}
	if got := srv.Count(""); got != 1 || srv.Count("GetObject") != 1 {
		t.Errorf("a strong read makes %d requests", got)
	}
}

// TestUnavailable: a store that does not answer is ErrInconsistent for what needs it,
// and no obstacle for an eventual read.
func TestUnavailable(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, Options{Interval: 1})
	x := write(t, a, "x", "", "1")
	if _, err := a.Read(t.Context(), Strong, x.ID); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.fail = func(string, string) error { return errDown }
	s.mu.Unlock()
	if _, err := a.Read(t.Context(), Eventual, x.ID); err != nil {
		t.Errorf("an eventual read: %v", err)
	}
	_, err := a.Read(t.Context(), Strong, x.ID)
	wantIs(t, "a strong read", err, ErrInconsistent)
	wantIs(t, "a strong read", err, errDown)
	_, err = a.WriteCAS(t.Context(), x)
	wantIs(t, "a write", err, ErrInconsistent)
	_, err = a.WatchList(t.Context(), typ.Unversioned(), Tenancy{}, "")
	wantIs(t, "a watch", err, ErrInconsistent)
	_, err = open(t, s, Options{}).Read(t.Context(), Eventual, x.ID)
	wantIs(t, "an eventual read of a handle that knows nothing", err, ErrInconsistent)
	s.recover()
	if got, want := text(t, a), "x=1@1 "; got != want {
		t.Errorf("after that: got %s, want %s", got, want)
	}
}

// TestWatchUnavailable: a watch tells that the store does not answer, and goes on after that.
func TestWatchUnavailable(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, Options{Interval: 1})
	write(t, a, "x", "", "1")
	w, err := a.WatchList(t.Context(), typ.Unversioned(), Tenancy{}, "")
	for range 2 {
		if err == nil {
			_, err = w.Next(t.Context())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.fail = func(string, string) error { return errDown }
	s.mu.Unlock()
	_, err = w.Next(t.Context())
	wantIs(t, "Next", err, ErrInconsistent)
	wantIs(t, "Next", err, errDown)
	s.recover()
	write(t, open(t, s.Store, Options{}), "y", "", "1")
	for {
		e, err := w.Next(t.Context())
		if errors.Is(err, errDown) {
			continue // from before
		}
		if err != nil || e.Resource.ID.Name != "y" {
			t.Errorf("Next: %v, %v", e, err)
		}
		return
	}
}
