package resourcetest

import (
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/sqlitetest"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/resource"
)

// options are the options of tests that do not wait for polls, on machines that may be slow.
var options = resource.Options{Interval: 5 * time.Millisecond, Timeout: 5 * time.Minute}

// small is a log that comes round soon, and a buffer that is soon too small.
var small = resource.Options{Interval: 5 * time.Millisecond, Timeout: 5 * time.Minute, LogRecords: 64, WatchBuffer: 16}

// engine is what is below a resource.Store: records makes a fresh, empty cas.Store in the
// way of Harness.New.
type engine struct {
	Harness
	records func(t *testing.T) (open func() cas.Store)
}

// run runs the contract over the engine, and then the tests that make requests to the
// store fail, look at its records, or need what a resource.Store has beyond the contract.
func (e engine) run(t *testing.T) {
	e.New, e.Small = e.over(options), e.over(small)
	Run(t, e.Harness)
	for name, test := range map[string]func(*testing.T, engine){
		"Closed":           testClosed,
		"FaultyIncrements": testFaultyIncrements,
		"Laps":             testLaps,
		"LappedWatch":      testLappedWatch,
		"LostAnswers":      testLostAnswers,
		"RestoreFaults":    testRestoreFaults,
		"SlowWatch":        testSlowWatch,
	} {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

func (e engine) over(opts resource.Options) func(t *testing.T) func() resource.Backend {
	return func(t *testing.T) func() resource.Backend {
		open := e.records(t)
		return func() resource.Backend { return opened(t, open(), opts) }
	}
}

func opened(t *testing.T, s cas.Store, opts resource.Options) *resource.Store {
	t.Helper()
	b, err := resource.Open(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func TestMemory(t *testing.T) {
	t.Parallel()
	engine{records: func(*testing.T) func() cas.Store {
		m := new(cas.Memory)
		return func() cas.Store { return m }
	}}.run(t)
}

func TestFile(t *testing.T) {
	t.Parallel()
	engine{Harness{Slow: true}, func(t *testing.T) func() cas.Store {
		dir := t.TempDir()
		return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
	}}.run(t)
}

func TestS3(t *testing.T) {
	t.Parallel()
	engine{Harness{Slow: true}, func(t *testing.T) func() cas.Store {
		srv := fakes3.New(t)
		return bucket(t, s3.Config{
			Bucket: srv.Bucket, Endpoint: srv.URL,
			AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
		})
	}}.run(t)
}

func bucket(t *testing.T, cfg s3.Config) func() cas.Store {
	cfg.Path = "some/prefix"
	return func() cas.Store {
		store, err := s3.OpenRecords(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	engine{Harness: Harness{Slow: true}, records: sqlitetest.Records}.run(t)
}

// TestRaft: the contract on three nodes, two thirds of the handles on followers. The tests of faults are
// the same on every engine, and make requests by the thousand: each write here is six fsyncs.
func TestRaft(t *testing.T) {
	t.Parallel()
	e := engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{}).Fresh}
	e.New, e.Small = e.over(options), e.over(small)
	Run(t, e.Harness)
}
