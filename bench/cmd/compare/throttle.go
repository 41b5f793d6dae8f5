package main

import (
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

// throttle is a proxy that hands on what the server sends at so many bytes per
// second and connection, as S3 does.
type throttle struct {
	listener net.Listener
	target   string
	rate     int64
	conns    sync.WaitGroup
	done     chan struct{}
}

func newThrottle(endpoint string, rate int64) (*throttle, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &throttle{listener: l, target: target.Host, rate: rate, done: make(chan struct{})}
	t.conns.Go(t.accept)
	return t, nil
}

func (t *throttle) url() string { return "http://" + t.listener.Addr().String() }

func (t *throttle) close() {
	close(t.done)
	_ = t.listener.Close()
	t.conns.Wait()
}

func (t *throttle) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.conns.Go(func() { t.serve(client) })
	}
}

func (t *throttle) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", t.target)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	})
	over := make(chan struct{})
	both.Go(func() {
		select { // ends the copies when the proxy is closed
		case <-t.done:
			_, _ = client.Close(), server.Close()
		case <-over:
		}
	})
	_, _ = io.Copy(&paced{w: client, rate: t.rate}, server)
	_ = client.Close()
	close(over)
	both.Wait()
}

// paced writes at a rate. What was not sent while there was nothing to send does
// not add up.
type paced struct {
	w    io.Writer
	rate int64
	next time.Time // when all that was written should have taken this long
}

func (p *paced) Write(b []byte) (int, error) {
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	n, err := p.w.Write(b)
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	time.Sleep(time.Until(p.next))
	return n, err
}
