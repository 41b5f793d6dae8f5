package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/monitor"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/raft"
)

const nodeRunLong = `Run a node until SIGINT or SIGTERM. The first node of a cluster begins it with --bootstrap,
the others join it by the address of any node; each becomes a voter when it has caught up.
Started again with its directory a node goes on where it was, and neither flag matters.

A directory that was synced must not get lost and come back empty with --bootstrap, or older
from a backup. A node that has lost it starts with an empty one and --join.

On a signal a leader hands over to another node first; that is exit code 0. A node stays a
member while it is down: "replctl node leave" takes one out that will not come back.`

// nodeRunFlags are those of node run.
type nodeRunFlags struct {
	raft.Config
	ca, cert, key string
	http          string // where /metrics is
}

func newNodeRunCommand(a *app) *cobra.Command {
	var f nodeRunFlags
	cmd := &cobra.Command{
		Use:   "run --data DIR --id ID --listen ADDR",
		Short: "Run a node",
		Long:  nodeRunLong,
		Example: `  replctl node run --data /var/lib/replctl --id a --listen 10.0.0.1:7420 --bootstrap
  replctl node run --data /var/lib/replctl --id b --listen 10.0.0.2:7420 --join 10.0.0.1:7420`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			f.Logger = a.logger()
			return a.runNode(cmd.Context(), f.Config, f.http)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Dir, "data", "", "`directory` of the log and snapshots, of this node alone")
	flags.StringVar(&f.ID, "id", "", "the node's `name` in the cluster, for ever")
	flags.StringVar(&f.Bind, "listen", "", "`host:port` to listen on")
	flags.StringVar(&f.Advertise, "advertise", "", "`host:port` at which others reach the node (default that of --listen)")
	flags.BoolVar(&f.Bootstrap, "bootstrap", false, "begin a cluster, if the directory is empty: on one node, once")
	flags.StringSliceVar(&f.Join, "join", nil, "join the cluster of the node at `host:port`, if the directory is empty;\n"+
		"several may be given")
	flags.StringVar(&f.http, "http", "", "serve /metrics, /healthz and /readyz at `host:port`, to whoever can reach it;\n"+
		"(default nowhere)")
	flags.StringVar(&f.ca, "tls-ca", "", "PEM `file` of the cluster's authority")
	flags.StringVar(&f.cert, "tls-cert", "", "PEM `file` of the node's certificate, as server and as client")
	flags.StringVar(&f.key, "tls-key", "", "PEM `file` of the certificate's key")
	return cmd
}

func (f *nodeRunFlags) check() (err error) {
	for name, value := range map[string]string{"data": f.Dir, "id": f.ID, "listen": f.Bind} {
		if value == "" {
			return usageError("replctl node run --help", "run: --%s is missing", name)
		}
	}
	switch {
	case f.Bootstrap && len(f.Join) > 0:
		return usageError("one of them", "run: --bootstrap begins a cluster, and --join is for one that there is")
	case !f.Bootstrap && len(f.Join) == 0:
		if _, err := os.Stat(filepath.Join(f.Dir, "log.db")); errors.Is(err, fs.ErrNotExist) {
			return usageError("--join HOST:PORT, or --bootstrap for the first node of a cluster",
				"run: %s has no node yet", f.Dir)
		}
	}
	if f.TLS, err = raft.OptionalTLS(f.cert, f.key, f.ca); err != nil {
		return usageError("all of --tls-ca, --tls-cert and --tls-key", "run: %w", err)
	}
	return nil
}

func (a *app) runNode(ctx context.Context, cfg raft.Config, http string) error {
	n, err := raft.Open(cfg)
	if err != nil {
		return err
	}
	a.talk("replctl: node %s listens on %s", cfg.ID, n.Address())
	if cfg.TLS == nil {
		a.talk("replctl: note: without --tls-ca whoever reaches this port may change all records")
	}
	watched, err := a.watchNode(ctx, n, http)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	err = a.saying("waiting for the cluster: for its leader, and until this node has caught up", func() error {
		return untilReady(ctx, n)
	})
	if err == nil {
		a.talk("replctl: node %s is ready", cfg.ID)
		<-ctx.Done()
	}
	stopped := a.saying("stopping: waiting for another node to lead, and for calls that are under way", n.Close)
	return errors.Join(stopped, watched.Close())
}

// watchNode serves the metrics of a node, if that is wanted.
func (a *app) watchNode(ctx context.Context, n *raft.Node, address string) (io.Closer, error) {
	if address == "" {
		return io.NopCloser(nil), nil
	}
	h, err := monitor.Handler(n.Ready, nodeMetrics{n})
	if err != nil {
		return io.NopCloser(nil), err
	}
	s, err := monitor.Listen(ctx, address, h)
	if err != nil {
		return io.NopCloser(nil), fmt.Errorf("--http: %w", err)
	}
	a.talk("replctl: metrics are at http://%s/metrics", s.Addr)
	return s, nil
}

// untilReady waits for the cluster for as long as it takes: other nodes may start much later.
func untilReady(ctx context.Context, n *raft.Node) error {
	for {
		if err := n.Ready(ctx); err == nil || ctx.Err() != nil || errors.Is(err, raft.ErrClosed) {
			return err
		}
		if err := clock.System.Sleep(ctx, sayAfter); err != nil {
			return err
		}
	}
}
