package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
)

// tap is a store that logs what is asked of it, and fails as told.
type tap struct {
	cas.Store
	mu   sync.Mutex
	log  []string
	fail func(op, key string) error
}

func (s *tap) see(op, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, op+" "+key)
	if s.fail == nil {
		return nil
	}
	return s.fail(op, key)
}

func (s *tap) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if err := s.see("read", key); err != nil {
		return cas.Record{}, err
	}
	return s.Store.Read(ctx, key, known)
}

func (s *tap) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if err := s.see("write", key); err != nil {
		return cas.Written{}, err
	}
	return s.Store.Write(ctx, key, value, expect)
}

// take returns the log, and begins a new one.
func (s *tap) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

var errDown = errors.New("the store is down")

// failFrom has the nth write, from now, and all after it fail.
func (s *tap) failFrom(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = func(op, _ string) error {
		if op == "write" {
			n--
		}
		if n < 0 {
			return errDown
		}
		return nil
	}
}

func (s *tap) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = nil
}

// patient does not ask on its own while a test runs, with a log that comes round soon.
var patient = Options{Interval: time.Hour, LogRecords: 64}

func open(t *testing.T, s cas.Store, opts Options) *Store {
	t.Helper()
	h, err := Open(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

var typ = Type{Group: "g", GroupVersion: "v1", Kind: "k"}

func idOf(name string) ID { return ID{Type: typ, Name: name} }

func write(t *testing.T, s *Store, name, version, data string) *Resource {
	t.Helper()
	r, err := s.WriteCAS(t.Context(), &Resource{ID: idOf(name), Version: version, Data: []byte(data)})
	if err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return r
}

// text is the strong list of a handle.
func text(t *testing.T, s *Store) string {
	t.Helper()
	l, err := s.List(t.Context(), Strong, typ.Unversioned(), Tenancy{}, "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range l {
		fmt.Fprintf(&b, "%s=%.20s@%s ", r.ID.Name, r.Data, r.Version)
	}
	return b.String()
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}
