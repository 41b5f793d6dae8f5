package raftbackend

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
)

// Part is a [Backend] as the second state machine of a raft.Node, whose snapshots are streams:
//
//	raft.Config{Part: func(h *raft.Handle) (raft.Part, error) {
//		b, err := raftbackend.NewBackend(raftbackend.CASOutcomes(h), logger)
//		return raftbackend.Part{Backend: b}, err
//	}}
//
// The program runs Backend.Run for as long as the node is open.
type Part struct{ *Backend }

// Snapshot implements raft.Part.
func (p Part) Snapshot() (io.WriterTo, error) {
	s, err := p.Backend.Snapshot()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Restore implements raft.Part. An empty stream is the state before the first command.
func (p Part) Restore(from io.Reader) error {
	in := bufio.NewReader(from)
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		empty, err := emptyStream()
		if err != nil {
			return err
		}
		in = bufio.NewReader(empty)
	}
	r, err := p.Backend.Restore()
	if err != nil {
		return err
	}
	defer r.Abort()
	if _, err := r.ReadFrom(in); err != nil {
		return err
	}
	return r.Commit()
}

// emptyStream is the snapshot of a backend to which nothing was applied.
func emptyStream() (io.Reader, error) {
	empty, err := NewBackend(nil, nil)
	if err != nil {
		return nil, err
	}
	s, err := empty.Snapshot()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = s.WriteTo(&out)
	return &out, err
}

// HandleConnection implements raft.Part: it does not wait for Run.
func (p Part) HandleConnection(conn net.Conn) { go p.Backend.HandleConnection(conn) }
