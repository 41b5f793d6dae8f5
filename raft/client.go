package raft

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/errs"
)

// ClientConfig says how a client reaches a cluster. Addresses is required.
type ClientConfig struct {
	// Addresses are those of nodes, host:port. One that answers is enough: the nodes say who leads,
	// by the address that the leader advertises.
	Addresses []string

	// Prefix is as in [Options].
	Prefix string

	// TLS, Heartbeat, Patience, Logger and Dial are as in [Config]. A node is given up after two heartbeats if it
	// does not answer a read, and after one if it cannot be connected to.
	TLS                 *tls.Config
	Heartbeat, Patience time.Duration
	Logger              *slog.Logger
	Dial                func(ctx context.Context, address string) (net.Conn, error)
}

// Client is a store for those who are no member of the cluster: a follower without a state. All its
// reads are strong. It is safe for concurrent use, and keeps one connection to each node that it has asked.
type Client struct {
	*Records

	caller
	addresses []string

	mu   sync.Mutex
	at   string // where the leader is believed to be
	next int    // of addresses
}

// Dial returns a client. It contacts nobody yet. Close ends its connections.
func Dial(cfg ClientConfig) (c *Client, err error) {
	defer errs.Wrap(&err, "raft client")
	if err := cfg.check(); err != nil {
		return nil, err
	}
	whole, err := Config{ID: "client", Dir: "none", Bind: "none", TLS: cfg.TLS, Heartbeat: cfg.Heartbeat,
		Patience: cfg.Patience, Logger: cfg.Logger, Dial: cfg.Dial}.withDefaults()
	if err != nil {
		return nil, err
	}
	c = &Client{addresses: slices.Clone(cfg.Addresses), at: cfg.Addresses[0]}
	c.caller = caller{cfg: whole, net: newNetwork(whole), guide: c}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.Records, err = c.With(Options{Prefix: cfg.Prefix})
	return c, err
}

// check refuses addresses that are none.
func (c ClientConfig) check() error {
	if len(c.Addresses) == 0 {
		return errors.New("no address given")
	}
	for _, address := range c.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return fmt.Errorf("address %.300q: want host:port", address)
		}
	}
	_, err := with(nil, nil, Options{Prefix: c.Prefix})
	return err
}

// With returns the records with other options. Eventual reads need a node.
func (c *Client) With(opts Options) (*Records, error) { return with(&c.caller, nil, opts) }

// Close ends the connections. Calls that are under way end with an error.
func (c *Client) Close() error {
	if c.usable() != nil {
		return nil
	}
	c.stop()
	return c.net.close()
}

// leader implements [guide].
func (c *Client) leader() (address string, here bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, false
}

// heard implements [guide]: who does not lead may say who does; after him who does not answer comes
// the next address.
func (c *Client) heard(address string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var remote *remoteError
	switch {
	case c.at != address: // another call has heard more
	case !errors.Is(err, ErrNotLeader) && !errors.Is(err, errLost):
	case errors.As(err, &remote) && remote.leader != "" && remote.leader != address:
		c.at = remote.leader
	default:
		c.next = (c.next + 1) % len(c.addresses)
		c.at = c.addresses[c.next]
	}
}

// started implements [guide].
func (c *Client) started() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// Join, Promote and Leave are those of [Node].
func (c *Client) Join(ctx context.Context, id, address string) error {
	return membership(ctx, &c.caller, nil, request{Op: opJoin, ID: id, Address: address})
}

// Promote is that of [Node].
func (c *Client) Promote(ctx context.Context, id string) error {
	return membership(ctx, &c.caller, nil, request{Op: opPromote, ID: id})
}

// Leave is that of [Node].
func (c *Client) Leave(ctx context.Context, id string) error {
	return membership(ctx, &c.caller, nil, request{Op: opLeave, ID: id})
}

// Answer is what a node says of itself, or why it does not.
type Answer struct {
	Address string
	Status  Status
	Err     error
}

// Status asks each of the addresses, and those of the members that are named there, in that order.
func (c *Client) Status(ctx context.Context) ([]Answer, error) {
	if err := c.usable(); err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Patience, errPatience)
	defer cancel()
	var answers []Answer
	queue := slices.Clone(c.addresses)
	asked := map[string]bool{}
	for len(queue) > 0 {
		address := queue[0]
		queue = queue[1:]
		if asked[address] {
			continue
		}
		asked[address] = true
		s, err := call[struct{}, Status](ctx, &c.caller, address, methodStatus, struct{}{})
		answers = append(answers, Answer{address, s, err})
		for _, m := range s.Members {
			queue = append(queue, m.Address)
		}
	}
	return answers, nil
}
