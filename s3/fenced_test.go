package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/clock/byhand"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replicatest"
)

func TestFenced(t *testing.T) {
	replicatest.RunFenced(t, func(t *testing.T) replicatest.Fenced {
		srv := fakes3.New(t)
		return fencedOn(newStore(t, srv, nil), func() *ReplicaClient { return fakeClient(srv) },
			func() *Leaser { return newLeaser(t, srv, "") })
	})
}

// fencedOn is the replica at a store's root, with its lease.
func fencedOn(s *Store, client func() *ReplicaClient, leaser func() *Leaser) replicatest.Fenced {
	return replicatest.Fenced{
		Replica: replicatest.Over(s, func() replicate.ReplicaClient { return client() }),
		Client: func(createOnly bool) replica.Fenceable {
			c := client()
			c.CreateOnly = createOnly
			return c
		},
		Leaser: lockOn(s, leaser).Open,
	}
}

// fencedClient is a client of the holder of a lease on the server, and its clock.
// The server has forgotten how the lease was acquired.
func fencedClient(t *testing.T, srv *fakes3.Server) (*replica.FencedClient, *byhand.Clock) {
	t.Helper()
	clock := byhand.New()
	session, err := lease.TryAcquire(t.Context(), newLeaser(t, srv, "holder"), lease.Options{}.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Release(context.Background()) })
	srv.Reset()
	return replica.NewFencedClient(fakeClient(srv), session), clock
}

// ltxFile is a valid header and n bytes.
func ltxFile(t *testing.T, txid ltx.TXID, n int) []byte {
	t.Helper()
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1,
		MinTXID: txid, MaxTXID: txid, Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli(),
	}
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return append(b, content(n)...)
}

// TestFencedRefusedUnsent: a former holder that was paused sends nothing.
func TestFencedRefusedUnsent(t *testing.T) {
	srv := fakes3.New(t)
	c, clock := fencedClient(t, srv)
	clock.Move(time.Hour)
	verbs := map[string]func() error{
		"WriteLTXFile": func() error {
			_, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(ltxFile(t, 1, 100)))
			return err
		},
		"DeleteLTXFiles": func() error { return c.DeleteLTXFiles(t.Context(), []*ltx.FileInfo{{MinTXID: 1, MaxTXID: 1}}) },
		"DeleteAll":      func() error { return c.DeleteAll(t.Context()) },
	}
	for name, verb := range verbs {
		if err := verb(); !errors.Is(err, lease.ErrLost) {
			t.Errorf("%s: got error %v, want %v", name, err, lease.ErrLost)
		}
	}
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("sent: %+v", got)
	}
}

// TestFencedLostInUpload: a session that is lost between any two requests of an
// upload leaves no file and no parts.
func TestFencedLostInUpload(t *testing.T) {
	data := ltxFile(t, 1, 3*MinPartSize)
	for _, op := range []string{"CreateMultipartUpload", "UploadPart"} {
		for kind, body := range map[string]io.Reader{"sized": bytes.NewReader(data), "stream": stream(data)} {
			t.Run(op+"/"+kind, func(t *testing.T) {
				srv := fakes3.New(t)
				c, clock := fencedClient(t, srv)
				srv.Fail(fakes3.Rule{Match: fakes3.Op(op), Times: -1, Fault: func(w httpWriter, call *fakes3.Call) {
					// The last part is there when the session is lost, so that only
					// the question before completing can stop it.
					if op == "CreateMultipartUpload" || srv.Count("UploadPart") == 4 {
						clock.Move(time.Hour)
					}
					call.Send(w)
				}})
				if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, body); !errors.Is(err, lease.ErrLost) {
					t.Errorf("got error %v, want %v", err, lease.ErrLost)
				}
				if n := srv.Count("CompleteMultipartUpload"); n != 0 {
					t.Errorf("completed %d times", n)
				}
				wantNoUploads(t, srv, true)
				if got := listKeys(t, newStore(t, srv, nil), "0000/", blob.ListOptions{}); len(got) != 0 {
					t.Errorf("visible: %q", got)
				}
			})
		}
	}
}

