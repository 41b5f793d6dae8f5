package kv_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/kv"
)

// TestRepeatedOnS3: a proxy sends a write twice, somebody else writes in between, and the
// second is refused. The operation was done, and is not called refused.
func TestRepeatedOnS3(t *testing.T) {
	for name, op := range map[string]func(s *kv.Store) error{
		"Create": func(s *kv.Store) error {
			_, err := s.Create(t.Context(), kv.Record{Key: "new", Value: []byte("mine")})
			return err
		},
		"CasByVersion": func(s *kv.Store) error {
			_, err := s.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("mine"), Version: 1})
			return err
		},
		"Delete": func(s *kv.Store) error { return s.Delete(t.Context(), "k") },
	} {
		for _, others := range []int{1, 7, 30} {
			t.Run(fmt.Sprint(name, " and ", others), func(t *testing.T) {
				srv := fakes3.New(t)
				open := func() *kv.Store {
					s, err := kv.New(fakeBucket(t, srv), kv.Options{})
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				other := open()
				if _, err := other.Create(t.Context(), kv.Record{Key: "k"}); err != nil {
					t.Fatal(err)
				}
				srv.Fail(fakes3.Rule{Match: isRecordPut, Fault: func(w http.ResponseWriter, c *fakes3.Call) {
					c.Apply()
					for range others {
						change(t, other, kv.Key(strings.TrimPrefix(c.Key, "some/prefix/kv/record/")))
					}
					c.Send(w)
				}})
				err := op(open())
				if others == 30 && errors.Is(err, cas.ErrIndeterminate) {
					return
				}
				if err != nil {
					t.Errorf("it was done, and the error is %v", err)
				}
				if records, err := other.GetRange(t.Context(), "", ""); err != nil || len(records) == 0 {
					t.Errorf("what others have written since is gone: %v, %v", records, err)
				}
			})
		}
	}
}

func isRecordPut(r fakes3.Request) bool {
	return r.Op == "PutObject" && strings.Contains(r.Key, "kv/record/")
}

// change gives a record another value, whether or not it is there.
func change(t *testing.T, s *kv.Store, key kv.Key) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if errors.Is(err, kv.ErrNotFound) {
		_, err = s.Create(t.Context(), kv.Record{Key: key, Value: []byte("theirs")})
	} else if err == nil {
		_, err = s.CasByVersion(t.Context(), r)
	}
	if err != nil {
		t.Error(err)
	}
}
