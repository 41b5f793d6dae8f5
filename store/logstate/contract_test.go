package logstate_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/store/internal/record"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/logstate/logstatetest"
)

// The program: a witness that signs a checkpoint if it is larger than the one before. It
// is written against the contract alone, in either shape.

var errTooSmall = errors.New("not larger than the last one")

type older struct{ p logstate.LogStatePersistence }

func (w older) feed(id string, size byte) error {
	ops, err := w.p.WriteOps(id)
	if err != nil {
		return fmt.Errorf("write ops: %w", err)
	}
	defer ops.Close()
	switch last, err := ops.GetLatest(); {
	case status.Code(err) == codes.NotFound:
	case err != nil:
		return err
	case size <= last[0]:
		return errTooSmall
	}
	return ops.Set([]byte{size})
}

func (w older) latest(id string) ([]byte, error) {
	ops, err := w.p.ReadOps(id)
	if err != nil {
		return nil, err
	}
	latest, err := ops.GetLatest()
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	return latest, err
}

type newer struct{ p logstate.LogStateUpdater }

func (w newer) feed(id string, size byte) error {
	return w.p.Update(id, func(last []byte) ([]byte, error) {
		if last != nil && size <= last[0] {
			return nil, errTooSmall
		}
		return []byte{size}, nil
	})
}

func (w newer) latest(id string) ([]byte, error) { return w.p.Latest(id) }

func TestContract(t *testing.T) {
	onFile := logstate.New(file.NewRecords(t.TempDir(), file.Options{}))
	onMemory := logstate.New(new(cas.Memory))
	for name, w := range map[string]interface {
		feed(id string, size byte) error
		latest(id string) ([]byte, error)
	}{
		"older, file": older{onFile}, "newer, file": newer{onFile},
		"older, memory": older{onMemory}, "newer, memory": newer{onMemory}, "older, native": older{new(native)},
	} {
		if got, err := w.latest(name); got != nil || err != nil {
			t.Errorf("%s: a new log has %v, %v", name, got, err)
		}
		for _, c := range []struct {
			size byte
			want error
		}{{10, nil}, {25, nil}, {25, errTooSmall}, {13, errTooSmall}} {
			if err := w.feed(name, c.size); !errors.Is(err, c.want) {
				t.Errorf("%s: size %d: %v, want %v", name, c.size, err, c.want)
			}
		}
		if got, err := w.latest(name); !bytes.Equal(got, []byte{25}) || err != nil {
			t.Errorf("%s: in the end %v, %v", name, got, err)
		}
	}
	logs, err := onFile.Logs()
	if want := []string{"newer, file", "older, file"}; !slices.Equal(logs, want) || err != nil {
		t.Errorf("logs %q, %v, want %q", logs, err, want)
	}
}

// TestZero: a Store that New has not made returns errors.
func TestZero(t *testing.T) {
	var s logstate.Store
	_, logsErr := s.Logs()
	_, latestErr := s.Latest("log")
	r, err := s.ReadOps("log")
	if err != nil {
		t.Fatal(err)
	}
	_, readErr := r.GetLatest()
	w, err := s.WriteOps("log")
	if err != nil {
		t.Fatal(err)
	}
	_, beginErr := w.GetLatest()
	for i, err := range []error{
		s.Init(), logsErr, latestErr, readErr, beginErr, w.Set([]byte("x")),
		s.Update("log", nil), s.WithContext(t.Context()).Init(),
	} {
		if !errors.Is(err, record.ErrNoStore) {
			t.Errorf("method %d: %v", i, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestNative runs the suite over an implementation without a cas.Store.
func TestNative(t *testing.T) {
	logstatetest.Run(t, logstatetest.Harness{New: func(*testing.T) func() logstate.LogStatePersistence {
		n := new(native)
		return func() logstate.LogStatePersistence { return n }
	}})
}

// native is a logstate.LogStatePersistence in memory, of the older shape alone.
type native struct {
	mu   sync.Mutex
	logs map[string]nativeLog
}

type nativeLog struct {
	checkpoint []byte
	version    int
}

func (n *native) Init() error { return nil }

func (n *native) Logs() ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := slices.AppendSeq([]string{}, maps.Keys(n.logs))
	slices.Sort(ids)
	return ids, nil
}

func (n *native) ReadOps(id string) (logstate.LogStateReadOps, error) {
	if id == "" || len(id) > logstate.MaxIDLen {
		return nil, status.Error(codes.InvalidArgument, "log id")
	}
	return &nativeReader{n, id}, nil
}

func (n *native) WriteOps(id string) (logstate.LogStateWriteOps, error) {
	if _, err := n.ReadOps(id); err != nil {
		return nil, err
	}
	return &nativeTransaction{n: n, id: id}, nil
}

func (n *native) get(id string) nativeLog {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logs[id]
}

type nativeReader struct {
	n  *native
	id string
}

func (r *nativeReader) GetLatest() ([]byte, error) { return latestOf(r.n.get(r.id)) }

func latestOf(l nativeLog) ([]byte, error) {
	if l.version == 0 {
		return nil, status.Error(codes.NotFound, "no checkpoint")
	}
	return l.checkpoint, nil
}

type nativeTransaction struct {
	n    *native
	id   string
	read *nativeLog
	over bool
}

func (w *nativeTransaction) begin() error {
	if w.over {
		return status.Error(codes.FailedPrecondition, "over")
	}
	if w.read == nil {
		l := w.n.get(w.id)
		w.read = &l
	}
	return nil
}

func (w *nativeTransaction) GetLatest() ([]byte, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	return latestOf(*w.read)
}

func (w *nativeTransaction) Set(checkpoint []byte) error {
	if len(checkpoint) == 0 || len(checkpoint) > logstate.MaxCheckpointSize {
		return status.Error(codes.InvalidArgument, "size of the checkpoint")
	}
	if err := w.begin(); err != nil {
		return err
	}
	w.over = true
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if w.n.logs[w.id].version != w.read.version {
		return status.Error(codes.Aborted, "another witness was faster")
	}
	if w.n.logs == nil {
		w.n.logs = map[string]nativeLog{}
	}
	w.n.logs[w.id] = nativeLog{bytes.Clone(checkpoint), w.read.version + 1}
	return nil
}

func (w *nativeTransaction) Close() error {
	w.over = true
	return nil
}
