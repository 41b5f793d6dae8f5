package probe

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

// root is the two memory engines as one, as a directory or a bucket is.
type root struct {
	records cas.Memory
	objects *blob.Memory
	wrap    func(cas.Store) cas.Store // of each handle, or nil
	deny    error                     // of deletes, or nil
}

func newRoot() *root { return &root{objects: blob.NewMemory()} }

func (r *root) target() Target {
	return Target{
		Records: func(context.Context) (cas.Store, error) {
			if r.wrap != nil {
				return r.wrap(records{&r.records, r}), nil
			}
			return records{&r.records, r}, nil
		},
		Objects: func(context.Context) (blob.Store, error) { return objects{r.objects, r}, nil },
	}
}

func (r *root) keys(ctx context.Context, prefix string) (keys []string, err error) {
	for e, err := range r.records.List(ctx, prefix, "") {
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.Key)
	}
	for info, err := range r.objects.List(ctx, prefix, blob.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, info.Key)
	}
	slices.Sort(keys)
	return keys, nil
}

type records struct {
	*cas.Memory
	root *root
}

func (s records) List(ctx context.Context, prefix, _ string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		keys, err := s.root.keys(ctx, prefix)
		if err != nil {
			yield(cas.Entry{}, err)
			return
		}
		for _, key := range keys {
			if !yield(cas.Entry{Key: key}, nil) {
				return
			}
		}
	}
}

type objects struct {
	*blob.Memory
	root *root
}

func (s objects) List(ctx context.Context, prefix string, _ blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for e, err := range (records{&s.root.records, s.root}).List(ctx, prefix, "") {
			if !yield(blob.Info{Key: e.Key}, err) {
				return
			}
		}
	}
}

func (s objects) Delete(ctx context.Context, keys []string) error {
	return blob.DeleteEach(ctx, keys, func(key string) error {
		if s.root.deny != nil && strings.Contains(key, "/create-") {
			return s.root.deny
		}
		s.root.records.Forget(key)
		return s.Memory.Delete(ctx, []string{key})
	})
}

func probeRoot(t *testing.T, ctx context.Context, r *root) *Report {
	t.Helper()
	report, err := Run(ctx, r.target(), Options{Rounds: 4, Writers: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Logf("%s: %s: %s", c.Name, c.Result, c.Evidence)
	}
	return report
}

func wantClean(t *testing.T, r *root, report *Report) {
	t.Helper()
	if report != nil && (len(report.Left) > 0 || report.CleanupErr != nil) {
		t.Errorf("left, as the report says: %q, %v", report.Left, report.CleanupErr)
	}
	if keys, err := r.keys(context.Background(), ""); err != nil || len(keys) > 0 {
		t.Errorf("left: %q, %v", keys, err)
	}
}

func TestConformant(t *testing.T) {
	r := newRoot()
	report := probeRoot(t, t.Context(), r)
	if report.Verdict != Conformant || report.Err() != nil || report.Took <= 0 || report.Began.IsZero() {
		t.Errorf("%+v: %v", report, report.Err())
	}
	for _, c := range report.Checks {
		if c.Evidence == "" || c.Result != Passed && c.Result != Noted {
			t.Errorf("%+v", c)
		}
	}
	wantClean(t, r, report)
}

// TestRecordsAlone: a store without objects is probed, too. The probe's records are removed where
// the store can delete, and named in the report where it cannot.
func TestRecordsAlone(t *testing.T) {
	for name, wrap := range map[string]func(cas.Store) cas.Store{
		"deletes": func(s cas.Store) cas.Store { return s },
		"keeps":   func(s cas.Store) cas.Store { return struct{ cas.Store }{s} },
	} {
		t.Run(name, func(t *testing.T) {
			m := new(cas.Memory)
			target := Target{Records: func(context.Context) (cas.Store, error) { return wrap(m), nil }, PartSize: 1 << 20}
			report, err := Run(t.Context(), target, Options{Rounds: 4, Writers: 5})
			if err != nil || report.Verdict != Conformant {
				t.Fatalf("%+v, %v", report, err)
			}
			for _, c := range report.Checks {
				if strings.Contains(c.Name, "object") || strings.Contains(c.Name, "multipart") {
					t.Errorf("%s: %s", c.Name, c.Evidence)
				}
				if c.Name == "list-after-write" && strings.Contains(c.Evidence, "deleted") != (name == "deletes") {
					t.Errorf("%s: %s", c.Name, c.Evidence)
				}
			}
			there, err := listRecords(t.Context(), m, "")
			if err != nil || !slices.Equal(there, report.Left) || (len(there) == 0) != (name == "deletes") {
				t.Errorf("left: %q, %v; the report says %q", there, err, report.Left)
			}
			if errors.Is(report.CleanupErr, cas.ErrUnsupported) != (name == "keeps") {
				t.Errorf("cleanup: %v", report.CleanupErr)
			}
		})
	}
	if _, err := Run(t.Context(), Target{}, Options{}); err == nil {
		t.Error("a target of nothing is probed")
	}
}

// TestFaultsAreNoViolation: a network that loses requests and answers, over a store
// that is fine. What cannot be found out must not be held against the store.
func TestFaultsAreNoViolation(t *testing.T) {
	var mu sync.Mutex
	verdicts := map[Verdict]int{}
	var all sync.WaitGroup
	for seed := range uint64(30) {
		all.Go(func() {
			r := newRoot()
			r.wrap = lossy(seed)
			report, err := Run(t.Context(), r.target(), Options{Rounds: 4, Writers: 5})
			if err != nil {
				t.Error(err)
				return
			}
			if report.Verdict == Violation {
				t.Errorf("seed %d: %v", seed, report.Err())
			}
			wantClean(t, r, report)
			mu.Lock()
			defer mu.Unlock()
			verdicts[report.Verdict]++
		})
	}
	all.Wait()
	if verdicts[Conformant] == 0 || verdicts[Inconclusive] == 0 {
		t.Errorf("verdicts: %v", verdicts)
	}
}

// lossy makes handles that lose requests and answers, and of odd seeds fail.
func lossy(seed uint64) func(cas.Store) cas.Store {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 0))
	decide := func(op, _ string) castest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := dice.IntN(1000); {
		case n < 10 && op == "write":
			return castest.AppliedThenFail
		case n < 20 && op == "write":
			return castest.LostBefore
		case n >= 998 && seed%2 == 1:
			return castest.FailBefore
		}
		return castest.None
	}
	return func(s cas.Store) cas.Store { return &castest.Faulty{Store: s, Decide: decide} }
}

