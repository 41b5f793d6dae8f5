//go:build faults && linux

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/trap"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/resource"
)

// childVariable, in the environment, makes a process a child, which carries out orders.
const childVariable = "REPLCTL_FAULTS_CHILD"

// order is a line that a child reads: one operation in one place. An empty line is the order
// to run it, once or again.
type order struct {
	Op, URL, Out, Source string

	Prepared bool   // by a child before
	Kept     []byte // what it has kept of that
}

// report is a line that a child writes: one after the preparation, one after each run.
type report struct {
	Kept   []byte  // before the operation
	Result *Result // after it
}

// runAsChild carries out orders if this process was started for it.
func runAsChild() {
	if os.Getenv(childVariable) == "" {
		return
	}
	if err := carryOut(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func carryOut() error {
	registerKept()
	var terminated = make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	if err := trap.Enter(); err != nil {
		return err
	}
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	var op operation
	var e env
	before := false // the operation has run at this place
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil
		}
		var next report
		if len(line) > 1 {
			op, e, before, err = prepared(line)
			next.Kept = keep(e.kept)
		} else {
			if before && op.again != nil {
				err = op.again(&e)
			}
			r := run(op, e, terminated)
			before, next.Result = true, &r
		}
		if err := errors.Join(err, out.Encode(next)); err != nil {
			return err
		}
	}
}

// anything lets gob carry what the preparations keep.
type anything struct{ Value any }

func registerKept() {
	for _, v := range []any{&replicate.Lease{}, cas.Token(""), kv.Version(0), kv.LeaseId(0), "", []byte{}} {
		gob.Register(v)
	}
}

func keep(value any) []byte {
	var kept bytes.Buffer
	if value == nil {
		return nil
	}
	if err := gob.NewEncoder(&kept).Encode(anything{value}); err != nil {
		panic(err)
	}
	return kept.Bytes()
}

// prepared makes an order's preparation, unless another child has, which has also run the
// operation before.
func prepared(line []byte) (op operation, e env, before bool, err error) {
	var o order
	if err = json.Unmarshal(line, &o); err == nil {
		op, err = operationNamed(o.Op)
	}
	if err != nil {
		return op, e, false, err
	}
	e = env{ctx: context.Background(), url: o.URL, out: o.Out, source: o.Source}
	switch {
	case o.Prepared && len(o.Kept) > 0:
		var kept anything
		err = gob.NewDecoder(bytes.NewReader(o.Kept)).Decode(&kept)
		e.kept = kept.Value
	case !o.Prepared && op.prepare != nil:
		if err = op.prepare(&e); err != nil {
			err = fmt.Errorf("prepare: %w", err)
		}
	}
	return op, e, o.Prepared, err
}

// run runs the operation once, until SIGTERM ends it.
func run(op operation, e env, terminated <-chan os.Signal) (r Result) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*Bound)
	defer cancel()
	go func() {
		select {
		case <-terminated:
			cancel()
		case <-ctx.Done():
		}
	}()
	e.ctx = ctx
	began := time.Now()
	seen, err := op.run(&e)
	r.Took, r.Seen = time.Since(began), seen
	if err != nil {
		r.Failed, r.Said, r.Seen = true, err.Error(), ""
		r.Absence = errors.Is(err, replica.ErrNoReplica) || op.records && isNothing(err) ||
			op.raw && !op.records && errors.Is(err, fs.ErrNotExist)
		r.Unknown = ctx.Err() != nil || errors.Is(err, cas.ErrIndeterminate) || errors.Is(err, blob.ErrIndeterminate)
	}
	return r
}

// isNothing reports whether an error says that there is no such record: fs.ErrNotExist does not.
func isNothing(err error) bool {
	return errors.Is(err, kv.ErrNotFound) || errors.Is(err, config.ErrSnapshotNotFound) ||
		errors.Is(err, resource.ErrNotFound) || strings.Contains(err.Error(), "NotFound desc")
}

func operationNamed(name string) (operation, error) {
	for _, op := range operations {
		if op.name == name {
			return op, nil
		}
	}
	return operation{}, fmt.Errorf("no operation %q", name)
}
