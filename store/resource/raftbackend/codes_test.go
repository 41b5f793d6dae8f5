package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

// TestCodes: an error becomes the status that Consul has for it, and is the same error
// again on the other side.
func TestCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code codes.Code
	}{
		{resource.ErrNotFound, codes.NotFound},
		{resource.ErrCASFailure, codes.Aborted},
		{resource.ErrWrongUID, codes.AlreadyExists},
		{resource.ErrInconsistent, codes.FailedPrecondition},
		{resource.ErrInvalid, codes.InvalidArgument},
		{cas.ErrTooLarge, codes.ResourceExhausted},
	} {
		err := toStatus(fmt.Errorf("some words: %w", c.err))
		if status.Code(err) != c.code {
			t.Errorf("%v: got code %v, want %v", c.err, status.Code(err), c.code)
		}
		if got := fromStatus(err, true); !errors.Is(got, c.err) || !strings.Contains(got.Error(), "some words") {
			t.Errorf("%v comes back as %v", c.err, got)
		}
		if got := fromStatus(err, false); errors.Is(got, c.err) || !errors.As(got, new(openError)) {
			t.Errorf("%v of something on the way: %v", c.err, got)
		}
	}
	for _, err := range []error{errors.New("other"), cas.ErrIndeterminate, resource.ErrClosed} {
		if got := toStatus(err); status.Code(got) != codes.Internal || !errors.As(fromStatus(got, true), new(openError)) {
			t.Errorf("%v: got %v", err, got)
		}
	}
	mismatch := resource.GroupVersionMismatchError{
		RequestedType: resource.Type{Group: "g", GroupVersion: "v2", Kind: "k"}, Stored: full(),
	}
	err := toStatus(fmt.Errorf("read: %w", mismatch))
	if status.Code(err) != codes.OutOfRange {
		t.Errorf("a mismatch: got %v", err)
	}
	var got resource.GroupVersionMismatchError
	if !errors.As(fromStatus(err, true), &got) {
		t.Fatalf("a mismatch comes back as %v", fromStatus(err, true))
	}
	if diff := cmp.Diff(mismatch, got); diff != "" {
		t.Errorf("a mismatch (-want +got):\n%s", diff)
	}
}

// call makes a call to the leader as any client of gRPC does.
func call(t *testing.T, c *cluster, method string, req []byte) ([]byte, error) {
	t.Helper()
	conn, err := c.nodes[1].DialLeader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var out frame
	err = conn.Invoke(t.Context(), "/"+serviceName+"/"+method, &frame{req}, &out, grpc.ForceCodecV2(codec{}))
	return out.bytes, err
}

// TestStatusOnTheWire: what a client that is no Backend gets.
func TestStatusOnTheWire(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, false)
	large := &resource.Resource{ID: idOf("a"), Data: make([]byte, 500<<10)}
	stored, err := c.nodes[1].WriteCAS(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	write := func(change func(*resource.Resource)) []byte {
		r := stored.Clone()
		change(r)
		return (&message{write: r}).encode()
	}
	id := func(change func(*resource.ID)) []byte {
		id := stored.ID
		change(&id)
		return encode(func(c *coder) { idFields(&id, c) })
	}
	for name, call1 := range map[string]struct {
		method string
		req    []byte
		want   codes.Code
	}{
		"old version": {applyMethod, write(func(r *resource.Resource) { r.Version = "77" }), codes.Aborted},
		"another uid": {applyMethod, write(func(r *resource.Resource) { r.ID.UID = "2" }), codes.AlreadyExists},
		"no name":     {applyMethod, write(func(r *resource.Resource) { r.ID.Name = "" }), codes.InvalidArgument},
		"too large": {applyMethod, write(func(r *resource.Resource) { r.Data = make([]byte, 700<<10) }),
			codes.ResourceExhausted},
		"no message":            {applyMethod, []byte{0xff}, codes.InvalidArgument},
		"no operation":          {applyMethod, nil, codes.InvalidArgument},
		"not found":             {readMethod, id(func(id *resource.ID) { id.Name = "b" }), codes.NotFound},
		"another group version": {readMethod, id(func(id *resource.ID) { id.Type.GroupVersion = "v2" }), codes.OutOfRange},
		"no such method":        {"Steal", nil, codes.Unimplemented},
		"what is there":         {readMethod, id(func(*resource.ID) {}), codes.OK},
	} {
		if _, err := call(t, c, call1.method, call1.req); status.Code(err) != call1.want {
			t.Errorf("%s: got %.200v, want %v", name, err, call1.want)
		}
	}
	_, err = call(t, c, applyMethod, make([]byte, maxMessage+1))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too large: %v", err)
	}
	other := stored.ID
	other.Type.GroupVersion = "v2"
	var mismatch resource.GroupVersionMismatchError
	if _, err := c.nodes[1].Read(t.Context(), resource.Strong, other); !errors.As(err, &mismatch) {
		t.Errorf("a follower reads another group version: %v", err)
	}
	if !reflect.DeepEqual(stored, mismatch.Stored) {
		t.Errorf("what is stored: got %.500v", mismatch.Stored)
	}
	c.change(func() { c.leader = 1 })
	conn, err := c.nodes[0].DialLeader() // and then it leads no more
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.change(func() { c.leader = 0 })
	err = conn.Invoke(t.Context(), "/"+serviceName+"/"+syncMethod, &frame{}, &frame{}, grpc.ForceCodecV2(codec{}))
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a call to a follower: %v", err)
	}
}

