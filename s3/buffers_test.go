package s3

import (
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestBuffers: a few for a fast connection, all for a slow one, and never more than
// were asked for.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		concurrency int
		took        time.Duration // by each of the first two parts
		want        int
	}{
		{4, time.Millisecond, 2},
		{4, time.Second, 4},
		{1, time.Second, 1},
		{9, time.Second, 9},
	} {
		s := newStore(t, fakes3.New(t), func(cfg *Config) { cfg.Concurrency = c.concurrency })
		b := s.newBuffers()
		size := s.cfg.PartSize
		for range fewBuffers {
			if got, want := b.most(), min(fewBuffers, c.concurrency); got != want {
				t.Errorf("of %d: %d buffers to begin with, want %d", c.concurrency, got, want)
			}
			b.sent(b.get(size), size, c.took)
		}
		for range c.want { // it would wait forever for one more
			b.get(size)
		}
		if b.made != c.want || b.most() != c.want {
			t.Errorf("of %d, a part in %v: %d buffers of %d, want %d", c.concurrency, c.took, b.made, b.most(), c.want)
		}
	}
}
