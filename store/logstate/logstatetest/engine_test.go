package logstatetest

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/sqlitetest"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/logstate"
)

// engine is what is below a logstate.Store: records makes a fresh, empty cas.Store in the
// way of Harness.New.
type engine struct {
	Harness
	records func(t *testing.T) (open func() cas.Store)
}

// run runs the contract over the engine, and then the tests that make requests to the
// store fail, look at its records, or need what a logstate.Store has beyond the contract.
func (e engine) run(t *testing.T) {
	e.New = func(t *testing.T) func() logstate.LogStatePersistence {
		open := e.records(t)
		return func() logstate.LogStatePersistence { return logstate.New(open()) }
	}
	Run(t, e.Harness)
	for name, test := range map[string]func(*testing.T, engine){
		"Contexts":      testContexts,
		"DataLoss":      testDataLoss,
		"FaultyWriters": testFaultyWriters,
		"LostAnswers":   testLostAnswers,
	} {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

func TestMemory(t *testing.T) {
	engine{records: func(*testing.T) func() cas.Store {
		store := new(cas.Memory)
		return func() cas.Store { return store }
	}}.run(t)
}

func TestFile(t *testing.T) {
	engine{records: func(t *testing.T) func() cas.Store {
		dir := t.TempDir()
		return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
	}}.run(t)
}

func TestS3(t *testing.T) {
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
	engine{Harness: Harness{Slow: true}, records: sqlitetest.Records}.run(t)
}

// TestRaft: three nodes, two thirds of the handles on followers.
func TestRaft(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{}).Fresh}.run(t)
}
