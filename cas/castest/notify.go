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
	if checkOptional(t, "cas.Notifier", ok, h.NoNotify); !ok {
		return
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
	if d, ok := other.(cas.Deleter); ok {
		for len(hints) > 0 {
			<-hints
		}
		if err := d.Delete(t.Context(), "a/b0/c/d", read(t, other, "a/b0/c/d").Token); err != nil {
			t.Fatal(err)
		}
		wantHint(t, hints)
	}
	if _, err := n.Notify(ctx, "no prefix"); err == nil {
		t.Error("Notify takes what is no prefix")
	}
	cancel()
	wantClosed(t, hints)
}

// checkOptional compares what an engine can do beyond a Store with what the harness says.
func checkOptional(t *testing.T, what string, is bool, reason string) {
	t.Helper()
	switch {
	case !is && reason == "":
		t.Errorf("the engine is no %s, and the harness does not say why", what)
	case is && reason != "":
		t.Errorf("the engine is a %s, and the harness says: %s", what, reason)
	}
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
