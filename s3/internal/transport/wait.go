package transport

import (
	"log/slog"
	"sync"
	"time"

	"github.com/replctl/replicate/s3/internal/answer"
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

// Waiting tells Options.OnWait of one request, and its repetitions.
type Waiting struct {
	c *Conn

	mu    sync.Mutex
	wait  Wait
	shown bool // it lasts long enough to tell of each failure
	over  bool
	timer *time.Timer
}

// Wait begins to watch over a request that is waited for since then. Done ends it.
func (c *Conn) Wait(op, key string, since time.Time) *Waiting {
	w := &Waiting{c: c, wait: Wait{Op: op, Key: key, Since: since}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(max(0, c.Notice-time.Since(since)), w.show)
	return w
}

// show tells of the wait. It holds the mutex meanwhile: after Done nobody is told.
func (w *Waiting) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.shown = true
	if !w.c.tell(w.wait) {
		w.timer.Reset(w.c.Notice) // until it is this one's turn
	}
}

// Failed notes an attempt that is to be repeated.
func (w *Waiting) Failed(attempt int, err error, until time.Time) {
	w.mu.Lock()
	w.wait.Attempt, w.wait.Err, w.wait.Until = attempt, answer.Describe(err), until
	shown, wait := w.shown, w.wait
	w.mu.Unlock()
	if shown {
		w.c.tell(wait)
	}
}

// moved notes that a body moves, or is about to. What has failed before goes on
// counting from its beginning.
func (w *Waiting) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wait.Attempt == 0 && !w.over {
		w.wait.Since, w.shown = time.Now(), false
		w.timer.Reset(w.c.Notice)
	}
}

// Turns says that it is another operation from now on, on the same key.
func (w *Waiting) Turns(op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wait.Op = op
}

// Pause is for the time in which nothing is expected to move.
func (w *Waiting) Pause() { w.timer.Stop() }

// Done ends it, and waits until whoever is being told of it has been.
func (w *Waiting) Done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// tell tells of one wait where there are several at a time. It returns false if it
// has just told of another.
func (c *Conn) tell(w Wait) bool {
	now := time.Now().UnixNano()
	last := c.told.Load()
	if now-last < int64(c.Notice) || !c.told.CompareAndSwap(last, now) {
		return false
	}
	if c.OnWait != nil {
		c.OnWait(w)
		return true
	}
	c.Log().Warn("waiting for the store", slog.String("op", w.Op), slog.String("key", w.Key),
		slog.Time("since", w.Since), slog.Int("failed", w.Attempt), slog.Time("until", w.Until), answer.Attr(w.Err))
	return true
}
