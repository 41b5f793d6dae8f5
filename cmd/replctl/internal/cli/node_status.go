package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/raft"
)

// nodeJSON is what one node says of itself.
type nodeJSON struct {
	Address string `json:"address"`
	ID      string `json:"id,omitempty"`
	State   string `json:"state,omitempty"`
	Voter   bool   `json:"voter"`
	Leader  string `json:"leader,omitempty"`
	Term    uint64 `json:"term"`
	Commit  uint64 `json:"commit"`
	Applied uint64 `json:"applied"`
	Records int    `json:"records"`
	Error   string `json:"error,omitempty"`
}

func newNodeStatusCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status URL",
		Short: "Show the nodes of a cluster, and what each says of itself",
		Long: `Ask the nodes in the URL, and the members that they name, and show what each says of
itself, without asking another one: whether it leads or follows, whom it takes for the leader, and
how far it has come in the log. A node that does not answer has an error in its line.

Exit code 1: no node answers.`,
		Example: "  replctl node status raft://10.0.0.1:7420",
		Args:    oneCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.openCluster(args[0])
			if err != nil {
				return err
			}
			docs, err := a.nodeStatus(cmd.Context(), c)
			return errors.Join(a.printNodes(docs, err), c.Close())
		},
	}
	a.addJSON(cmd)
	return cmd
}

func (a *app) nodeStatus(ctx context.Context, c *raft.Client) (docs []nodeJSON, err error) {
	var answers []raft.Answer
	err = a.saying("waiting for nodes to answer", func() (err error) {
		answers, err = c.Status(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, answer := range answers {
		if answer.Err != nil {
			failures = append(failures, answer.Err)
		}
		docs = append(docs, newNodeJSON(answer))
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(failures) == len(answers):
		return nil, fmt.Errorf("status: no node answers: %w", errors.Join(failures...))
	}
	return docs, nil
}

func newNodeJSON(answer raft.Answer) nodeJSON {
	s := answer.Status
	doc := nodeJSON{Address: answer.Address, ID: s.ID, State: s.State, Leader: s.Leader, Term: s.Term,
		Commit: s.Commit, Applied: s.Applied, Records: s.Records, Error: s.Failure, Voter: votes(s)}
	if answer.Err != nil {
		doc.Error = answer.Err.Error()
	}
	return doc
}

func (a *app) printNodes(docs []nodeJSON, err error) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(docs)
	}
	g := newGrid("address", "id", "state", "vote", "leader", "term", "commit", "applied", "records", "error")
	g.right = []string{"term", "commit", "applied", "records"}
	for _, d := range docs {
		vote := "no"
		if d.Voter {
			vote = "yes"
		}
		g.add(d.Address, orDash(d.ID), orDash(d.State), vote, orDash(d.Leader), d.Term, d.Commit, d.Applied, d.Records,
			orDash(d.Error))
	}
	return a.printGrid(g)
}
