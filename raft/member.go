package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/errs"
)

// Member is a node of a cluster, as its configuration has it.
type Member struct {
	ID      string
	Address string
	Voter   bool
}

// Status is what a node knows about itself and its cluster, without asking anybody.
type Status struct {
	ID            string
	State         string // Leader, Follower, Candidate, Shutdown
	Leader        string // ID; empty if there is none
	LeaderAddress string
	Term          uint64
	Commit        uint64 // the last log entry that is known to be committed
	Applied       uint64 // the last log entry that changed a record, or was the Part's
	Records       int
	Members       []Member
	LastContact   time.Time // with the leader; zero if there was none
	Failure       string    // why the node applies nothing any more
}

// Status returns the node's status.
func (n *Node) Status() (Status, error) {
	if err := n.started(); errors.Is(err, errNotOpen) || errors.Is(err, ErrClosed) {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	members, err := n.members()
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	now, failure := n.fsm.now.Load(), ""
	if err := n.fsm.failure(); err != nil {
		failure = err.Error()
	}
	address, id := n.raft.LeaderWithID()
	return Status{
		ID: n.cfg.ID, State: n.raft.State().String(), Leader: string(id), LeaderAddress: string(address),
		Term: n.raft.CurrentTerm(), Commit: n.raft.CommitIndex(), Applied: now.index, Records: now.records.Len(),
		Members: members, LastContact: n.raft.LastContact(), Failure: failure,
	}, nil
}

func (n *Node) members() (all []Member, err error) {
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, err
	}
	for _, s := range f.Configuration().Servers {
		all = append(all, Member{string(s.ID), string(s.Address), s.Suffrage == hraft.Voter})
	}
	return all, nil
}

// request changes the members.
type request struct {
	Op      string // one of the constants below
	ID      string
	Address string `json:",omitempty"`
	Fresh   bool   `json:",omitempty"` // it joins with an empty directory
}

const (
	opJoin    = "join"
	opPromote = "promote"
	opLeave   = "leave"
)

// Join makes a node with an address a member, without a vote. Whoever is one has its address
// changed.
func (n *Node) Join(ctx context.Context, id, address string) error {
	return membership(ctx, &n.caller, n.member, request{Op: opJoin, ID: id, Address: address})
}

// Promote makes a member a voter. Its directory must not be lost from then on: see the package comment.
func (n *Node) Promote(ctx context.Context, id string) error {
	return membership(ctx, &n.caller, n.member, request{Op: opPromote, ID: id})
}

// Leave removes a member: this node, or one that is gone for good. A node that was removed keeps
// its directory, and must not be started with it again.
func (n *Node) Leave(ctx context.Context, id string) error {
	return membership(ctx, &n.caller, n.member, request{Op: opLeave, ID: id})
}

func membership(
	ctx context.Context, c *caller, local func(context.Context, request) (uint64, error), r request,
) (err error) {
	defer errs.Wrap(&err, "%s %s", r.Op, r.ID)
	if !idForm.MatchString(r.ID) {
		return fmt.Errorf("id %.70q: want 1 to 64 letters, digits, dots, hyphens and underscores", r.ID)
	}
	_, err = atLeader(ctx, c, methodMember, r, local)
	return err
}

// member changes the members, on the leader. It returns the log entry that a new member must
// reach to have caught up.
func (n *Node) member(ctx context.Context, r request) (uint64, error) {
	if !n.isLeader() {
		return 0, ErrNotLeader
	}
	members, err := n.members()
	if err != nil {
		return 0, outcome(err)
	}
	var known *Member
	for _, m := range members {
		if m.ID == r.ID {
			known = &m
		}
	}
	id, wait := hraft.ServerID(r.ID), n.cfg.Patience
	switch {
	case r.Op == opJoin:
		// A voter that has lost its votes might vote twice in a term. So it becomes another one.
		if known != nil && known.Voter && r.Fresh {
			if err := n.raft.RemoveServer(id, 0, wait).Error(); err != nil {
				return 0, outcome(err)
			}
		}
		err = n.raft.AddNonvoter(id, hraft.ServerAddress(r.Address), 0, wait).Error()
	case known == nil:
		return 0, fmt.Errorf("there is no such member among %d", len(members))
	case r.Op == opPromote:
		err = n.raft.AddVoter(id, hraft.ServerAddress(known.Address), 0, wait).Error()
	case r.Op == opLeave && known.Voter && len(members) == 1:
		return 0, errors.New("it is the only member")
	case r.Op == opLeave:
		err = n.raft.RemoveServer(id, 0, wait).Error()
	default:
		return 0, fmt.Errorf("unknown operation %q", r.Op)
	}
	if err != nil {
		return 0, outcome(err)
	}
	return n.fsm.now.Load().index, ctx.Err()
}

// join has a fresh node become a member, and then a voter. It tries until the node is closed. Before it is
// admitted it hears nothing of the log: if it had a vote before it lost its disk, it must not use it.
func (n *Node) join() {
	r := request{Op: opJoin, ID: n.cfg.ID, Address: n.net.advertise, Fresh: true}
	index, ok := n.askUntil(r, n.cfg.Join)
	if !ok {
		return
	}
	n.net.stranger.Store(false)
	if !n.cfg.NonVoter {
		if n.fsm.reach(n.ctx, index) != nil {
			return
		}
		if _, ok := n.askUntil(request{Op: opPromote, ID: n.cfg.ID}, n.cfg.Join); !ok {
			return
		}
	}
	close(n.joined)
}

// askUntil asks nodes, and the leader that they name, until one has changed the members.
func (n *Node) askUntil(r request, addresses []string) (uint64, bool) {
	leader, began := "", time.Now()
	for try := 0; n.ctx.Err() == nil; try++ {
		address := addresses[try%len(addresses)]
		if leader != "" {
			address, leader = leader, ""
		}
		ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Patience)
		index, err := call[request, uint64](ctx, &n.caller, address, methodMember, r)
		cancel()
		if err == nil {
			n.cfg.Logger.Info("raft: "+r.Op, "id", r.ID, "by", address)
			return index, true
		}
		var remote *remoteError
		if errors.As(err, &remote) && remote.leader != address {
			leader = remote.leader
		}
		if time.Since(began) > sayAfter {
			n.cfg.Logger.Warn("raft: waiting for a leader to "+r.Op, "id", r.ID, "error", err)
			began = time.Now()
		}
		_ = clock.System.Sleep(n.ctx, pauseLast)
	}
	return 0, false
}
