package transport

import (
	"testing"
	"time"
)

// TestDoneIsTheEnd: the end of a request waits for one who is being told of it, so that nobody
// is told of a request that has ended.
func TestDoneIsTheEnd(t *testing.T) {
	c := newConn(t)
	telling, goOn := make(chan struct{}), make(chan struct{})
	c.OnWait = func(Wait) {
		close(telling)
		<-goOn
	}
	w := c.Wait("read", "k", time.Now().Add(-time.Hour))
	<-telling
	ended := make(chan struct{})
	go func() {
		w.Done()
		close(ended)
	}()
	select {
	case <-ended:
		t.Error("the request has ended, and somebody is being told of it")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	<-ended
}
