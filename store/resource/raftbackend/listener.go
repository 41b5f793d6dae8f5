package raftbackend

import (
	"net"
	"sync"
)

// listener is the net.Listener of connections that a host hands over. It closes them when it is
// closed: the server waits for one that has not said a word yet.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}

	mu   sync.Mutex
	open map[*conn]bool // nil when closed
}

// conn is a connection that its listener knows while it is open.
type conn struct {
	net.Conn
	l *listener
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{}), open: make(map[*conn]bool)}
}

// handle waits until the connection is accepted. A listener that is closed, or nil, closes it.
func (l *listener) handle(raw net.Conn) {
	if l == nil {
		_ = raw.Close()
		return
	}
	select {
	case l.conns <- raw:
	case <-l.closed:
		_ = raw.Close()
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case raw := <-l.conns:
		return l.keep(&conn{raw, l})
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) keep(c *conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		_ = c.Conn.Close()
		return nil, net.ErrClosed
	}
	l.open[c] = true
	return c, nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.open, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return nil
	}
	for c := range l.open {
		_ = c.Conn.Close()
	}
	l.open = nil
	close(l.closed)
	return nil
}

// Addr implements net.Listener. Only the host knows an address.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: serviceName} }
