// Package blobtest is the contract of blob.Store as a test: every promise in its
// comments has a test here, and an engine is one when it passes them all.
//
//	func TestBlob(t *testing.T) {
//		blobtest.Run(t, blobtest.Harness{New: func(t *testing.T) func() blob.Store { ... }})
//	}
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/replctl/replicate/blob"
)

// Harness says how to make an engine's stores, and what the engine cannot do.
type Harness struct {
	// New makes a fresh, empty store that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would.
	New func(t *testing.T) (open func() blob.Store)

	// NoModTime is why writers cannot set Info.ModTime; empty if they can.
	NoModTime string
	// NoMetadata is why the engine drops WriteOptions.Metadata; empty if it
	// keeps it.
	NoMetadata string
	// NoDescribe is why what Open returns is no blob.Describer; empty if it is one.
	// Its readers pay for a Stat then.
	NoDescribe string
}

// Run runs every test of the contract.
func Run(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"Empty":           testEmpty,
		"RoundTrip":       testRoundTrip,
		"Ranges":          testRanges,
		"Replace":         testReplace,
		"Info":            testInfo,
		"Describe":        testDescribe,
		"ModTime":         testModTime,
		"Metadata":        testMetadata,
		"MetadataLimits":  testMetadataLimits,
		"FailingReader":   testFailingReader,
		"Guard":           testGuard,
		"IfAbsent":        testIfAbsent,
		"IfAbsentRace":    testIfAbsentRace,
		"ReplaceRace":     testReplaceRace,
		"ListOrder":       testListOrder,
		"ListAfter":       testListAfter,
		"ListDelimited":   testListDelimited,
		"ListMany":        testListMany,
		"ListBreak":       testListBreak,
		"ListLoop":        testListLoop,
		"Aliasing":        testAliasing,
		"ListLimit":       testListLimit,
		"ListInvalid":     testListInvalid,
		"Delete":          testDelete,
		"DeleteJoins":     testDeleteJoins,
		"DeleteMany":      testDeleteMany,
		"InvalidKeys":     testInvalidKeys,
		"KeysAreNotPaths": testKeysAreNotPaths,
		"Cancelled":       testCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

// content is n bytes that are the same for the same seed and do not compress.
func content(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func put(t *testing.T, s blob.Store, key string, data []byte) blob.Info {
	t.Helper()
	info, err := s.Write(t.Context(), key, bytes.NewReader(data), blob.WriteOptions{})
	if err != nil {
		t.Fatalf("Write(%q): %v", key, err)
	}
	return info
}

func get(t *testing.T, s blob.Store, key string, offset, length int64) []byte {
	t.Helper()
	data, err := read(t, s, key, offset, length)
	if err != nil {
		t.Fatalf("read %q at %d+%d: %v", key, offset, length, err)
	}
	return data
}

func read(t *testing.T, s blob.Store, key string, offset, length int64) ([]byte, error) {
	t.Helper()
	rc, err := s.Open(t.Context(), key, offset, length)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

// list collects the keys of a listing.
func list(t *testing.T, s blob.Store, prefix string, opts blob.ListOptions) []string {
	t.Helper()
	keys := []string{}
	for info, err := range s.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatalf("List(%q, %+v): %v", prefix, opts, err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func wantContent(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %s, want %s", what, brief(got), brief(want))
	}
}

func brief(b []byte) string {
	if len(b) <= 32 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes %x...", len(b), b[:16])
}

// wantMissing wants what programs test with either of the two: os.IsNotExist does not
// unwrap.
func wantMissing(t *testing.T, what string, err error) {
	t.Helper()
	wantIs(t, what, err, fs.ErrNotExist)
	if !os.IsNotExist(err) {
		t.Errorf("%s: os.IsNotExist does not hold for %v", what, err)
	}
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}
