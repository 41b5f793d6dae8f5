package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/raft"
)

const nodeLong = `Keep records and leases on a few machines of one's own, without an object store or a
database. Each runs a node; the nodes agree on one log by the Raft algorithm. Three nodes go
on when one is lost, five when two are. raft://h1:7420,h2:7420,h3:7420/prefix names the place for
lease, kv, config, records and probe.

Without certificates whoever can reach the port of a node owns the cluster. With them
(?tls-ca=..&tls-cert=..&tls-key=.. in the URL) either side of each connection must show one of
the cluster's own authority.`

func newNodeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Keep records and leases on a few machines of one's own",
		Long:  nodeLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNodeRunCommand(a), newNodeStatusCommand(a), newNodeLeaveCommand(a),
		newNodeSnapshotCommand(a), newNodeRestoreCommand(a))
	return cmd
}

// openCluster returns a client of the cluster at a URL, which is not contacted yet.
func (a *app) openCluster(rawURL string) (*raft.Client, error) {
	p, err := a.parsePlace(rawURL)
	if err != nil {
		return nil, err
	}
	const try = "raft://HOST:PORT,HOST:PORT, addresses of nodes"
	if p.Scheme != raft.LeaserType {
		return nil, usageError(try, "node: %s is no cluster of nodes", rawURL)
	}
	cfg, err := raft.ClientFromURL(p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, usageError(try, "%w", err)
	}
	cfg.Logger = a.logger()
	return raft.Dial(cfg)
}

// oneCluster is what the commands that look at a cluster take.
func oneCluster(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the URL of a cluster, not %d arguments", len(args))
	}
	return nil
}
