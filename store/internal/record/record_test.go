package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
)

var errCorrupt = errors.New("corrupt")

var format = Format{Name: "test/1", Corrupt: errCorrupt}

func sealed(t *testing.T, body string, old Lineage) ([]byte, Lineage) {
	t.Helper()
	value, l, err := format.Seal([]byte(body), old)
	if err != nil {
		t.Fatal(err)
	}
	return value, l
}

func TestSealAndOpen(t *testing.T) {
	var old Lineage
	for n := range 3 * window {
		want := strings.Repeat("line\n", n)
		value, l := sealed(t, want, old)
		body, got, err := format.Open(value)
		if err != nil || string(body) != want || got.Seq != int64(n+1) || got.Nonces[0] != l.Nonces[0] {
			t.Fatalf("write %d: got %q, %+v, %v", n+1, body, got, err)
		}
		if head := len(value) - len(body); head > MaxSeal {
			t.Errorf("a seal of %d bytes, at most %d allowed", head, MaxSeal)
		}
		again, _ := sealed(t, want, old)
		if bytes.Equal(again, value) {
			t.Error("two records are the same")
		}
		old = l
	}
}

func TestLongestSeal(t *testing.T) {
	l := Lineage{Seq: 1<<63 - 2}
	for range window {
		l.Nonces = append(l.Nonces, strings.Repeat("X", nonceLen))
	}
	long := Format{Name: strings.Repeat("x", 24), Corrupt: errCorrupt}
	value, _, err := long.Seal(make([]byte, cas.MaxValueSize), l)
	if err != nil {
		t.Fatal(err)
	}
	if head := bytes.IndexByte(value, '\n') + 1; head > MaxSeal {
		t.Errorf("a seal of %d bytes, at most %d allowed", head, MaxSeal)
	}
}

// TestDamage: a record that was cut short, made longer, or changed anywhere, is an
// error, never another body or lineage.
func TestDamage(t *testing.T) {
	_, l := sealed(t, "before", Lineage{})
	value, _ := sealed(t, "some value\nand more", l)
	wantCorrupt := func(what string, damaged []byte) {
		t.Helper()
		if body, _, err := format.Open(damaged); !errors.Is(err, errCorrupt) {
			t.Errorf("%s: got %q, %v", what, body, err)
		}
	}
	for n := range value {
		wantCorrupt("cut short", value[:n])
		for bit := range 8 {
			flipped := bytes.Clone(value)
			flipped[n] ^= 1 << bit
			if body, _, err := format.Open(flipped); err == nil && !sameSeal(flipped, value) {
				t.Errorf("bit %d of byte %d: got %q", bit, n, body)
			}
		}
	}
	wantCorrupt("longer", append(bytes.Clone(value), 'x'))
	for _, text := range []string{
		"", "\n", "{}\n", "null\n", `{"format":"test/1"}` + "\n", strings.Repeat(" ", MaxSeal) + "\n",
		`{"version":1,"nonce":"x"}` + "\nvalue",
	} {
		wantCorrupt(text, []byte(text))
	}
}

// TestIntact: damage shows without the format's name, and what has no seal is taken as it is.
func TestIntact(t *testing.T) {
	value, _ := sealed(t, "some value\nand more", Lineage{})
	lease := []byte(`{"generation":7,"owner":"me"}`)
	for _, sound := range [][]byte{value, lease, []byte("0"), nil} {
		if err := Intact(sound); err != nil {
			t.Errorf("%q: %v", sound, err)
		}
	}
	for _, whole := range [][]byte{value, lease} {
		for n := 1; n < len(whole); n++ {
			if Intact(whole[:n]) == nil {
				t.Errorf("%q is a part of %q", whole[:n], whole)
			}
		}
	}
}

// sameSeal: encoding/json takes the name of a field in either case.
func sameSeal(a, b []byte) bool {
	var x, y seal
	lineA, bodyA, _ := bytes.Cut(a, []byte("\n"))
	lineB, bodyB, _ := bytes.Cut(b, []byte("\n"))
	if json.Unmarshal(lineA, &x) != nil || json.Unmarshal(lineB, &y) != nil {
		return false
	}
	return x.Format == y.Format && x.Size == y.Size && x.Sum == y.Sum && x.Seq == y.Seq &&
		slices.Equal(x.Nonces, y.Nonces) && bytes.Equal(bodyA, bodyB)
}

// TestUnknownFormat: the error says which format it is, and which are known.
func TestUnknownFormat(t *testing.T) {
	value, _, err := Format{Name: "test/2", Corrupt: errCorrupt}.Seal([]byte("x"), Lineage{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = format.Open(value)
	if !errors.Is(err, errCorrupt) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"test/1", "test/2"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, which does not name %s", err, name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	value, _, err := format.Seal([]byte("value"), Lineage{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, value []byte) {
		body, l, err := format.Open(value)
		if err != nil {
			return
		}
		again, _, err := format.Seal(body, l)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := format.Open(again); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%q is sealed as %q: %v", body, again, err)
		}
	})
}

// TestFate: what a writer learns from what is there, after ever more writes of others.
func TestFate(t *testing.T) {
	for _, before := range []int{0, 1, 2, window - 1, window, 20} {
		var old Lineage
		for range before {
			old = old.next()
		}
		mine := old.next()
		for _, applied := range []bool{true, false} {
			now := old
			if applied {
				now = mine
			}
			for others := range 3 * window {
				if others > 0 {
					now = now.next()
				}
				got, want := now.of(mine), unknown
				switch {
				case applied && others < window:
					want = wasThere
				case !applied && others > 0 && (others < window || before == 0 && others == window):
					want = neverThere
				}
				if got != want {
					t.Errorf("after %d writes, mine applied: %v, then %d others: got %v, want %v", before, applied, others, got, want)
				}
			}
		}
	}
}

// TestFateOfAnotherHistory: a store that was replaced by an older copy proves nothing.
func TestFateOfAnotherHistory(t *testing.T) {
	first := Lineage{}.next()
	mine := first.next().next()
	now := first.next().next()
	if got := now.of(mine); got != unknown {
		t.Errorf("got %v from a record that has other ancestors", got)
	}
	if got := first.of(mine); got != unknown {
		t.Errorf("got %v from an older record", got)
	}
}
