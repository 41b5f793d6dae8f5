package s3

import (
	"log/slog"
	"sync"
	"time"
)

// Wait is a request that the store keeps a caller waiting for.
type Wait struct {
	Op, Key string
	Since   time.Time // of the last progress, or of the first attempt
	Attempt int       // how many have failed; 0 while the first has no answer
	Err     error     // of the last that failed
	Until   time.Time // when the store gives up if this goes on; zero if after this request
}

// waitNotice is how long a request is waited for in silence.
const waitNotice = 2 * time.Second

// waiting tells Config.OnWait about one request, and its repetitions.
type waiting struct {
	s *Store

	mu    sync.Mutex
	wait  Wait
	shown bool // it lasts long enough to tell of each failure
	over  bool
	timer *time.Timer
}

// wait begins to watch over a request; done ends it.
func (s *Store) wait(op, key string, since time.Time) *waiting {
	w := &waiting{s: s, wait: Wait{Op: op, Key: key, Since: since}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(max(0, s.notice-time.Since(since)), w.show)
	return w
}

func (w *waiting) show() {
	w.mu.Lock()
	over, wait := w.over, w.wait
	w.shown = true
	w.mu.Unlock()
	if !over && !w.s.tell(wait) {
		w.timer.Reset(w.s.notice) // until it is this one's turn
	}
}

// failed notes an attempt that is to be repeated.
func (w *waiting) failed(attempt int, err error, until time.Time) {
	w.mu.Lock()
	w.wait.Attempt, w.wait.Err, w.wait.Until = attempt, describe(err), until
	shown, wait := w.shown, w.wait
	w.mu.Unlock()
	if shown {
		w.s.tell(wait)
	}
}

// moved notes that a body moves, or is about to. What has failed before goes on
// counting from its beginning.
func (w *waiting) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wait.Attempt == 0 && !w.over {
		w.wait.Since, w.shown = time.Now(), false
		w.timer.Reset(w.s.notice)
	}
}

// turns says that it is another operation from now on, on the same key.
func (w *waiting) turns(op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wait.Op = op
}

// pause is for the time in which nothing is expected to move.
func (w *waiting) pause() { w.timer.Stop() }

func (w *waiting) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// tell tells of one wait where there are several at a time. It returns false if it
// has just told of another.
func (s *Store) tell(w Wait) bool {
	now := time.Now().UnixNano()
	last := s.told.Load()
	if now-last < int64(s.notice) || !s.told.CompareAndSwap(last, now) {
		return false
	}
	if s.cfg.OnWait != nil {
		s.cfg.OnWait(w)
		return true
	}
	s.log().Warn("waiting for the store", slog.String("op", w.Op), slog.String("key", w.Key),
		slog.Time("since", w.Since), slog.Int("failed", w.Attempt), slog.Time("until", w.Until), errAttr(w.Err))
	return true
}
