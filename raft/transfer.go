package raft

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// Snapshot writes a snapshot to w that has everything that was acknowledged before the call, from the
// leader. It is whole only if the error is nil.
func (c *Client) Snapshot(ctx context.Context, w io.Writer) (err error) {
	defer errs.Wrap(&err, "snapshot")
	s, end, err := c.begin(ctx, methodSnapshot)
	if err != nil {
		return err
	}
	defer end()
	for {
		var piece wrapperspb.BytesValue
		switch err := s.RecvMsg(&piece); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", s.address, err)
		}
		if _, err := w.Write(piece.Value); err != nil {
			return err
		}
	}
}

// Restore has the leader replace all records, and the state of the Part, with those of a snapshot, as
// [Node.Restore] does. With an error other than cas.ErrIndeterminate nothing was replaced.
func (c *Client) Restore(ctx context.Context, from io.Reader) (err error) {
	defer errs.Wrap(&err, "restore snapshot")
	s, end, err := c.begin(ctx, methodRestore)
	if err != nil {
		return err
	}
	defer end()
	_, err = io.CopyBuffer(pieceWriter{s}, from, make([]byte, maxPiece))
	sent := err == nil
	if sent {
		err = s.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // at EOF there is an answer already
		return err
	}
	_, err = s.answer()
	if sent && errors.Is(err, errLost) {
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
	}
	return err
}

// begin opens a stream to the leader, until end is called.
func (c *Client) begin(ctx context.Context, method string) (s stream, end func(), err error) {
	if err := c.usable(); err != nil {
		return s, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(c.ctx, cancel)
	end = func() { unhook(); cancel() }
	s, err = insist(ctx, &c.caller, method, func(asking context.Context) (stream, error) {
		return c.openStream(ctx, asking, method, struct{}{})
	})
	if err != nil {
		end()
	}
	return s, end, err
}

// serveSnapshot sends a snapshot in pieces, once it has said that it will.
func (n *Node) serveSnapshot(_ any, stream grpc.ServerStream) error {
	if refused, err := n.begins(stream); refused || err != nil {
		return err
	}
	w := bufio.NewWriterSize(pieceWriter{stream}, maxPiece)
	if err := n.Snapshot(stream.Context(), w); err != nil {
		return err
	}
	return w.Flush()
}

// serveRestore takes a snapshot in pieces, once it has said that it will, and answers when it is restored.
func (n *Node) serveRestore(_ any, stream grpc.ServerStream) error {
	if refused, err := n.begins(stream); refused || err != nil {
		return err
	}
	if err := n.Restore(stream.Context(), &pieceReader{stream: stream}); err != nil {
		return send(stream, failed[bool](n, err))
	}
	return send(stream, reply[bool]{Out: true})
}

// begins says whether a stream begins: one that only the leader serves.
func (n *Node) begins(stream grpc.ServerStream) (refused bool, err error) {
	_, err = receive[struct{}](stream)
	if err == nil {
		err = n.started()
	}
	if err == nil && !n.isLeader() {
		err = ErrNotLeader
	}
	if err != nil {
		return true, send(stream, failed[bool](n, err))
	}
	return false, send(stream, reply[bool]{})
}

// pieceWriter sends what is written.
type pieceWriter struct {
	stream interface{ SendMsg(any) error }
}

// Write implements [io.Writer].
func (w pieceWriter) Write(b []byte) (int, error) {
	if err := w.stream.SendMsg(wrapperspb.Bytes(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// pieceReader reads what was sent, until the sender says that it was all.
type pieceReader struct {
	stream grpc.ServerStream
	rest   []byte
}

// Read implements [io.Reader].
func (r *pieceReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		var piece wrapperspb.BytesValue
		if err := r.stream.RecvMsg(&piece); err != nil {
			return 0, err
		}
		r.rest = piece.Value
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
