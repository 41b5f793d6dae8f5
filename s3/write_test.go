package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3/internal/answer"
)

// TestWriteRequests counts what writes cost.
func TestWriteRequests(t *testing.T) {
	const part = MinPartSize
	inParts := func(n int) map[string]int {
		return map[string]int{"CreateMultipartUpload": 1, "UploadPart": n, "CompleteMultipartUpload": 1}
	}
	one := map[string]int{"PutObject": 1}
	for _, c := range []struct {
		size         int
		sized, plain map[string]int // requests for a seeker and for a stream
	}{
		{0, one, one},
		{100, one, one},
		{part - 1, one, one},
		{part, one, inParts(1)}, // a stream is not known to end there
		{part + 1, inParts(2), inParts(2)},
		{3 * part, inParts(3), inParts(3)},
		{7*part + 5, inParts(8), inParts(8)},
	} {
		want := content(c.size)
		for name, r := range map[string]io.Reader{"sized": bytes.NewReader(want), "stream": stream(want),
			"seeker": &onlySeeks{bytes.NewReader(want)}} {
			t.Run(fmt.Sprintf("%s of %d bytes", name, c.size), func(t *testing.T) {
				srv := fakes3.New(t)
				s := newStore(t, srv, nil)
				info, err := s.Write(t.Context(), "k", r, blob.WriteOptions{})
				if err != nil {
					t.Fatal(err)
				}
				got := make(map[string]int)
				for _, req := range srv.Requests() {
					got[req.Op]++
				}
				cost := c.sized
				if name == "stream" {
					cost = c.plain
				}
				if !maps.Equal(got, cost) {
					t.Errorf("requests: got %v, want %v", got, cost)
				}
				if info.Size != int64(c.size) || !bytes.Equal(mustRead(t, s, "k"), want) {
					t.Errorf("another object: %+v", info)
				}
			})
		}
	}
}

// onlySeeks hides that a reader is an io.ReaderAt.
type onlySeeks struct{ io.ReadSeeker }

// TestWriteFromPosition: what was read before is not written.
func TestWriteFromPosition(t *testing.T) {
	for _, size := range []int{100, MinPartSize + 100} {
		data := content(size)
		for name, r := range map[string]io.ReadSeeker{"at": bytes.NewReader(data),
			"seeker": &onlySeeks{bytes.NewReader(data)}} {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			if _, err := r.Seek(33, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			srv.Fail(fakes3.Rule{Fault: fakes3.Status(500, "InternalError")}) // so that it rewinds
			if _, err := s.Write(t.Context(), "k", r, blob.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mustRead(t, s, "k"), data[33:]) {
				t.Errorf("%s of %d bytes: another object", name, size)
			}
		}
	}
}

// writeOps are the requests of the two ways to write.
var writeOps = map[string]struct {
	size int
	ops  []string
}{
	"one put":  {1000, []string{"PutObject"}},
	"in parts": {MinPartSize + 7, []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}},
}

// TestWriteFaults makes each request of a write fail in each way, once, for
// unconditional and for create-only writes. All of them succeed in the end.
func TestWriteFaults(t *testing.T) {
	faults := map[string]fakes3.Fault{
		"503":             fakes3.Status(503, "SlowDown"),
		"500":             fakes3.Status(500, "InternalError"),
		"429":             fakes3.Status(429, "TooManyRequests"),
		"408":             fakes3.Status(408, "RequestCanceled"),
		"409":             fakes3.Status(409, "ConditionalRequestConflict"),
		"dropped":         fakes3.DropRequest(),
		"applied, lost":   fakes3.DropReply(),
		"applied, 500":    fakes3.ApplyThen(500, "InternalError"),
		"silence":         fakes3.Hang(),
		"applied, silent": fakes3.HangAfter(),
		"200 with error":  fakes3.ErrorWith200("InternalError"),
	}
	for way, w := range writeOps {
		for name, fault := range faults {
			for _, op := range w.ops {
				for _, create := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/create=%v", way, op, name, create), func(t *testing.T) {
						t.Parallel()
						unhurried(t, time.Second/2, func(unit time.Duration) error {
							srv := fakes3.New(t)
							s := newStore(t, srv, nil)
							if strings.Contains(name, "silen") {
								s.c.Stall, s.completeStall = unit, unit
							}
							srv.Fail(fakes3.Rule{Match: fakes3.Op(op), Fault: fault})
							want := content(w.size)
							info, err := s.Write(t.Context(), "k", bytes.NewReader(want), blob.WriteOptions{IfAbsent: create})
							if err != nil {
								return err
							}
							s.c.Stall = time.Minute
							if !bytes.Equal(mustRead(t, s, "k"), want) || info.Size != int64(w.size) {
								t.Errorf("another object: %+v", info)
							}
							return nil
						})
					})
				}
			}
		}
	}
}

// TestWriteRefusedAsMissing: a 404 to a write is a refusal, and not the absence of an object.
func TestWriteRefusedAsMissing(t *testing.T) {
	for way, w := range writeOps {
		srv := fakes3.New(t)
		srv.Fail(fakes3.Rule{Match: fakes3.Op(w.ops[0]), Times: -1, Fault: fakes3.Status(404, "NoSuchKey")})
		_, err := newStore(t, srv, nil).Write(t.Context(), "k", bytes.NewReader(content(w.size)), blob.WriteOptions{})
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "NoSuchKey") {
			t.Errorf("%s: %v", way, err)
		}
	}
}

