package raft

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// The first byte of a connection says what it carries.
const (
	protocolRaft byte = 1
	protocolRPC  byte = 2
	protocolPart byte = 3
)

// greetingTimeout is how long a connection may take for its handshake and first byte.
const greetingTimeout = 10 * time.Second

// maxMessage bounds a message of gRPC. A command is a third longer in JSON.
const maxMessage = maxCommand/3*4 + 64<<10

// network is a node's port, and its connections to the ports of others.
type network struct {
	listener  net.Listener // nil: a client's
	advertise string
	tls       *tls.Config // nil without TLS
	dialer    func(ctx context.Context, address string) (net.Conn, error)
	logger    *slog.Logger

	raft, rpc *inbox
	part      func(net.Conn) // nil without a Part
	stranger  atomic.Bool    // not admitted to the cluster yet: no messages of Raft

	mu      sync.Mutex
	clients map[string]*grpc.ClientConn // by address; nil when closed
}

func listen(cfg Config, part Part) (*network, error) {
	l, err := net.Listen("tcp", cfg.Bind)
	if err != nil {
		return nil, err
	}
	advertise, err := cfg.advertised(l.Addr())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	n := newNetwork(cfg)
	n.listener, n.advertise = l, advertise
	if part != nil {
		n.part = part.HandleConnection
	}
	return n, nil
}

// newNetwork returns one that listens nowhere.
func newNetwork(cfg Config) *network {
	n := &network{tls: cfg.TLS, dialer: cfg.Dial, logger: cfg.Logger, clients: map[string]*grpc.ClientConn{}}
	if n.dialer == nil {
		n.dialer = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	n.raft, n.rpc = newInbox(n), newInbox(n)
	return n
}

// serve takes connections until the listener is closed.
func (n *network) serve() {
	for {
		conn, err := n.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			n.logger.Warn("a connection was not accepted", "error", err)
			time.Sleep(100 * time.Millisecond) // too many open files
		default:
			go n.greet(conn)
		}
	}
}

// greet finds out what a connection carries, and hands it over.
func (n *network) greet(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(greetingTimeout))
	protected := conn
	if n.tls != nil {
		protected = tls.Server(conn, n.tls)
	}
	var first [1]byte
	if _, err := protected.Read(first[:]); err != nil { // the handshake, too
		n.logger.Debug("a connection was refused", "from", conn.RemoteAddr(), "error", err)
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	switch {
	case first[0] == protocolRaft && n.stranger.Load():
		_ = protected.Close()
	case first[0] == protocolRaft:
		n.raft.put(protected)
	case first[0] == protocolRPC:
		n.rpc.put(protected)
	case first[0] == protocolPart && n.part != nil:
		n.part(protected)
	default:
		n.logger.Warn("a connection was refused", "from", conn.RemoteAddr(), "first byte", first[0])
		_ = protected.Close()
	}
}

// dial makes a connection to a node's port that carries a protocol.
func (n *network) dial(ctx context.Context, address string, protocol byte) (net.Conn, error) {
	conn, err := n.dialer(ctx, address)
	if err != nil {
		return nil, err
	}
	if n.tls != nil {
		if conn, err = n.handshake(ctx, conn, address); err != nil {
			return nil, err
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetWriteDeadline(deadline)
	}
	if _, err := conn.Write([]byte{protocol}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, conn.SetWriteDeadline(time.Time{})
}

func (n *network) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	cfg := n.tls
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	protected := tls.Client(conn, cfg)
	if err := protected.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("tls handshake with %s: %w", address, err), conn.Close())
	}
	return protected, nil
}

// client returns a new gRPC client for a protocol of a node. It connects when it is used.
func (n *network) client(address string, protocol byte) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial encrypts
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return n.dial(ctx, address, protocol)
		}),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
			Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
}

// peer returns the client for the service of a node, which is kept.
func (n *network) peer(address string) (*grpc.ClientConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clients == nil {
		return nil, net.ErrClosed
	}
	if c := n.clients[address]; c != nil {
		return c, nil
	}
	c, err := n.client(address, protocolRPC)
	if err == nil {
		n.clients[address] = c
	}
	return c, err
}

func (n *network) close() error {
	var err error
	if n.listener != nil {
		err = n.listener.Close()
	}
	_, _ = n.raft.Close(), n.rpc.Close()
	n.mu.Lock()
	clients := n.clients
	n.clients = nil
	n.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	return err
}

// inbox is a listener for the connections of one protocol.
type inbox struct {
	n      *network
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newInbox(n *network) *inbox {
	return &inbox{n: n, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (i *inbox) put(conn net.Conn) {
	select {
	case i.conns <- conn:
	case <-i.closed:
		_ = conn.Close()
	}
}

// Accept implements [net.Listener].
func (i *inbox) Accept() (net.Conn, error) {
	select {
	case conn := <-i.conns:
		return conn, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (i *inbox) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

// Addr implements [net.Listener]: the address that others use.
func (i *inbox) Addr() net.Addr { return address(i.n.advertise) }

// Dial implements [hraft.StreamLayer].
func (i *inbox) Dial(to hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return i.n.dial(ctx, string(to), protocolRaft)
}

// address is a host and port, as it was advertised.
type address string

// Network implements [net.Addr].
func (address) Network() string { return "tcp" }

// String implements [net.Addr].
func (a address) String() string { return string(a) }
