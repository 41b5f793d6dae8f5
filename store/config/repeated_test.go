package config_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/config"
)

// lying is a store that applies the first write of a head, lets somebody else write, and
// then calls the write refused: what becomes of a request that a proxy has repeated,
// on an engine that believes each refusal.
type lying struct {
	cas.Store
	between func()
}

func (s *lying) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := s.Store.Write(ctx, key, value, expect)
	if err != nil || s.between == nil || !strings.HasPrefix(key, config.HeadsPrefix) {
		return written, err
	}
	s.between()
	s.between = nil
	return cas.Written{}, fmt.Errorf("write %s: %w", key, cas.ErrConflict)
}

// TestRepeatedOnS3: a proxy sends the write of a head twice, others activate what it has
// saved in between, and the second is refused.
func TestRepeatedOnS3(t *testing.T) {
	for _, others := range []int{1, 7, 30} {
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			srv := fakes3.New(t)
			store := fake(t, srv)
			must(save("v0"), activate("v0"))(t, store)
			isHeadPut := func(r fakes3.Request) bool {
				return r.Op == "PutObject" && strings.Contains(r.Key, config.HeadsPrefix)
			}
			srv.Fail(fakes3.Rule{Match: isHeadPut, Fault: func(w http.ResponseWriter, c *fakes3.Call) {
				c.Apply()
				for i := range others {
					must(activate(fmt.Sprint("v", (i+1)%2)))(t, store)
				}
				c.Send(w)
			}})
			err := save("v1")(t.Context(), fake(t, srv))
			if err != nil && (others != 30 || !errors.Is(err, cas.ErrIndeterminate)) {
				t.Errorf("it was saved, and the error is %v", err)
			}
			oneActive(t, store)
		})
	}
}

// TestLyingStore: an entry with the own ID is the own one, and the content that an
// active snapshot names is never overwritten, however much others have written, and
// whatever the store has said.
func TestLyingStore(t *testing.T) {
	for _, others := range []int{1, 20} {
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			m := new(cas.Memory)
			must(save("v0"), activate("v0"))(t, m)
			store := &lying{m, func() {
				for i := range others {
					must(activate(fmt.Sprint("v", (i+1)%2)))(t, m)
				}
				must(activate("v1"))(t, m)
			}}
			must(save("v1"))(t, store)
			oneActive(t, m)
		})
	}
}
