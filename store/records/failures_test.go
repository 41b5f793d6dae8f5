package records_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/records"
)

// failing is a store whose nth request, and all later ones, fail; of a write perhaps
// after it was applied.
type failing struct {
	*cas.Memory
	left  int
	apply bool
}

var errDown = errors.New("down")

func (f *failing) use() error {
	if f.left--; f.left < 0 {
		return errDown
	}
	return nil
}

func (f *failing) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if err := f.use(); err != nil {
		return cas.Record{}, err
	}
	return f.Memory.Read(ctx, key, known)
}

func (f *failing) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if err := f.use(); err != nil {
		if f.apply {
			_, _ = f.Memory.Write(ctx, key, value, expect)
		}
		f.apply = false
		return cas.Written{}, fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
	}
	return f.Memory.Write(ctx, key, value, expect)
}

func (f *failing) Delete(ctx context.Context, key string, expect cas.Token) error {
	if err := f.use(); err != nil {
		if f.apply {
			_ = f.Memory.Delete(ctx, key, expect)
		}
		f.apply = false
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
	}
	return f.Memory.Delete(ctx, key, expect)
}

func (f *failing) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	if err := f.use(); err != nil {
		return func(yield func(cas.Entry, error) bool) { yield(cas.Entry{}, err) }
	}
	return f.Memory.List(ctx, prefix, after)
}

// TestKilledAnywhere: a copy that ends at any request is finished by the next one, also if
// the source has changed in between.
func TestKilledAnywhere(t *testing.T) {
	for _, apply := range []bool{false, true} {
		for _, change := range []bool{false, true} {
			for n := 0; ; n++ {
				src, dst := new(cas.Memory), new(cas.Memory)
				for i := range 6 {
					put(t, src, fmt.Sprintf("kv/record/k%d", i), "v")
				}
				copyAll(t, src, dst)
				put(t, src, "kv/record/k1", "v2")
				put(t, src, "kv/record/k6", "v")
				remove(t, src, "kv/record/k5")
				opts := options
				opts.Concurrency = 1
				_, err := records.Copy(t.Context(), src, &failing{dst, n, apply}, opts)
				if err == nil {
					if n < 20 {
						t.Fatalf("complete after %d requests", n)
					}
					break
				}
				if !errors.Is(err, errDown) {
					t.Fatalf("request %d: %v", n, err)
				}
				if change {
					put(t, src, "kv/record/k1", "v3")
					put(t, src, "kv/record/k5", "back")
					remove(t, src, "kv/record/k6")
				}
				copyAll(t, src, dst)
				if rep := copyAll(t, src, dst); rep.Copied+rep.Removed != 0 {
					t.Fatalf("request %d: not complete after the second copy: %+v", n, rep)
				}
			}
		}
	}
}

// moving is a source that changes while it is read, by one reader at a time.
type moving struct {
	*cas.Memory
	change func(n int) // before the nth read
	reads  int
}

func (m *moving) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	m.reads++
	m.change(m.reads)
	return m.Memory.Read(ctx, key, known)
}

// TestOneInstant: two records change one after the other, and the copy never has the later
// change without the earlier one.
func TestOneInstant(t *testing.T) {
	for at := range 12 {
		src, dst := new(cas.Memory), new(cas.Memory)
		put(t, src, "kv/record/a", "0")
		put(t, src, "kv/record/b", "0")
		put(t, src, "kv/record/c", "0")
		m := &moving{Memory: src, change: func(n int) {
			if n == at {
				put(t, src, "kv/record/a", "1")
				put(t, src, "kv/record/c", "1")
				remove(t, src, "kv/record/b")
			}
		}}
		opts := options
		opts.Concurrency = 1
		_, err := records.Copy(t.Context(), m, dst, opts)
		check(t, err)
		got := all(t, dst)
		if got["kv/record/a"] != got["kv/record/c"] || (got["kv/record/b"] == "") != (got["kv/record/a"] == "1") {
			t.Errorf("changed before read %d: got %v", at, got)
		}
	}
}

func TestSourceChanges(t *testing.T) {
	src, dst := new(cas.Memory), new(cas.Memory)
	put(t, src, "kv/record/a", "0")
	m := &moving{Memory: src, change: func(n int) { put(t, src, fmt.Sprintf("kv/record/k%d", n), "v") }}
	opts := options
	opts.Concurrency = 1
	if _, err := records.Copy(t.Context(), m, dst, opts); !errors.Is(err, records.ErrSourceChanges) {
		t.Errorf("got %v", err)
	}
	copyAll(t, src, dst)
}

