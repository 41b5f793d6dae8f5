package kvtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

func testCreate(t *testing.T, h Harness) {
	open := h.New(t)
	wantNone(t, open(), "k")
	v := create(t, open(), "k", "one", kv.NoLeaseId)
	if v < 1 {
		t.Errorf("the first version is %d", v)
	}
	wantRecord(t, open(), kv.Record{Key: "k", Value: []byte("one"), Version: v})
	again, err := open().Create(t.Context(), kv.Record{Key: "k", Value: []byte("two")})
	wantIs(t, "Create of what is there", err, kv.ErrAlreadyExists)
	if again != v {
		t.Errorf("Create says that version %d exists, want %d", again, v)
	}
	wantRecord(t, open(), kv.Record{Key: "k", Value: []byte("one"), Version: v})
}

func testCasByVersion(t *testing.T, h Harness) {
	open := h.New(t)
	_, err := open().CasByVersion(t.Context(), kv.Record{Key: "k", Version: 1})
	wantIs(t, "CasByVersion of nothing", err, kv.ErrNotFound)
	first := create(t, open(), "k", "one", kv.NoLeaseId)
	second := replace(t, open(), "two", first)
	for _, version := range []kv.Version{first, second + 1, 0, -1} {
		_, err := open().CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("three"), Version: version})
		wantIs(t, "CasByVersion", err, kv.ErrWrongVersion)
	}
	wantRecord(t, open(), kv.Record{Key: "k", Value: []byte("two"), Version: second})
	replace(t, open(), "", second)
}

func testDelete(t *testing.T, h Harness) {
	open := h.New(t)
	wantIs(t, "Delete of nothing", open().Delete(t.Context(), "k"), kv.ErrNotFound)
	v := create(t, open(), "k", "one", kv.NoLeaseId)
	if err := open().Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	wantNone(t, open(), "k")
	wantKeys(t, open(), "", "")
	wantIs(t, "Delete, again", open().Delete(t.Context(), "k"), kv.ErrNotFound)
	_, err := open().CasByVersion(t.Context(), kv.Record{Key: "k", Version: v})
	wantIs(t, "CasByVersion of what was deleted", err, kv.ErrNotFound)
	_, err = open().WaitForVersionChange(t.Context(), "k", v)
	wantIs(t, "WaitForVersionChange of what was deleted", err, kv.ErrNotFound)
}

// testVersions: they grow, whatever happens to this key and others.
func testVersions(t *testing.T, h Harness) {
	open := h.New(t)
	create(t, open(), "other", "x", kv.NoLeaseId)
	if err := open().Delete(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	var last kv.Version
	next := func(v kv.Version) kv.Version {
		t.Helper()
		if v <= last {
			t.Errorf("version %d after %d", v, last)
		}
		last = v
		return v
	}
	for range 3 {
		v := next(create(t, open(), "k", "the same", kv.NoLeaseId))
		v = next(replace(t, open(), "the same", v))
		next(replace(t, open(), "the same", v))
		if err := open().Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
}

// odd keys, in the order of their bytes.
var oddKeys = []kv.Key{
	"\x00", " ", ".", "..", "/", "A", "Z", "a", "a/", "a/b", "aa", "b", "lock.json", "z", "z-", "z\xff", "ü", "\xff",
}

func testKeys(t *testing.T, h Harness) {
	open := h.New(t)
	versions := map[kv.Key]kv.Version{}
	for i := range oddKeys {
		key := oddKeys[(i*7)%len(oddKeys)]
		versions[key] = create(t, open(), key, "value of "+string(key), kv.NoLeaseId)
	}
	for _, key := range oddKeys {
		wantRecord(t, open(), kv.Record{Key: key, Value: []byte("value of " + key), Version: versions[key]})
	}
	wantKeys(t, open(), "", "", oddKeys...)
	longest := kv.Key(strings.Repeat("\xfe", kv.MaxKeyLen))
	create(t, open(), longest, "x", kv.NoLeaseId)
	wantKeys(t, open(), longest, longest, longest)
	wantKeys(t, open(), longest+"\x00", longest+"\xff")
	for _, key := range []kv.Key{"", longest + "x"} {
		_, getErr := open().Get(t.Context(), key)
		_, createErr := open().Create(t.Context(), kv.Record{Key: key})
		_, casErr := open().CasByVersion(t.Context(), kv.Record{Key: key, Version: 1})
		_, waitErr := open().WaitForVersionChange(t.Context(), key, 1)
		for op, err := range map[string]error{
			"Get": getErr, "Create": createErr, "CasByVersion": casErr, "WaitForVersionChange": waitErr,
			"Delete": open().Delete(t.Context(), key),
		} {
			wantIs(t, fmt.Sprintf("%s of a key of %d bytes", op, len(key)), err, cas.ErrInvalidKey)
		}
	}
}

func testSizes(t *testing.T, h Harness) {
	open := h.New(t)
	much := strings.Repeat("\x00", kv.MaxValueSize)
	for name, value := range map[kv.Key]string{"nothing": "", "lines": "\n\n{}\n", "much": much} {
		v := create(t, open(), name, value, kv.NoLeaseId)
		wantRecord(t, open(), kv.Record{Key: name, Value: []byte(value), Version: v})
	}
	_, err := open().Create(t.Context(), kv.Record{Key: "more", Value: make([]byte, kv.MaxValueSize+1)})
	wantIs(t, "Create of too much", err, cas.ErrTooLarge)
	wantNone(t, open(), "more")
}

// testAliasing: what is given to a storage, and what it returns, is the caller's to change.
func testAliasing(t *testing.T, h Harness) {
	s := h.New(t)()
	given := []byte("one")
	v, err := s.Create(t.Context(), kv.Record{Key: "k", Value: given})
	if err != nil {
		t.Fatal(err)
	}
	given[0] = 'X'
	want := kv.Record{Key: "k", Value: kv.Value("one"), Version: v}
	wantRecord(t, s, want)
	got, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	got.Value[0] = 'X'
	wantRecord(t, s, want)
	records, err := s.GetRange(t.Context(), "", "")
	if err != nil || len(records) != 1 {
		t.Fatalf("GetRange: %v, %v", records, err)
	}
	records[0].Value[0] = 'X'
	wantRecord(t, s, want)
}

func testGetRange(t *testing.T, h Harness) {
	open := h.New(t)
	s := open()
	wantKeys(t, s, "", "")
	for _, key := range []kv.Key{"b", "d", "c", "bb", "a", "gone"} {
		create(t, s, key, string(key), kv.NoLeaseId)
	}
	if err := s.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is known what is gone
		wantKeys(t, s, "", "", "a", "b", "bb", "c", "d")
		wantKeys(t, s, "b", "c", "b", "bb", "c")
		wantKeys(t, s, "b", "b", "b")
		wantKeys(t, s, "ba", "bz", "bb")
		wantKeys(t, s, "c", "", "c", "d")
		wantKeys(t, s, "", "b", "a", "b")
		wantKeys(t, s, "c", "b")
		wantKeys(t, s, "x", "z")
	}
	create(t, open(), "gone", "again", kv.NoLeaseId)
	wantKeys(t, s, "e", "", "gone")
}
