package names

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
)

func mustEncode(t *testing.T, name string) string {
	t.Helper()
	key, err := Encode(name)
	if err != nil {
		t.Fatalf("Encode(%q): %v", name, err)
	}
	if err := cas.CheckKey(key); err != nil {
		t.Fatalf("Encode(%q): %v", name, err)
	}
	return key
}

func TestEncode(t *testing.T) {
	for name, want := range map[string]string{
		"node7":      "node7",
		"a/b.c":      "a-2fb-2ec",
		"Upper_case": "=55pper=5fcase",
		"zoo~":       "z-ooz7e",
		"\x00\xff":   "-00zvs",
		"\xff":       "zff",
		"\x00":       "-00",
		"worker/1/z": "worker-2f1-2fz-",
		"zzzzzz":     "z-z-z-z-z-zf8",
		"ab.":        "ab-2e",
		"a....":      "a-2e-5on2s",
		".":          "-2e",
	} {
		if got := mustEncode(t, name); got != want {
			t.Errorf("Encode(%q) = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"", strings.Repeat("a", MaxLen+1)} {
		if key, err := Encode(name); !errors.Is(err, cas.ErrInvalidKey) {
			t.Errorf("Encode of %d bytes: got %q, %v", len(name), key, err)
		}
	}
}

// TestOrder: keys are in the order of names, and no key is the directory of another.
func TestOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const plain = "az09by18"
	alphabet := plain + " /.-=_~AZ\x00\xff`{"
	random := func() string {
		b, plainer := make([]byte, 1+rng.IntN(1+rng.IntN(MaxLen))), rng.IntN(10)
		for i := range b {
			from := alphabet
			if rng.IntN(10) < plainer {
				from = plain
			}
			b[i] = from[rng.IntN(len(from))]
		}
		return string(b)
	}
	for range 10000 {
		a := random()
		b := random()
		if rng.IntN(2) == 0 { // a long way together
			b = a[:rng.IntN(len(a)+1)] + b
			b = b[:min(len(b), MaxLen)]
		}
		ka, kb := mustEncode(t, a), mustEncode(t, b)
		if cmp.Compare(a, b) != cmp.Compare(ka, kb) {
			t.Fatalf("%q and %q are not in the order of their keys %q and %q", a, b, ka, kb)
		}
		if len(ka) > MaxEncodedLen(len(a)) {
			t.Fatalf("%q is encoded in %d bytes, at most %d allowed", a, len(ka), MaxEncodedLen(len(a)))
		}
		if strings.HasPrefix(ka, kb+"/") || strings.HasPrefix(kb, ka+"/") {
			t.Fatalf("the key of one of %q and %q is the directory of the other", a, b)
		}
		if got, err := Decode(ka); err != nil || got != a {
			t.Fatalf("Decode(%q) = %q, %v, want %q", ka, got, err, a)
		}
	}
}

// TestLongest: the longest name fits into a key, whatever its bytes are.
func TestLongest(t *testing.T) {
	for _, of := range []string{"a", "z", "/", "\x00", "\xff", "a/", "ab/", "aaa/", "A", "é"} {
		name := strings.Repeat(of, MaxLen/len(of))
		key := mustEncode(t, name)
		if len(key) > MaxEncodedLen(len(name)) {
			t.Errorf("%d bytes of %q are encoded in %d, at most %d allowed", len(name), of, len(key), MaxEncodedLen(len(name)))
		}
		if got, err := Decode(key); err != nil || got != name {
			t.Errorf("Decode(Encode(%.20q...)): %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, key := range []string{
		"", "A", "-", "-2", "-2g", "-61", "=2f", "z61", "z", "-2F",
		"a./b", "a/b", ".", "a-2e-2e", "a-5on2s", "a-2e-5on2t", "zzzz", strings.Repeat("a", MaxLen+1),
	} {
		if name, err := Decode(key); err == nil {
			t.Errorf("Decode(%q) = %q, want an error", key, name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("node7")
	f.Add("-2f=55z7ez-")
	f.Add("a-2e-5on2s")
	f.Fuzz(func(t *testing.T, key string) {
		name, err := Decode(key)
		if err != nil {
			return
		}
		if again, err := Encode(name); err != nil || again != key {
			t.Errorf("%q is decoded to %q, which is encoded as %q, %v", key, name, again, err)
		}
	})
}