// lying is a host that answers as told.
type lying struct {
	Handle
	value any
	err   error
	wait  chan struct{}
}

func (l lying) IsLeader() bool { return true }
func (l lying) Apply([]byte) (any, error) {
	if l.wait != nil {
		<-l.wait
	}
	return l.value, l.err
}

// TestOutcomes: what is said of a write that the host does not simply apply.
func TestOutcomes(t *testing.T) {
	dial := errors.New("no route")
	for name, c := range map[string]struct {
		host Handle
		want error
	}{
		"refused":            {lying{err: fmt.Errorf("%w: queue full", resource.ErrInconsistent)}, resource.ErrInconsistent},
		"unknown":            {lying{err: errors.New("leadership lost")}, cas.ErrIndeterminate},
		"both":               {lying{err: errors.Join(resource.ErrInconsistent, cas.ErrIndeterminate)}, cas.ErrIndeterminate},
		"cas refused":        {CASOutcomes(lying{err: errors.New("not the leader")}), resource.ErrInconsistent},
		"cas unknown":        {CASOutcomes(lying{err: cas.ErrIndeterminate}), cas.ErrIndeterminate},
		"cas rule":           {CASOutcomes(lying{value: resource.ErrWrongUID}), resource.ErrWrongUID},
		"nothing comes back": {lying{}, cas.ErrIndeterminate},
		"something else":     {lying{value: 7}, cas.ErrIndeterminate},
		"refused by a rule":  {lying{value: resource.ErrCASFailure}, resource.ErrCASFailure},
		"no way to leader":   {follower{dial}, resource.ErrInconsistent},
	} {
		b, err := NewBackend(c.host, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.WriteCAS(t.Context(), &resource.Resource{ID: idOf("a")})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if errors.Is(err, resource.ErrInconsistent) && errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("%s: both certain and not: %v", name, err)
		}
	}
	host := lying{wait: make(chan struct{})}
	defer close(host.wait)
	b, err := NewBackend(host, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller has left")
	go cancel(gone)
	err = b.DeleteCAS(ctx, idOf("a"), "1")
	if !errors.Is(err, gone) || errors.Is(err, cas.ErrIndeterminate) == errors.Is(err, resource.ErrInconsistent) {
		t.Errorf("a caller that has left: %v", err)
	}
}

type follower struct{ dial error }

func (f follower) Apply([]byte) (any, error) { return nil, errors.New("not for a follower") }
func (f follower) IsLeader() bool            { return false }
func (f follower) EnsureStrongConsistency(context.Context) error {
	return errors.New("not for a follower")
}
func (f follower) DialLeader() (*grpc.ClientConn, error) { return nil, f.dial }
