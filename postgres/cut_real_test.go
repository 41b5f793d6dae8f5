//go:build realservers

package postgres_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// network is what lies between clients and a server: connections that a test can cut.
type network struct {
	port int
	cut  atomic.Int32 // a mode below

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// What a network does.
const (
	whole  int32 = iota
	oneWay       // the server gets what is sent to it; the answer to a write ends the connection
	silent       // nothing is passed on, and nobody is told
)

// smallWrite is what a client sends at least to write a record of the test. A read is less.
const smallWrite = 4 << 10

// newNetwork leads to the server at a port.
func newNetwork(t *testing.T, server int) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{port: l.Addr().(*net.TCPAddr).Port, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); n.hangUp() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			if n.cut.Load() == silent {
				client.Close()
				continue
			}
			go n.connect(client, fmt.Sprintf("127.0.0.1:%d", server))
		}
	}()
	return n
}

// url is that of a server as seen from here.
func (n *network) url(server string, port int) string {
	return strings.Replace(server, fmt.Sprintf(":%d/", port), fmt.Sprintf(":%d/", n.port), 1)
}

func (n *network) connect(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		client.Close()
		return
	}
	n.mu.Lock()
	n.conns[client], n.conns[server] = true, true
	n.mu.Unlock()
	asked := new(atomic.Int64) // bytes since the last answer
	go n.pass(server, client, func(n int) bool { asked.Add(int64(n)); return true })
	n.pass(client, server, func(int) bool { return asked.Swap(0) < smallWrite || n.cut.Load() != oneWay })
}

// pass copies until a connection ends, or one is to.
func (n *network) pass(to, from net.Conn, goOn func(bytes int) bool) {
	defer n.drop(to, from)
	buf := make([]byte, 64<<10)
	for {
		got, err := from.Read(buf)
		for n.cut.Load() == silent {
			time.Sleep(time.Millisecond)
		}
		if err != nil || !goOn(got) {
			return
		}
		if _, err := to.Write(buf[:got]); err != nil {
			return
		}
	}
}

func (n *network) drop(conns ...io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(n.conns, c.(net.Conn))
	}
}

// hangUp ends all connections, whatever was under way.
func (n *network) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.Close()
	}
}
