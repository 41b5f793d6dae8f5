package file

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

var _ cas.Notifier = (*Records)(nil)

// Notify implements [cas.Notifier]. It watches the prefix's directory and every
// directory below it, as they come; while that directory does not exist, the
// nearest one above it that does. It makes none. Each directory is a watch of the
// operating system, of which there is a limited number (Linux:
// fs.inotify.max_user_watches); on the BSDs and macOS each file is one, too.
//
// The operating system tells of what this machine writes. On a network filesystem it
// is silent about the writes of others, and does not say that it is. A caller that waits
// there looks by itself every now and then, as cas.Changes does.
func (r *Records) Notify(ctx context.Context, prefix string) (hints <-chan struct{}, err error) {
	defer errs.Wrap(&err, "notify %q", prefix)
	if err := errors.Join(cas.CheckPrefix(prefix), context.Cause(ctx)); err != nil {
		return nil, err
	}
	if r.store == nil {
		return nil, errNoDirectory
	}
	dir, err := filepath.Abs(r.store.dir)
	if err != nil {
		return nil, err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	n := &notifier{watcher: w, target: filepath.Join(dir, filepath.FromSlash(prefix)), hints: make(chan struct{}, 1)}
	if err := n.arm(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	go n.run(ctx)
	return n.hints, nil
}

// notifier gives hints of changes in one directory and below.
type notifier struct {
	watcher *fsnotify.Watcher
	target  string // absolute
	hints   chan struct{}
}

// run turns events into hints until ctx ends, or a directory cannot be watched.
func (n *notifier) run(ctx context.Context) {
	defer close(n.hints)
	defer n.watcher.Close()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case e, ok := <-n.watcher.Events:
			if !ok {
				return
			}
			err = n.event(e)
		case lost, ok := <-n.watcher.Errors:
			if !ok || !errors.Is(lost, fsnotify.ErrEventOverflow) {
				return
			}
			n.hint()
			err = n.arm() // directories may have come and gone
		}
		if err != nil {
			return
		}
	}
}

// hint leaves a value, unless one is waiting already.
func (n *notifier) hint() {
	select {
	case n.hints <- struct{}{}:
	default:
	}
}
