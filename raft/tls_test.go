package raft_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// TestTLS: a cluster with certificates works; strangers get nothing in, by either protocol.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := rafttest.NewAuthority(t), rafttest.NewAuthority(t)
	c := rafttest.Start(t, rafttest.Options{Change: func(_ int, cfg *raft.Config) { cfg.TLS = ours.Load(ours) }})
	open := c.Fresh(t)
	token := write(t, open(), "k", "one", "")
	write(t, open(), "k", "two", token)
	wantValue(t, open(), "k", "two")

	address := c.Node(0).Address()
	for name, cfg := range map[string]*tls.Config{
		"no certificate":    {RootCAs: ours.Load(ours).RootCAs, ServerName: "127.0.0.1"},
		"other authority":   withName(theirs.Load(ours)),
		"trusts another":    withName(ours.Load(theirs)),
		"no TLS":            nil,
		"certificate of us": withName(ours.Load(ours)),
	} {
		for protocol := range byte(4) {
			got := isAnswered(t, address, cfg, protocol)
			if want := name == "certificate of us" && (protocol == 1 || protocol == 2); got != want {
				t.Errorf("%s, protocol %d: the connection stays is %v, want %v", name, protocol, got, want)
			}
		}
	}

	stranger, err := raft.Open(raft.Config{ID: "stranger", Dir: t.TempDir(), Bind: "127.0.0.1:0",
		Join: []string{address}, TLS: theirs.Load(theirs), Heartbeat: 100 * time.Millisecond, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := stranger.Ready(ctx); err == nil {
		t.Error("a node of another authority has joined")
	}
	if members := status(t, c.Node(0)).Members; len(members) != 3 {
		t.Errorf("the members are %+v", members)
	}
}

func withName(c *tls.Config) *tls.Config {
	c.ServerName = "127.0.0.1"
	return c
}

// isAnswered reports whether a node keeps a connection with a protocol.
func isAnswered(t *testing.T, address string, cfg *tls.Config, protocol byte) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if cfg != nil {
		conn = tls.Client(conn, cfg)
	}
	said := []byte{protocol}
	if cfg == nil {
		said = bytes.Repeat(said, 16) // one byte alone might begin a handshake
	}
	if _, err := conn.Write(said); err != nil {
		return false
	}
	// A server of gRPC speaks first; one of Raft waits.
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	return err == nil || !isEnd(err)
}

// isEnd reports whether the other side has closed a connection.
func isEnd(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.EOF) || !errors.As(err, &timeout) || !timeout.Timeout()
}

func TestUnsafeTLS(t *testing.T) {
	a := rafttest.NewAuthority(t)
	for name, change := range map[string]func(*tls.Config){
		"anybody connects": func(c *tls.Config) { c.ClientAuth = tls.NoClientCert },
		"anybody's server": func(c *tls.Config) { c.InsecureSkipVerify = true },
		"no authority":     func(c *tls.Config) { c.RootCAs = nil },
		"no clients":       func(c *tls.Config) { c.ClientCAs = nil },
		"no certificate":   func(c *tls.Config) { c.Certificates = nil },
	} {
		cfg := raft.Config{ID: "a", Dir: t.TempDir(), Bind: "127.0.0.1:0", Bootstrap: true, TLS: a.Load(a)}
		change(cfg.TLS)
		if n, err := raft.Open(cfg); err == nil {
			t.Errorf("%s: it was accepted", name)
			_ = n.Close()
		}
	}
	if _, err := raft.LoadTLS("nothing", "nothing", "nothing"); err == nil {
		t.Error("files that are missing were loaded")
	}
}
