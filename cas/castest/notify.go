package castest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
)

// notifyWait is how long a hint may take. An engine that has lost one does not
// give it later, so that it may be long.
const notifyWait = 30 * time.Second

// testNotify: an engine that tells of changes tells of those of other handles, of
// each that follows a look, in places that did not exist before too; and it ends.
func testNotify(t *testing.T, h Harness) {
	open := h.New(t)
	n, ok := open().(cas.Notifier)
	if !ok {
		return // it is no promise of a Store
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hints, err := n.Notify(ctx, "a/")
	if err != nil {
		t.Fatal(err)
	}
	everything, err := n.Notify(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	other := open()
	for i := range 5 {
		token := write(t, other, fmt.Sprintf("a/b%d/c/d", i), "new", "")
		wantHint(t, hints)
		write(t, other, fmt.Sprintf("a/b%d/c/d", i), "changed", token)
		wantHint(t, hints)
		wantHint(t, everything)
	}
	if _, err := n.Notify(ctx, "no prefix"); err == nil {
		t.Error("Notify takes what is no prefix")
	}
	cancel()
	wantClosed(t, hints)
}

func wantHint(t *testing.T, hints <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-hints:
		if !ok {
			t.Fatal("the channel was closed")
		}
	case <-time.After(notifyWait):
		t.Fatal("no hint after a write")
	}
}

func wantClosed(t *testing.T, hints <-chan struct{}) {
	t.Helper()
	end := time.After(notifyWait)
	for {
		select {
		case _, ok := <-hints:
			if !ok {
				return
			}
		case <-end:
			t.Fatal("the channel is open after the end of the context")
		}
	}
}
