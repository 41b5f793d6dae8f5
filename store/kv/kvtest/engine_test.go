package kvtest

import (
	"os"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/sqlitetest"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/kv"
)

func TestMain(m *testing.M) {
	fakes3.Isolate()
	os.Exit(m.Run())
}

// engine is what is below a kv.Store: records makes a fresh, empty cas.Store in the way of
// Harness.New. decorate changes what the tests get; it may be nil.
type engine struct {
	Harness
	records  func(t *testing.T) (open func() cas.Store)
	decorate func(kv.Storage) kv.Storage
}

// on is a handle that is quicker than the defaults.
func (e engine) on(t *testing.T, store cas.Store) kv.Storage {
	t.Helper()
	s, err := kv.New(store, kv.Options{PollEvery: 20 * time.Millisecond, LeaseCache: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if e.decorate != nil {
		return e.decorate(s)
	}
	return s
}

// run runs the contract over the engine, and then the tests that make requests to the
// store fail, look at its records, or need what a kv.Store has beyond the contract.
func (e engine) run(t *testing.T) {
	e.New = func(t *testing.T) func() kv.Storage {
		open := e.records(t)
		return func() kv.Storage { return e.on(t, open()) }
	}
	Run(t, e.Harness)
	for name, test := range map[string]func(*testing.T, engine){
		"CrashTogether":      testCrashTogether,
		"Damaged":            testDamaged,
		"FaultyLinearizable": testFaultyLinearizable,
		"LostAnswers":        testLostAnswers,
		"LostKeepAlive":      testLostKeepAlive,
		"NextVersion":        testNextVersion,
		"NothingLeft":        testNothingLeft,
		"WaitInFlight":       testWaitInFlight,
		"WaitIsTold":         testWaitIsTold,
		"WaitSeesEnd":        testWaitSeesEnd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	engine{records: func(*testing.T) func() cas.Store {
		store := new(cas.Memory)
		return func() cas.Store { return store }
	}}.run(t)
}

func TestFile(t *testing.T) {
	t.Parallel()
	engine{Harness: Harness{Slow: true}, records: func(t *testing.T) func() cas.Store {
		dir := t.TempDir()
		return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
	}}.run(t)
}

func TestS3(t *testing.T) {
	t.Parallel()
	engine{Harness: Harness{Slow: true}, records: func(t *testing.T) func() cas.Store {
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
	engine{records: sqlitetest.Records}.run(t)
}

// TestRaft: three nodes, two thirds of the handles on followers.
func TestRaft(t *testing.T) {
	t.Parallel()
	engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{}).Fresh}.run(t)
}