// halves is a source that answers with the first half of a record.
type halves struct{ *cas.Memory }

func (h halves) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := h.Memory.Read(ctx, key, known)
	r.Value = r.Value[:len(r.Value)/2]
	return r, err
}

// TestSourceIsDamaged: what is cut short is not copied, and named.
func TestSourceIsDamaged(t *testing.T) {
	src, dst := new(cas.Memory), new(cas.Memory)
	store, err := kv.New(src, kv.Options{})
	check(t, err)
	_, err = store.Create(t.Context(), kv.Record{Key: "a", Value: []byte("some value")})
	check(t, err)
	_, err = records.Copy(t.Context(), halves{src}, dst, options)
	if !errors.Is(err, records.ErrDamaged) || !strings.Contains(err.Error(), "kv/record/") {
		t.Errorf("got %v", err)
	}
	for key := range all(t, dst) {
		if strings.HasPrefix(key, "kv/") {
			t.Errorf("%s was copied", key)
		}
	}
	copyAll(t, src, dst)
}

// lying is a target that stores something else than what it is given, or that others write to.
type lying struct {
	*cas.Memory
	key  string
	then func(value []byte) []byte
}

func (l lying) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if key == l.key {
		value = l.then(bytes.Clone(value))
	}
	return l.Memory.Write(ctx, key, value, expect)
}

// TestTargetIsVerified: what is written is read back, and what others write is found.
func TestTargetIsVerified(t *testing.T) {
	src := new(cas.Memory)
	put(t, src, "kv/record/a", "1")
	put(t, src, "kv/record/b", "2")
	var target *records.TargetError
	dst := lying{new(cas.Memory), "kv/record/a", func(v []byte) []byte { return append(v, '!') }}
	if _, err := records.Copy(t.Context(), src, dst, options); !errors.As(err, &target) || target.Key != "kv/record/a" {
		t.Errorf("another value: got %v", err)
	}
	m := new(cas.Memory)
	opts := options
	opts.Concurrency = 1
	for key, then := range map[string]func(){
		"kv/record/a":  func() { put(t, m, "kv/record/a", "theirs") },
		"logstate/new": func() { put(t, m, "logstate/new", "theirs") },
	} {
		*m = cas.Memory{}
		dst := lying{m, "kv/record/b", func(v []byte) []byte { then(); return v }}
		if _, err := records.Copy(t.Context(), src, dst, opts); !errors.As(err, &target) || target.Key != key {
			t.Errorf("%s is written by others: got %v", key, err)
		}
	}
	if _, err := records.Copy(t.Context(), src, m, options); !errors.As(err, &target) {
		t.Errorf("afterwards: got %v", err)
	}
}

// TestBusy: of two copies at once one goes on, and the other one says so.
func TestBusy(t *testing.T) {
	src, m := new(cas.Memory), new(cas.Memory)
	put(t, src, "kv/record/a", "1")
	for _, key := range []string{"records-copy/manifest", "records-copy/journal/00000000"} {
		*m = cas.Memory{}
		dst := lying{m, key, func(v []byte) []byte {
			if len(all(t, m)) == 0 {
				copyAll(t, src, m)
			}
			return v
		}}
		if _, err := records.Copy(t.Context(), src, dst, options); !errors.Is(err, records.ErrBusy) {
			t.Errorf("%s: got %v", key, err)
		}
		if rep := copyAll(t, src, m); rep.Present != 1 {
			t.Errorf("%s: afterwards: %+v", key, rep)
		}
	}
}

func TestCorruptManifest(t *testing.T) {
	src := new(cas.Memory)
	put(t, src, "kv/record/a", "1")
	for _, key := range []string{
		"records-copy/manifest", "records-copy/journal/00000000", "records-copy/journal/00000007",
	} {
		dst := new(cas.Memory)
		copyAll(t, src, dst)
		put(t, dst, key, "nonsense")
		if _, err := records.Copy(t.Context(), src, dst, options); !errors.Is(err, records.ErrCorrupt) {
			t.Errorf("%s: got %v", key, err)
		}
	}
	dst := new(cas.Memory)
	copyAll(t, src, dst)
	remove(t, dst, "records-copy/manifest")
	if _, err := records.Copy(t.Context(), src, dst, options); !errors.Is(err, records.ErrCorrupt) {
		t.Errorf("without a manifest: got %v", err)
	}
}
