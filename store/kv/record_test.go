package kv

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

func stored(t *testing.T, body []byte) record.Stored {
	t.Helper()
	value, _, err := recordFormat.Seal(body, record.Lineage{})
	if err != nil {
		t.Fatal(err)
	}
	if len(value) > cas.MaxValueSize {
		t.Errorf("a record of %d bytes", len(value))
	}
	return record.Stored{Token: "t", Body: body}
}

func TestHeaderFits(t *testing.T) {
	const most = math.MaxInt64
	for _, h := range []header{{Version: most - 1, Lease: most}, {Version: most - 1, Deleted: true}, placeholder} {
		body, err := h.encode(make([]byte, MaxValueSize))
		if h.Deleted {
			body, err = h.encode(nil)
		}
		if n := bytes.IndexByte(body, '\n') + 1; err != nil || n > maxHeader-record.MaxSeal {
			t.Errorf("a header of %d bytes, %v", n, err)
		}
		e, err := decode(stored(t, body))
		if err != nil || e.header != h {
			t.Errorf("got %+v, %v, want %+v", e, err, h)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, body := range []string{
		"", "\n", "{}", "{}\n", `{"version":0}` + "\n", `{"version":-1}` + "\n", `{"version":1}`,
		`{"version":9223372036854775807}` + "\n", `{"version":1,"lease":-1}` + "\n", `{"version":1,"deleted":true}` + "\nx",
		`{"version":1,"deleted":true,"lease":1}` + "\n", `{"version":1.5}` + "\n", `[1]` + "\n", `{"version":1}x` + "\n",
		`{"version":0,"lease":1,"deleted":true}` + "\n", `{"version":-1,"deleted":true}` + "\n",
	} {
		if e, err := decode(stored(t, []byte(body))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: got %+v, %v", body, e, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":3,"lease":7}` + "\nvalue"))
	f.Add([]byte(`{"version":4,"deleted":true}` + "\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decode(record.Stored{Token: "t", Body: body})
		if err != nil {
			return
		}
		again, err := e.encode(e.value)
		if err != nil {
			t.Fatal(err)
		}
		e2, err := decode(record.Stored{Token: "t", Body: again})
		if err != nil || e2.header != e.header || !bytes.Equal(e2.value, e.value) {
			t.Errorf("%+v is written as %+v", e, e2)
		}
	})
}

func TestTerms(t *testing.T) {
	for _, ending := range []bool{false, true} {
		want := terms{30_000, 1500, ending}
		w, err := holder("some host", time.Minute, want)
		if got, ok := parseTerms(w.note); err != nil || !ok || got != want {
			t.Errorf("got %+v, %v, %v, want %+v", got, ok, err, want)
		}
	}
	for _, s := range []string{
		"", "x", "[]", "null", `{}`, `{"ttl_ms":1000,"cache_ms":2000}`, `{"ttl_ms":1,"cache_ms":0}`,
		`{"ttl_ms":3459600000,"cache_ms":0}`, `{"ttl_ms":1000,"cache_ms":-1}`, `{"ttl_ms":1000.5,"cache_ms":0}`,
	} {
		if got, ok := parseTerms([]byte(s)); ok || got != (terms{}) {
			t.Errorf("%q: got %+v", s, got)
		}
	}
}

func FuzzParseTerms(f *testing.F) {
	f.Add([]byte(`{"ttl_ms":30000,"cache_ms":1000}`))
	f.Add([]byte(`{"ttl_ms":30000,"cache_ms":0,"ending":true}`))
	f.Fuzz(func(t *testing.T, note []byte) {
		got, ok := parseTerms(note)
		if !ok {
			return
		}
		w, err := holder("", time.Minute, got)
		if again, ok := parseTerms(w.note); err != nil || !ok || again != got {
			t.Errorf("%+v is written as %s", got, w.note)
		}
	})
}

// TestBefore: between it and the start of a range there is no record's key.
func TestBefore(t *testing.T) {
	keys := []Key{
		"\x00", "\x00\x00", "/", "0", "9", "A", "_", "a", "a/", "aa", "ay", "az", "az\xff", "b", "y", "z", "z\x00", "zz",
		"\x7f", "\xff", Key(strings.Repeat("\xff", MaxKeyLen)),
	}
	for _, start := range append(keys, Key(strings.Repeat("\xff", MaxKeyLen+1))) {
		after, err := before(start)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			stored, err := recordKey(key)
			if err != nil {
				t.Fatal(err)
			}
			if key >= start && stored <= after {
				t.Errorf("the range from %q begins after %q, which is %q", start, after, key)
			}
			if key < start && len(start) <= MaxKeyLen && stored > after {
				t.Errorf("%q is listed in the range from %q", key, start)
			}
		}
	}
	if after, err := before(""); after != "" || err != nil {
		t.Errorf("before all: %q, %v", after, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, opts := range []Options{{PollEvery: -1}, {MaxSkew: -1}} {
		if _, err := New(new(cas.Memory), opts); err == nil {
			t.Errorf("%+v is accepted", opts)
		}
	}
}

func TestForget(t *testing.T) {
	s, err := New(new(cas.Memory), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for id := range LeaseId(maxViews + 1) {
		s.view(id + 1)
	}
	var found []*inRange
	for i := range maxGone + 1 {
		e := entry{header: placeholder, stored: record.Stored{Token: "t"}}
		found = append(found, &inRange{key: fmt.Sprint(i), entry: e})
	}
	s.remember(found, nil)
	if len(s.views) > maxViews || len(s.gone) > maxGone {
		t.Errorf("%d leases and %d records are remembered", len(s.views), len(s.gone))
	}
}
