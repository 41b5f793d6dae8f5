package configtest

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/sqlitetest"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/config"
)

// engine is what is below a config.Store: records makes a fresh, empty cas.Store in the
// way of Harness.New.
type engine struct {
	Harness
	records func(t *testing.T) (open func() cas.Store)
}

// run runs the contract over the engine, and then the tests that make requests to the
// store fail, look at its records, or need what a config.Store has beyond the contract.
func (e engine) run(t *testing.T) {
	e.New = func(t *testing.T) func() config.Storage {
		open := e.records(t)
		return func() config.Storage { return over(open()) }
	}
	Run(t, e.Harness)
	for name, test := range overRecords {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

func TestMemory(t *testing.T) {
	engine{records: func(*testing.T) func() cas.Store {
		store := new(cas.Memory)
		return func() cas.Store { return store }
	}}.run(t)
}

func TestFile(t *testing.T) {
	engine{Harness{Slow: true}, func(t *testing.T) func() cas.Store {
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
		check(t, "OpenRecords", err)
		return store
	}
}

func over(s cas.Store) *config.Store { return config.New(s, config.Options{}) }

// overRecords are the tests that need the records below.
var overRecords = map[string]func(*testing.T, engine){
	"Session":         testSession,
	"Contents":        testContents,
	"FaultyLeaders":   testFaultyLeaders,
	"FaultyInstances": testFaultyInstances,
	"LostAnswers":     testLostAnswers,
	"NotDurable":      testNotDurable,
	"Damaged":         testDamaged,
}

func TestSQLite(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: sqlitetest.Records}.run(t)
}

// TestRaft: three nodes, two thirds of the handles on followers.
func TestRaft(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{}).Fresh}.run(t)
}
