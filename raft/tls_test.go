package raft_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// load returns the settings of a node with a certificate of the authority, which trusts another one.
func (a *authority) load(trusted *authority) *tls.Config {
	a.t.Helper()
	dir := a.write(trusted)
	cfg, err := raft.LoadTLS(filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca"))
	if err != nil {
		a.t.Fatal(err)
	}
	return cfg
}

// write writes a new certificate, its key, and the trusted authority to the files cert, key and ca.
func (a *authority) write(trusted *authority) (dir string) {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir = a.t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: keyDER},
		"ca": {Type: "CERTIFICATE", Bytes: trusted.cert.Raw},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

// TestTLS: a cluster with certificates works; strangers get nothing in, by either protocol.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	c := rafttest.Start(t, rafttest.Options{Change: func(_ int, cfg *raft.Config) { cfg.TLS = ours.load(ours) }})
	open := c.Fresh(t)
	token := write(t, open(), "k", "one", "")
	write(t, open(), "k", "two", token)
	wantValue(t, open(), "k", "two")

	address := c.Node(0).Address()
	for name, cfg := range map[string]*tls.Config{
		"no certificate":    {RootCAs: ours.load(ours).RootCAs, ServerName: "127.0.0.1"},
		"other authority":   withName(theirs.load(ours)),
		"trusts another":    withName(ours.load(theirs)),
		"no TLS":            nil,
		"certificate of us": withName(ours.load(ours)),
	} {
		for protocol := range byte(4) {
			got := isAnswered(t, address, cfg, protocol)
			if want := name == "certificate of us" && (protocol == 1 || protocol == 2); got != want {
				t.Errorf("%s, protocol %d: the connection stays is %v, want %v", name, protocol, got, want)
			}
		}
	}

	stranger, err := raft.Open(raft.Config{ID: "stranger", Dir: t.TempDir(), Bind: "127.0.0.1:0",
		Join: []string{address}, TLS: theirs.load(theirs), Heartbeat: 100 * time.Millisecond, Logger: quiet})
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
	a := newAuthority(t)
	for name, change := range map[string]func(*tls.Config){
		"anybody connects": func(c *tls.Config) { c.ClientAuth = tls.NoClientCert },
		"anybody's server": func(c *tls.Config) { c.InsecureSkipVerify = true },
		"no authority":     func(c *tls.Config) { c.RootCAs = nil },
		"no clients":       func(c *tls.Config) { c.ClientCAs = nil },
		"no certificate":   func(c *tls.Config) { c.Certificates = nil },
	} {
		cfg := raft.Config{ID: "a", Dir: t.TempDir(), Bind: "127.0.0.1:0", Bootstrap: true, TLS: a.load(a)}
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
