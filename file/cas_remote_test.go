package file_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/rpc"
	"os"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/file"
)

// TestRecordsInProcesses is the contract with each handle in one of several
// processes.
func TestRecordsInProcesses(t *testing.T) {
	const processes = 4
	const noNotify = "hints do not travel to other processes here"
	h := castest.Harness{Slow: true, NoNotify: noNotify, NoBatch: noBatch}
	h.New = func(t *testing.T) func() cas.Store {
		dir := t.TempDir()
		var handles [processes]remote
		for i := range handles {
			c := startChild(t, "serve", dir)
			handles[i] = remote{rpc.NewClient(pipe{c.raw, c.in})}
			t.Cleanup(func() { // the child was killed with t.Context
				_ = handles[i].Close()
				_ = c.cmd.Wait()
			})
		}
		var n atomic.Int64
		return func() cas.Store { return handles[n.Add(1)%processes] }
	}
	castest.Run(t, h)
}

// childServe answers a remote's calls.
func childServe(dir string, _ []int) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Records", &service{file.NewRecords(dir, file.Options{})}); err != nil {
		return err
	}
	server.ServeConn(pipe{os.Stdin, os.Stdout})
	return nil
}

type pipe struct {
	io.ReadCloser
	out io.WriteCloser
}

func (p pipe) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close closes the output only: the other side then ends, and with it the input.
func (p pipe) Close() error { return p.out.Close() }

// remote is a store in another process.
type remote struct{ *rpc.Client }

// Request and Response are exported because package rpc wants them to be.
type Request struct {
	Key, After string
	Value      []byte
	Token      cas.Token
}

type Response struct {
	Record  cas.Record
	Entries []cas.Entry
	Err     string
	Kinds   []int // indices of errorKinds
}

var errorKinds = []error{cas.ErrConflict, cas.ErrIndeterminate, cas.ErrUnsupported, cas.ErrInvalidKey, cas.ErrTooLarge}

func (r remote) call(ctx context.Context, method string, req Request) (Response, error) {
	var resp Response
	if ctx.Err() != nil {
		return resp, context.Cause(ctx)
	}
	if err := r.Call("Records."+method, req, &resp); err != nil {
		return resp, err
	}
	if resp.Err == "" {
		return resp, nil
	}
	err := errors.New(resp.Err)
	for _, k := range resp.Kinds {
		err = fmt.Errorf("%w: %w", err, errorKinds[k])
	}
	return resp, err
}

func (r remote) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	resp, err := r.call(ctx, "Read", Request{Key: key, Token: known})
	return resp.Record, err
}

func (r remote) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	resp, err := r.call(ctx, "Write", Request{Key: key, Value: value, Token: expect})
	return cas.Written{Token: resp.Record.Token, StoreTime: resp.Record.StoreTime}, err
}

func (r remote) Delete(ctx context.Context, key string, expect cas.Token) error {
	_, err := r.call(ctx, "Delete", Request{Key: key, Token: expect})
	return err
}

func (r remote) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		resp, err := r.call(ctx, "List", Request{Key: prefix, After: after})
		for _, e := range resp.Entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(cas.Entry{}, err)
		}
	}
}

// service is the store's side of a remote.
type service struct{ records *file.Records }

func (s *service) Read(req Request, resp *Response) (err error) {
	resp.Record, err = s.records.Read(context.Background(), req.Key, req.Token)
	return resp.fail(err)
}

func (s *service) Write(req Request, resp *Response) (err error) {
	written, err := s.records.Write(context.Background(), req.Key, req.Value, req.Token)
	resp.Record.Token, resp.Record.StoreTime = written.Token, written.StoreTime
	return resp.fail(err)
}

func (s *service) Delete(req Request, resp *Response) error {
	return resp.fail(s.records.Delete(context.Background(), req.Key, req.Token))
}

func (s *service) List(req Request, resp *Response) error {
	for e, err := range s.records.List(context.Background(), req.Key, req.After) {
		if err != nil {
			return resp.fail(err)
		}
		resp.Entries = append(resp.Entries, e)
	}
	return nil
}

func (r *Response) fail(err error) error {
	if err == nil {
		return nil
	}
	r.Err = err.Error()
	for k, kind := range errorKinds {
		if errors.Is(err, kind) {
			r.Kinds = append(r.Kinds, k)
		}
	}
	return nil
}
