package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decode reads one document that has every key of T and no other, and null only
// for a time that is not known.
func decode[T any](t testing.TB, what, doc string) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, doc)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("%s: more than one document (%v)\n%s", what, err, doc)
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, want := tree(t, []byte(doc)), tree(t, again)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: the contract (-) and the output (+) differ:\n%s", what, diff)
	}
	checkNulls(t, what, "", got)
	return v
}

func tree(t testing.TB, doc []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// times are the keys whose value may not be known.
var times = []string{"created_at", "updated_at", "from", "to", "oldest", "newest", "expires_at"}

func checkNulls(t testing.TB, what, key string, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		if !slices.Contains(times, key) {
			t.Errorf("%s: %q is null", what, key)
		}
	case map[string]any:
		for key, v := range v {
			checkNulls(t, what, key, v)
		}
	case []any:
		for _, v := range v {
			checkNulls(t, what, key+"[]", v)
		}
	}
}

// The test of the contract can fail.
func TestDecodeRefuses(t *testing.T) {
	for _, doc := range []string{
		`[{"after":"1","before":"3","extra":1}]`,
		`[{"after":"1"}]`,
		`[{"after":"1","before":null}]`,
		`[{"after":"1","Before":"3"}]`,
		`[{"after":"1","before":"3"}] []`,
		`[null]`,
		`null`,
		``,
	} {
		if !fails(t, func(t testing.TB) { decode[[]gapDoc](t, "gaps", doc) }) {
			t.Errorf("%s passes", doc)
		}
	}
}

// failing is a testing.TB that notes what would have failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}

func (f *failing) Errorf(string, ...any) { f.failed = true }

func (f *failing) Fatalf(string, ...any) { f.failed = true; panic(f) }

func fails(t testing.TB, test func(testing.TB)) bool {
	f := &failing{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(f) {
				panic(p)
			}
		}()
		test(f)
	}()
	return f.failed
}
