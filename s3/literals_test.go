package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
)

// TestLiterals: what no constructor has made returns an error, and does not panic.
func TestLiterals(t *testing.T) {
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"Open":        func() error { _, err := Open(ctx, Config{}); return err },
		"OpenRecords": func() error { _, err := OpenRecords(ctx, Config{}); return err },

		"Store.Stat": func() error { _, err := new(Store).Stat(ctx, "k"); return err },
		"Store.Open": func() error { _, err := new(Store).Open(ctx, "k", 0, 0); return err },
		"Store.Write": func() error {
			_, err := new(Store).Write(ctx, "k", strings.NewReader("x"), blob.WriteOptions{})
			return err
		},
		"Store.Delete": func() error { return new(Store).Delete(ctx, []string{"k"}) },
		"Store.List": func() (err error) {
			for _, err = range new(Store).List(ctx, "", blob.ListOptions{}) {
			}
			return err
		},

		"Records.Read":  func() error { _, err := new(Records).Read(ctx, "k", ""); return err },
		"Records.Write": func() error { _, err := new(Records).Write(ctx, "k", []byte("x"), ""); return err },
		"Records.List": func() (err error) {
			for _, err = range new(Records).List(ctx, "", "") {
			}
			return err
		},

		"ReplicaClient.Init": func() error { return new(ReplicaClient).Init(ctx) },
		"ReplicaClient.LTXFiles": func() error {
			_, err := new(ReplicaClient).LTXFiles(ctx, 0, 0, false)
			return err
		},
		"ReplicaClient.OpenLTXFile": func() error {
			_, err := new(ReplicaClient).OpenLTXFile(ctx, 0, 1, 1, 0, 0)
			return err
		},
		"ReplicaClient.WriteLTXFile": func() error {
			_, err := new(ReplicaClient).WriteLTXFile(ctx, 0, 1, 1, strings.NewReader("x"))
			return err
		},
		"ReplicaClient.DeleteLTXFiles": func() error {
			return new(ReplicaClient).DeleteLTXFiles(ctx, []*ltx.FileInfo{{MinTXID: 1, MaxTXID: 1}})
		},
		"ReplicaClient.DeleteAll":     func() error { return new(ReplicaClient).DeleteAll(ctx) },
		"ReplicaClient.GenerationsV3": func() error { _, err := new(ReplicaClient).GenerationsV3(ctx); return err },
		"Leaser.AcquireLease":         func() error { _, err := new(Leaser).AcquireLease(ctx); return err },
		"Leaser.RenewLease":           func() error { _, err := new(Leaser).RenewLease(ctx, &replicate.Lease{}); return err },
		"Leaser.ReleaseLease":         func() error { return new(Leaser).ReleaseLease(ctx, &replicate.Lease{}) },
		"Leaser.ReadLease":            func() error { _, _, err := new(Leaser).ReadLease(ctx); return err },
		"Leaser.BreakLease": func() error {
			_, err := new(Leaser).BreakLease(ctx, lease.BreakOptions{})
			return err
		},
		"NewReplicaClient":            func() error { return NewReplicaClient().Init(ctx) },
		"NewLeaser":                   func() error { _, err := NewLeaser().AcquireLease(ctx); return err },
		"NewLeaser, renew nothing":    func() error { _, err := NewLeaser().RenewLease(ctx, nil); return err },
		"NewLeaser, release nothing":  func() error { return NewLeaser().ReleaseLease(ctx, nil) },
		"Leaser.ProbeTarget, records": func() error { _, err := new(Leaser).ProbeTarget().Records(ctx); return err },
		"Leaser.ProbeTarget, objects": func() error { _, err := new(Leaser).ProbeTarget().Objects(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := do(); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestNoLogger: a logger that is nil is the default one.
func TestNoLogger(t *testing.T) {
	c, l := new(ReplicaClient), new(Leaser)
	c.SetLogger(nil)
	l.SetLogger(nil)
	c, l = NewReplicaClient(), NewLeaser()
	c.SetLogger(nil)
	l.SetLogger(nil)
	new(Leaser).Observe(func(lease.Event) {})()
	if err := c.Init(t.Context()); err == nil || c.Type() != "s3" || l.Type() != "s3" {
		t.Errorf("error %v, types %q and %q", err, c.Type(), l.Type())
	}
	for _, v := range []any{Config{}, new(ReplicaClient), new(Leaser), Wait{}} {
		text, err := json.Marshal(v)
		if err != nil || fmt.Sprintf("%v %+v %#v", v, v, v) == "" {
			t.Errorf("%T: %s, error %v", v, text, err)
		}
	}
}

var (
	_ cas.Store               = (*Records)(nil)
	_ blob.Store              = (*Store)(nil)
	_ replicate.ReplicaClient = (*ReplicaClient)(nil)
)

// TestHungOpen: a first call that hangs holds up no other longer than that one's context
// lasts, and the next one opens the client.
func TestHungOpen(t *testing.T) {
	withoutEnvironment(t)
	c, l := NewReplicaClient(), NewLeaser()
	for name, o := range map[string]struct {
		cfg  *Config
		call func(context.Context) error
	}{
		"client": {&c.Config, c.Init},
		"leaser": {&l.Config, func(ctx context.Context) error { _, _, err := l.ReadLease(ctx); return err }},
	} {
		t.Run(name, func(t *testing.T) { testHungOpen(t, o.cfg, o.call) })
	}
}

func testHungOpen(t *testing.T, c *Config, call func(context.Context) error) {
	hangs, release := make(chan struct{}), make(chan struct{})
	c.Bucket, c.AccessKeyID, c.SecretAccessKey, c.Transport = "b", "id", "secret", hang(hangs, release)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- call(ctx) }()
	<-hangs
	impatient, cause := context.WithCancelCause(t.Context())
	cause(errors.New("no time"))
	if err := call(impatient); err == nil || !strings.Contains(err.Error(), "no time") {
		t.Errorf("while another call opens: got error %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first call: got error %v", err)
	}
	close(release)
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := call(ctx); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
