package fleet

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica"
)

// DefaultMaxAge is the age from which on a database is stale, if nobody says otherwise.
const DefaultMaxAge = 24 * time.Hour

// DefaultConcurrency is how many directories are listed, or databases looked at, at a time.
const DefaultConcurrency = 16

// Verdict is what a replica is good for, in one word.
type Verdict string

// The verdicts.
const (
	Fresh   Verdict = "fresh"   // its newest state can be restored, and is not too old
	Stale   Verdict = "stale"   // its newest state can be restored, and is older than Options.MaxAge
	Broken  Verdict = "broken"  // what leads to its newest state is missing or damaged
	Empty   Verdict = "empty"   // the directories of a replica, with nothing in them
	Unknown Verdict = "unknown" // it could not be looked at, or has no times
)

// Verdicts are all of them, the best first.
var Verdicts = []Verdict{Fresh, Stale, Empty, Unknown, Broken}

// Options say how to look. The zero value is good.
type Options struct {
	// MaxAge is the age of the newest state from which on a database is stale;
	// DefaultMaxAge if it is 0.
	MaxAge time.Duration

	// Sizes counts objects and bytes. It lists each replica whole.
	Sizes bool

	// Concurrency is how many directories are listed, or databases looked at, at a
	// time; DefaultConcurrency if it is 0.
	Concurrency int

	// PassedOver, if set, is told of each working directory of Litestream, which looks
	// like a replica and is none: see [WorkingDirOf]. Calls do not overlap.
	PassedOver func(path string)

	// Progress, if set, is told how many directories were listed and how many replicas
	// were found so far. Calls do not overlap.
	Progress func(directories, replicas int)
}

// Database is the replica of a database.
type Database struct {
	Path    string   // of its root, below the place that was searched; "" is the place itself
	Formats []string // FormatLTX, FormatV3: what is there

	// Newest is the newest state that can be restored, and Oldest the oldest one. They
	// are zero if there is none, or if it is not known.
	Newest, Oldest replica.Point

	Lease    *replica.LeaseRecord // nil if there is no record
	Drill    *replica.Drill       // the last that was recorded; nil if none was
	Verdict  Verdict
	Problems []replica.Problem

	// Objects and Bytes count what belongs to the formats, with Options.Sizes.
	Objects int
	Bytes   int64

	// Err is why the replica, or the directory of this path, could not be looked at. Then the
	// verdict is Unknown, and what else is known is what had been read before.
	Err error
}

// Age is how old the newest state is at a moment; 0 if that is not known.
func (d *Database) Age(now time.Time) time.Duration {
	if d.Newest.Time.IsZero() {
		return 0
	}
	return max(0, now.Sub(d.Newest.Time))
}

func (d *Database) problem(severity replica.Severity, object, message string) {
	d.Problems = append(d.Problems, replica.Problem{Severity: severity, Object: object, Message: message})
}

// WorkingDirOf returns the name of the database whose working directory a directory is, or "".
// Litestream keeps it beside the database, as .NAME-litestream: its files look like those
// of a replica, and some are missing.
func WorkingDirOf(dir string) string {
	name, ok := strings.CutSuffix(path.Base(dir), "-litestream")
	db, hidden := strings.CutPrefix(name, ".")
	if !ok || !hidden {
		return ""
	}
	return db
}