// TestCreateLost: the reply to a create is lost, and another writer was there
// first: that is fs.ErrExist, and the other's object stays.
func TestCreateLost(t *testing.T) {
	for way, w := range writeOps {
		t.Run(way, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			last := w.ops[len(w.ops)-1]
			srv.Fail(fakes3.Rule{Match: fakes3.Op(last), Fault: func(rw httpWriter, c *fakes3.Call) {
				mustWrite(t, newStore(t, srv, nil), "k", []byte("theirs"))
				fakes3.DropReply()(rw, c)
			}})
			_, err := s.Write(t.Context(), "k", bytes.NewReader(content(w.size)), blob.WriteOptions{IfAbsent: true})
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("got error %v, want one that is fs.ErrExist", err)
			}
			if got := mustRead(t, s, "k"); string(got) != "theirs" {
				t.Error("their object was replaced")
			}
		})
	}
}

// TestCreateUnknown: when the object cannot be read back, nothing is claimed.
func TestCreateUnknown(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	srv.Fail(
		fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fakes3.DropReply()},
		fakes3.Rule{Match: fakes3.Op("HeadObject"), Times: -1, Fault: fakes3.Status(403, "AccessDenied")},
	)
	_, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{IfAbsent: true})
	if !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want %v", err, ErrOutcomeUnknown)
	}
}

// TestNonceIsHidden: what tells our writes apart is nobody's metadata.
func TestNonceIsHidden(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	want := map[string]string{"a-1": "one, two"}
	info, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{IfAbsent: true, Metadata: want})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "metadata of Write", info.Metadata, want)
	if info, err = s.Stat(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "metadata of Stat", info.Metadata, want)
}

func TestNonceIsReserved(t *testing.T) {
	s := newStore(t, fakes3.New(t), nil)
	if _, err := s.Write(t.Context(), "k", strings.NewReader("x"),
		blob.WriteOptions{Metadata: map[string]string{nonceName: "x"}}); err == nil {
		t.Error("our own name is accepted")
	}
}

// TestWriteWithoutETag: an answer that does not name a version is not believed.
func TestWriteWithoutETag(t *testing.T) {
	for way, w := range writeOps {
		t.Run(way, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject", "CompleteMultipartUpload"), Times: -1, Fault: fakes3.NoETag()})
			info, err := s.Write(t.Context(), "k", bytes.NewReader(content(w.size)), blob.WriteOptions{})
			if err != nil || info.ETag == "" {
				t.Fatalf("got %+v, %v", info, err)
			}
			if !bytes.Equal(mustRead(t, s, "k"), content(w.size)) {
				t.Error("another object")
			}
		})
	}
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.RetryTimeout = 15 * time.Second / 100 })
	mustWrite(t, s, "k", []byte("old")) // of the same size
	srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Times: -1, Fault: func(w httpWriter, _ *fakes3.Call) {}})
	_, err := s.Write(t.Context(), "k", strings.NewReader("new"), blob.WriteOptions{})
	if !errors.Is(err, answer.ErrIncomplete) {
		t.Errorf("an empty 200 that wrote nothing: got error %v", err)
	}
}

// TestWriteSourceFails: what the reader says is final, also if it looks like a
// failure of the network: it is one, but not one between us and the store.
func TestWriteSourceFails(t *testing.T) {
	for way, w := range writeOps {
		t.Run(way, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			broken := &net.OpError{Op: "read", Err: errors.New("connection reset by their peer")}
			r := &brokenSeeker{Reader: bytes.NewReader(content(w.size)), err: broken}
			_, err := s.Write(t.Context(), "k", r, blob.WriteOptions{})
			if !errors.Is(err, broken) {
				t.Errorf("got error %v, want %v", err, broken)
			}
			if n := r.reads.Load(); n > 2 { // there are two parts at most
				t.Errorf("read %d times", n)
			}
			wantNoUploads(t, srv, true)
		})
	}
}

// brokenSeeker can be measured, and read by nobody.
type brokenSeeker struct {
	*bytes.Reader
	err   error
	reads atomic.Int64
}

func (b *brokenSeeker) Read([]byte) (int, error) { return b.ReadAt(nil, 0) }

func (b *brokenSeeker) ReadAt([]byte, int64) (int, error) {
	b.reads.Add(1)
	return 0, b.err
}

func TestWriteCancelled(t *testing.T) {
	for way, w := range writeOps {
		for _, op := range w.ops {
			t.Run(way+"/"+op, func(t *testing.T) {
				srv := fakes3.New(t)
				s := newStore(t, srv, nil)
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				srv.Fail(fakes3.Rule{Match: fakes3.Op(op), Fault: func(rw httpWriter, c *fakes3.Call) {
					cancel(cause)
					fakes3.Hang()(rw, c)
				}})
				_, err := s.Write(ctx, "k", stream(content(w.size)), blob.WriteOptions{})
				if !errors.Is(err, cause) {
					t.Errorf("got error %v, want %v", err, cause)
				}
				wantNoUploads(t, srv, op != "CreateMultipartUpload")
				wantNoGoroutines(t)
			})
		}
	}
}
