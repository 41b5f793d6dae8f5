package config_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
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