// Find yields the replicas below the root of a store, each when it has been looked at, in no
// order. What cannot be read is a Database with an Err, and not the end. An error is the
// last value: the root itself could not be listed, or ctx is done.
func Find(ctx context.Context, store blob.Store, opts Options) iter.Seq2[*Database, error] {
	return func(yield func(*Database, error) bool) {
		if store == nil {
			yield(nil, errors.New("find replicas: no store given"))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		w := &walk{store: store, opts: opts, found: make(chan *Database), todo: []string{""}, unlisted: 1}
		w.more.L = &w.mu
		var working sync.WaitGroup
		for range cmp.Or(opts.Concurrency, DefaultConcurrency) {
			working.Go(func() { w.work(ctx) })
		}
		go func() {
			working.Wait()
			close(w.found)
		}()
		defer func() {
			cancel()
			for range w.found { // until all who work have gone
			}
		}()
		stop := context.AfterFunc(ctx, w.more.Broadcast)
		defer stop()
		for db := range w.found {
			if ctx.Err() == nil && !yield(db, nil) {
				return
			}
		}
		if err := cmp.Or(context.Cause(ctx), w.failed); err != nil {
			yield(nil, err)
		}
	}
}

// walk is one search. Those who work on it take the directory that was found last, so that
// few wait to be listed.
type walk struct {
	store blob.Store
	opts  Options
	found chan *Database

	mu       sync.Mutex
	more     sync.Cond
	todo     []string // directories to list: "" or "a/b/"
	unlisted int      // those, and the ones that are being listed

	listed, replicas int

	failed error // why the root cannot be listed
}

func (w *walk) work(ctx context.Context) {
	for {
		dir, ok := w.next(ctx)
		if !ok {
			return
		}
		w.visit(ctx, dir)
		w.mu.Lock()
		if w.unlisted--; w.unlisted == 0 {
			w.more.Broadcast()
		}
		w.mu.Unlock()
	}
}

// next takes a directory; ok is false when there are no more.
func (w *walk) next(ctx context.Context) (dir string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.todo) == 0 {
		if w.unlisted == 0 || ctx.Err() != nil {
			return "", false
		}
		w.more.Wait()
	}
	if ctx.Err() != nil {
		return "", false
	}
	last := len(w.todo) - 1
	dir, w.todo = w.todo[last], w.todo[:last]
	return dir, true
}

// later adds directories to list.
func (w *walk) later(dirs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.todo = append(w.todo, dirs...)
	w.unlisted += len(dirs)
	w.more.Broadcast()
}

// visit lists a directory, says what replica it is, if it is one, and leaves what is below
// it for later.
func (w *walk) visit(ctx context.Context, dir string) {
	var formats, others []string
	for info, err := range w.store.List(ctx, dir, blob.ListOptions{Delimited: true}) {
		switch {
		case err != nil && dir == "":
			w.failed = err // nobody else is at work
			return
		case err != nil:
			w.tell(ctx, &Database{Path: strings.TrimSuffix(dir, "/"), Verdict: Unknown, Err: err})
			return
		case !info.IsPrefix():
			if name := strings.TrimPrefix(info.Key, dir) + "/"; replica.IsFormatRoot(name) {
				if err := blob.CheckBelow(ctx, w.store, info.Key); err != nil { // a file where a directory is to be
					w.tell(ctx, &Database{Path: strings.TrimSuffix(dir, "/"), Verdict: Unknown, Err: err})
					return
				}
			}
		case replica.IsFormatRoot(strings.TrimPrefix(info.Key, dir)):
			formats = append(formats, info.Key)
		case info.Link: // to what is listed where it is, or to itself
		case WorkingDirOf(info.Key) != "":
			w.passOver(info.Key)
		default:
			others = append(others, info.Key)
		}
	}
	w.progress(1, 0)
	w.later(others)
	if len(formats) == 0 {
		return
	}
	db := w.look(ctx, dir)
	if db == nil { // only the names are alike
		w.later(formats)
		return
	}
	w.tell(ctx, db)
}

func (w *walk) tell(ctx context.Context, db *Database) {
	w.progress(0, 1)
	select {
	case w.found <- db:
	case <-ctx.Done():
	}
}

func (w *walk) passOver(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.PassedOver != nil {
		w.opts.PassedOver(strings.TrimSuffix(key, "/"))
	}
}

func (w *walk) progress(listed, replicas int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed += listed
	w.replicas += replicas
	if w.opts.Progress != nil {
		w.opts.Progress(w.listed, w.replicas)
	}
}
