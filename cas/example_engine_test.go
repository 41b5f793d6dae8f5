package cas_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

// table is an engine of one's own, all of it: here in a map, but a row of a database or an
// entry of a directory service would do as well.
type table struct {
	mu   sync.Mutex
	rows map[string]row
}

type row struct {
	version int64
	value   []byte
}

func (t *table) Read(ctx context.Context, key string, _ cas.Token) (cas.Record, error) {
	if err := usable(ctx, cas.CheckKey(key)); err != nil {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.rows[key]
	if !ok {
		return cas.Record{}, nil
	}
	return cas.Record{Token: token(r), Value: bytes.Clone(r.value)}, nil
}

func (t *table) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if err := usable(ctx, cas.CheckWrite(key, value)); err != nil {
		return cas.Written{}, fmt.Errorf("write %s: %w", key, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.rows[key]; token(old) != expect {
		return cas.Written{}, fmt.Errorf("write %s: %w", key, cas.ErrConflict)
	}
	next := row{t.rows[key].version + 1, append([]byte{}, value...)}
	t.rows[key] = next
	return cas.Written{Token: token(next)}, nil
}

func (t *table) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		if err := usable(ctx, cas.CheckPrefix(prefix)); err != nil {
			yield(cas.Entry{}, fmt.Errorf("list %q: %w", prefix, err))
			return
		}
		t.mu.Lock()
		rows := maps.Clone(t.rows) // the loop may use the table
		t.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			if strings.HasPrefix(key, prefix) && key > after && !yield(cas.Entry{Key: key, Token: token(rows[key])}, nil) {
				return
			}
		}
	}
}

// token is zero for a row that does not exist.
func token(r row) cas.Token {
	if r.version == 0 {
		return ""
	}
	return cas.Token(fmt.Sprint(r.version))
}

func usable(ctx context.Context, err error) error {
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// An engine of one's own is three methods. Leases, and everything in store, work on it.
func Example_engine() {
	ctx := context.Background()
	var store cas.Store = &table{rows: map[string]row{}}
	for _, key := range []string{"b/2", "b/1", "a"} {
		if _, err := store.Write(ctx, key, []byte("value"), ""); err != nil {
			fmt.Println(err)
		}
	}
	for e, err := range store.List(ctx, "b/", "") {
		fmt.Println(e.Key, err)
	}
	// Output:
	// b/1 <nil>
	// b/2 <nil>
}

// TestTable: it is one if it passes castest. The harness says what it cannot do.
func TestTable(t *testing.T) {
	castest.Run(t, castest.Harness{
		NoDelete: "versions of a key would begin again",
		NoNotify: "a table tells nobody of changes",
		NoBatch:  "the example is short",
		New: func(*testing.T) func() cas.Store {
			shared := &table{rows: map[string]row{}}
			return func() cas.Store { return shared }
		},
	})
}
