package names

import (
	"cmp"
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
		"\x00\xff":   "-00zff",
		".":          "-2e",
	} {
		if got := mustEncode(t, name); got != want {
			t.Errorf("Encode(%q) = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"", strings.Repeat("a", MaxLen+1)} {
		if key, err := Encode(name); err == nil {
			t.Errorf("Encode of %d bytes: got %q, want an error", len(name), key)
		}
	}
}

// TestOrder: keys are in the order of names, and no key is the directory of another.
func TestOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := "az09 /.-=_~AZ\x00\xff`{"
	random := func() string {
		b := make([]byte, 1+rng.IntN(MaxLen))
		for i := range b {
			b[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 20000 {
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
		if strings.HasPrefix(ka, kb+"/") || strings.HasPrefix(kb, ka+"/") {
			t.Fatalf("the key of one of %q and %q is the directory of the other", a, b)
		}
		if got, err := Decode(ka); err != nil || got != a {
			t.Fatalf("Decode(%q) = %q, %v, want %q", ka, got, err, a)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, key := range []string{"", "A", "-", "-2", "-2g", "-61", "=2f", "z61", "z", "-2F", "a./b", "a/b", ".", strings.Repeat("a", MaxLen+1)} {
		if name, err := Decode(key); err == nil {
			t.Errorf("Decode(%q) = %q, want an error", key, name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("node7")
	f.Add("-2f=55z7ez-")
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
