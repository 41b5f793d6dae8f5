package raft

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Defaults of Config.
const (
	DefaultHeartbeat     = time.Second
	DefaultPatience      = 10 * time.Second
	DefaultSnapshotEvery = 8192
	DefaultTrailing      = 10240
)

// Config says where a node keeps its state and how others reach it. ID, Dir and Bind are
// required.
type Config struct {
	// ID names the node in the cluster, for ever: 1 to 64 letters, digits and "-_.".
	ID string

	// Dir has the log and the snapshots. It is created if it does not exist. One process uses
	// it at a time.
	Dir string

	// Bind is where the node listens: host:port.
	Bind string

	// Advertise is where the others reach the node; Bind if empty. It must not be 0.0.0.0.
	Advertise string

	// Bootstrap makes a cluster of this node alone, if Dir is empty. Exactly one node of a cluster
	// ever starts with it, and that one not again after it has lost its directory.
	Bootstrap bool

	// Join has addresses of nodes of the cluster. If Dir is empty, the node asks them until the
	// leader has made it a member.
	Join []string

	// NonVoter: a node that has joined stays a non-voter. It has all records, and no vote.
	NonVoter bool

	// TLS encrypts every connection, and shows and wants a certificate: see [LoadTLS]. It is
	// used as client and as server. Without it the port must be unreachable for strangers.
	TLS *tls.Config

	// Heartbeat is how long a follower hears nothing from the leader until it stands for election;
	// DefaultHeartbeat if 0. Raise it if machines pause for longer, or are far apart.
	Heartbeat time.Duration

	// Patience is how long a call waits for a leader, and for its answer; DefaultPatience if 0.
	// The context of a call may end it earlier.
	Patience time.Duration

	// SnapshotEvery is after how many log entries the log is replaced with a snapshot;
	// DefaultSnapshotEvery if 0. Trailing is how many entries stay all the same, for
	// followers that are a little behind; DefaultTrailing if 0.
	SnapshotEvery, Trailing uint64

	// Logger gets what the node has to say; slog.Default() if nil.
	Logger *slog.Logger

	// Part, if set, makes a second state machine on the same log: see [Part]. It is called once, and
	// must not use the handle before Open has returned.
	Part func(h *Handle) (Part, error)

	// Dial, if set, makes the connections to other nodes, in place of a net.Dialer.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	disk func(hraft.LogStore) hraft.LogStore // tests: one that is slow
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// withDefaults checks a configuration, and fills in what is left out.
func (c Config) withDefaults() (Config, error) {
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	c.SnapshotEvery = cmp.Or(c.SnapshotEvery, DefaultSnapshotEvery)
	c.Trailing = cmp.Or(c.Trailing, DefaultTrailing)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	switch {
	case !idForm.MatchString(c.ID):
		return c, fmt.Errorf("id %.70q: want 1 to 64 letters, digits, dots, hyphens and underscores", c.ID)
	case c.Dir == "":
		return c, errors.New("no data directory given")
	case c.Bind == "":
		return c, errors.New("no address to listen on given")
	case c.Bootstrap && len(c.Join) > 0:
		return c, errors.New("bootstrap and join exclude each other: one node makes the cluster, the others join it")
	case c.Heartbeat < minHeartbeat:
		return c, fmt.Errorf("heartbeat %v: want %v or more", c.Heartbeat, minHeartbeat)
	case c.Patience < c.Heartbeat:
		return c, fmt.Errorf("patience %v is shorter than the heartbeat, %v: no call would outlive an election",
			c.Patience, c.Heartbeat)
	}
	return c, checkTLS(c.TLS)
}

const minHeartbeat = 20 * time.Millisecond

// advertised is the address that others use, of a node that listens at bound.
func (c Config) advertised(bound net.Addr) (string, error) {
	address := cmp.Or(c.Advertise, bound.String())
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("advertised address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || port == "0" || ip != nil && ip.IsUnspecified() {
		return "", fmt.Errorf("advertised address %s: others cannot dial it: set Advertise", address)
	}
	return address, nil
}

func (c Config) raft() *hraft.Config {
	r := hraft.DefaultConfig()
	r.LocalID = hraft.ServerID(c.ID)
	r.HeartbeatTimeout, r.ElectionTimeout = c.Heartbeat, c.Heartbeat
	r.LeaderLeaseTimeout = c.Heartbeat / 2
	r.CommitTimeout = min(r.CommitTimeout, c.Heartbeat/4)
	r.SnapshotThreshold, r.TrailingLogs = c.SnapshotEvery, c.Trailing
	r.MaxAppendEntries = maxAppendEntries
	r.Logger = newLogger(c.Logger)
	return r
}

// maxAppendEntries bounds one message of the log, with entries of up to maxCommand bytes.
const maxAppendEntries = 32

// LoadTLS returns a configuration for Config.TLS: a node with the certificate and key of two PEM
// files, which talks to nodes with a certificate of an authority in the file ca. The
// certificate must be valid for the host that the node advertises, as client and as server.
func LoadTLS(certificate, key, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load authority: %s has no certificate", ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}

// OptionalTLS is LoadTLS, or nil if no file is named.
func OptionalTLS(certificate, key, ca string) (*tls.Config, error) {
	switch {
	case certificate == "" && key == "" && ca == "":
		return nil, nil
	case certificate == "" || key == "" || ca == "":
		return nil, errors.New("want all of tls-ca, tls-cert and tls-key, or none")
	}
	return LoadTLS(certificate, key, ca)
}

// checkTLS refuses a configuration that would let strangers in.
func checkTLS(c *tls.Config) error {
	switch {
	case c == nil:
	case c.ClientAuth != tls.RequireAndVerifyClientCert || c.ClientCAs == nil:
		return errors.New("tls: want ClientAuth RequireAndVerifyClientCert, and ClientCAs")
	case c.RootCAs == nil || c.InsecureSkipVerify:
		return errors.New("tls: want RootCAs, and no InsecureSkipVerify")
	case len(c.Certificates) == 0 && (c.GetCertificate == nil || c.GetClientCertificate == nil):
		return errors.New("tls: no certificate to show")
	}
	return nil
}