// TestCreateOnlyFaults makes each request of a create-only write fail in each way
// that leaves open what became of it. All end in success, as the content is ours.
func TestCreateOnlyFaults(t *testing.T) {
	for way, w := range writeOps {
		for name, fault := range map[string]fakes3.Fault{
			"applied, lost": fakes3.DropReply(), "applied, 500": fakes3.ApplyThen(500, "InternalError"),
			"dropped":      fakes3.DropRequest(),
			"applied, 412": fakes3.ApplyThen(412, "PreconditionFailed"), "409": fakes3.Status(409, "ConditionalRequestConflict"),
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				srv := fakes3.New(t)
				c := fakeClient(srv)
				c.CreateOnly = true
				srv.Fail(fakes3.Rule{Match: fakes3.Op(w.ops[len(w.ops)-1]), Fault: fault})
				data := ltxFile(t, 1, w.size)
				if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, stream(data)); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(mustRead(t, newStore(t, srv, nil), ltx.LayoutS3.Key(0, 1, 1)), data) {
					t.Error("another file")
				}
			})
		}
	}
}

// TestCreateOnlyUnknown: the write was applied, and the store never said so, not
// even to who looked, until the engine gave up. What is there decides.
func TestCreateOnlyUnknown(t *testing.T) {
	for _, ours := range []bool{true, false} {
		srv := fakes3.New(t)
		c := fakeClient(srv)
		c.CreateOnly = true
		data, other := ltxFile(t, 1, 1000), ltxFile(t, 1, 1001)
		looks := 0
		srv.Fail(
			fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: func(w httpWriter, call *fakes3.Call) {
				if ours {
					call.Apply()
				} else {
					call.ApplyWith(other)
				}
				panic(http.ErrAbortHandler)
			}},
			fakes3.Rule{Match: fakes3.Op("HeadObject"), Times: 1, Fault: func(w httpWriter, call *fakes3.Call) {
				looks++
				fakes3.Status(403, "AccessDenied")(w, call)
			}},
		)
		_, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(data))
		if ours && err != nil || !ours && !errors.Is(err, replica.ErrConflict) || looks != 1 {
			t.Errorf("written by us: %v: got error %v after %d looks in vain", ours, err, looks)
		}
	}
}

// TestGaveUp: a write that was given up at the step that makes the object visible
// may have happened; before that step it has not.
func TestGaveUp(t *testing.T) {
	for op, unknown := range map[string]bool{"PutObject": true, "CreateMultipartUpload": false, "UploadPart": false,
		"CompleteMultipartUpload": true} {
		size := MinPartSize + 7
		if op == "PutObject" {
			size = 1000
		}
		srv := fakes3.New(t)
		s := newStore(t, srv, func(c *Config) { c.RetryTimeout = 50 * time.Millisecond })
		srv.Fail(fakes3.Rule{Match: fakes3.Op(op), Times: -1, Fault: fakes3.Status(500, "InternalError")})
		_, err := s.Write(t.Context(), "k", bytes.NewReader(content(size)), blob.WriteOptions{IfAbsent: true})
		if err == nil || errors.Is(err, blob.ErrIndeterminate) != unknown {
			t.Errorf("%s fails for good: got error %v, want one of unknown outcome: %v", op, err, unknown)
		}
	}
}

// TestGuardAfterAnAttempt: what was let pass once, and not heard of, may have
// happened, whatever the guard says later.
func TestGuardAfterAnAttempt(t *testing.T) {
	srv := fakes3.New(t)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fakes3.DropReply()})
	refused, asked := errors.New("not any more"), 0
	_, err := newStore(t, srv, nil).Write(t.Context(), "k", bytes.NewReader(content(10)),
		blob.WriteOptions{Guard: func() error {
			if asked++; asked > 1 {
				return refused
			}
			return nil
		}})
	if !errors.Is(err, refused) || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got error %v, want %v and %v", err, refused, ErrOutcomeUnknown)
	}
}