// TestLeftIsNamed: what cannot be deleted is in the report, and nothing else.
func TestLeftIsNamed(t *testing.T) {
	r := newRoot()
	r.deny = errors.New("not allowed")
	report := probeRoot(t, t.Context(), r)
	there, err := r.keys(t.Context(), "")
	if err != nil || len(there) == 0 || !slices.Equal(report.Left, there) {
		t.Errorf("left: %q, %v; the report says %q", there, err, report.Left)
	}
	if !errors.Is(report.CleanupErr, r.deny) || report.Verdict != Conformant {
		t.Errorf("verdict %s, cleanup %v", report.Verdict, report.CleanupErr)
	}
}

// TestPanic: what an engine does to the process is not left in the store either.
func TestPanic(t *testing.T) {
	r := newRoot()
	writes := 0
	r.wrap = func(s cas.Store) cas.Store {
		return &castest.Faulty{Store: s, Decide: func(op, key string) castest.Fault {
			if strings.HasSuffix(key, "if-match-right") {
				panic("bug")
			}
			writes++
			return castest.None
		}}
	}
	func() {
		defer func() {
			if recover() == nil || writes == 0 {
				t.Errorf("no panic, after %d writes", writes)
			}
		}()
		probeRoot(t, t.Context(), r)
	}()
	wantClean(t, r, nil)
}

func TestOptions(t *testing.T) {
	for _, opts := range []Options{
		{Rounds: -1}, {Rounds: MaxRounds + 1}, {Writers: 1}, {Writers: MaxWriters + 1}, {Timeout: -1}, {CleanupTimeout: -1},
	} {
		if report, err := Run(t.Context(), newRoot().target(), opts); err == nil {
			t.Errorf("%+v: %s", opts, report.Verdict)
		}
	}
	closed := errors.New("closed")
	target := newRoot().target()
	target.Objects = func(context.Context) (blob.Store, error) { return nil, closed }
	if _, err := Run(t.Context(), target, Options{}); !errors.Is(err, closed) {
		t.Errorf("a target that cannot be opened: %v", err)
	}
}

// TestGate: a violation stops, an inconclusive probe does not.
func TestGate(t *testing.T) {
	r := newRoot()
	opts := Options{Rounds: 1, Writers: 2}
	if err := Gate(r.target(), opts)(t.Context()); err != nil {
		t.Errorf("conformant: %v", err)
	}
	r.wrap = func(s cas.Store) cas.Store {
		return &castest.Faulty{Store: s, Decide: func(string, string) castest.Fault { return castest.FailBefore }}
	}
	if err := Gate(r.target(), opts)(t.Context()); err != nil {
		t.Errorf("inconclusive: %v", err)
	}
	r.wrap = func(s cas.Store) cas.Store { return blind{s} }
	err := Gate(r.target(), opts)(t.Context())
	if !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), "create-once: ") {
		t.Errorf("violation: %v", err)
	}
	if err := Gate(r.target(), Options{Writers: 1})(t.Context()); err == nil {
		t.Error("one writer is taken for a race")
	}
	wantClean(t, r, nil)
}

// blind is a store that ignores conditions.
type blind struct{ cas.Store }

func (s blind) Write(ctx context.Context, key string, value []byte, _ cas.Token) (cas.Written, error) {
	for {
		now, err := s.Read(ctx, key, "")
		if err != nil {
			return cas.Written{}, err
		}
		if written, err := s.Store.Write(ctx, key, value, now.Token); !errors.Is(err, cas.ErrConflict) {
			return written, err
		}
	}
}

func TestQuotes(t *testing.T) {
	for _, c := range []struct {
		quoted, bare, stale bool
		want                string
	}{
		{true, true, false, "with quotes and without"}, {true, false, false, "in quotes only"},
		{false, true, false, "without quotes only"}, {false, false, false, "neither"},
		{true, true, true, "a stale one applied"}, {false, true, true, "a stale one applied"},
	} {
		if got := quotes(c.quoted, c.bare, c.stale); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
