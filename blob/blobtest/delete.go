package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

func testDelete(t *testing.T, h Harness) {
	open := h.New(t)
	for _, key := range []string{"a", "d/b", "d/c", "d/e/f"} {
		put(t, open(), key, []byte("x"))
	}
	if err := open().Delete(t.Context(), []string{"d/b", "absent", "d/absent", "a", "d", "nodir/x", "d/b/x"}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if diff := cmp.Diff([]string{"d/c", "d/e/f"}, list(t, open(), "", blob.ListOptions{})); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	_, err := open().Stat(t.Context(), "d/b")
	wantMissing(t, "Stat of a deleted key", err)
	if err := open().Delete(t.Context(), nil); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
}

// testDeleteJoins: one bad key neither stops the others nor is lost.
func testDeleteJoins(t *testing.T, h Harness) {
	s := h.New(t)()
	put(t, s, "a", []byte("x"))
	put(t, s, "b", []byte("x"))
	err := s.Delete(t.Context(), []string{"a", "../x", "b", "/y"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("Delete: got %v, want two joined errors", err)
	}
	var failed []string
	for _, e := range flatten(joined.Unwrap()) {
		var de *blob.DeleteError
		if !errors.As(e, &de) {
			t.Errorf("%v is no *blob.DeleteError", e)
			continue
		}
		wantIs(t, de.Key, de, blob.ErrInvalidKey)
		failed = append(failed, de.Key)
	}
	if diff := cmp.Diff([]string{"../x", "/y"}, failed); diff != "" {
		t.Errorf("failed keys (-want +got):\n%s", diff)
	}
	if got := list(t, s, "", blob.ListOptions{}); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func flatten(errs []error) (all []error) {
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, flatten(joined.Unwrap())...)
		} else if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func testDeleteMany(t *testing.T, h Harness) {
	open := h.New(t)
	const n = 1100 // more than one DeleteObjects request
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("d/%04d", i)
	}
	race(8, func(w int) error {
		s := open()
		for i := w; i < n; i += 8 {
			put(t, s, keys[i], []byte("x"))
		}
		return nil
	})
	put(t, open(), "d/keep", []byte("x"))
	if err := open().Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d/keep"}, list(t, open(), "", blob.ListOptions{})); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func testInvalidKeys(t *testing.T, h Harness) {
	open := h.New(t)
	put(t, open(), "ok", []byte("x"))
	for _, key := range []string{
		"", ".", "..", "/", "/etc/passwd", "../etc/passwd", "../../etc", "a/../../b", "a/..", "./a", "a/", "a//b",
		"a\x00b", "a\nb", `a\b`, `..\b`, "\xff", strings.Repeat("x", blob.MaxKeyLen+1),
	} {
		s := open()
		_, err := s.Open(t.Context(), key, 0, 0)
		wantIs(t, fmt.Sprintf("Open(%.40q)", key), err, blob.ErrInvalidKey)
		_, err = s.Stat(t.Context(), key)
		wantIs(t, fmt.Sprintf("Stat(%.40q)", key), err, blob.ErrInvalidKey)
		_, err = s.Write(t.Context(), key, bytes.NewReader(nil), blob.WriteOptions{})
		wantIs(t, fmt.Sprintf("Write(%.40q)", key), err, blob.ErrInvalidKey)
		wantIs(t, fmt.Sprintf("Delete(%.40q)", key), s.Delete(t.Context(), []string{key}), blob.ErrInvalidKey)
	}
	if diff := cmp.Diff([]string{"ok"}, list(t, open(), "", blob.ListOptions{})); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// testKeysAreNotPaths: characters that mean something to a shell, a URL or a
// query string mean nothing in a key.
func testKeysAreNotPaths(t *testing.T, h Harness) {
	s := h.New(t)()
	keys := []string{"%2e%2e/x", "a b", "a&b=c", "a+b", "a=b;c", "q!'()$", "~x", "é"}
	for _, key := range keys {
		put(t, s, key, []byte(key))
	}
	for _, key := range keys {
		wantContent(t, key, get(t, s, key, 0, 0), []byte(key))
	}
	if diff := cmp.Diff(keys, list(t, s, "", blob.ListOptions{})); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func testCancelled(t *testing.T, h Harness) {
	open := h.New(t)
	put(t, open(), "k", []byte("old"))
	cause := errors.New("the caller lost interest")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	s := open()
	_, err := s.Write(ctx, "k", strings.NewReader("new"), blob.WriteOptions{})
	wantCancelled(t, "Write", err, cause)
	_, err = s.Stat(ctx, "k")
	wantCancelled(t, "Stat", err, cause)
	wantCancelled(t, "Delete", s.Delete(ctx, []string{"k"}), cause)
	for _, err = range s.List(ctx, "", blob.ListOptions{}) {
		wantCancelled(t, "List", err, cause)
	}
	if rc, err := s.Open(ctx, "k", 0, 0); err == nil {
		_, err = rc.Read(make([]byte, 1))
		wantCancelled(t, "Read", err, cause)
		_ = rc.Close()
	} else {
		wantCancelled(t, "Open", err, cause)
	}
	wantContent(t, "the object", get(t, open(), "k", 0, 0), []byte("old"))
}

// wantCancelled takes the context's cause, or its plain error where a library
// below the engine reports that.
func wantCancelled(t *testing.T, what string, err, cause error) {
	t.Helper()
	if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("%s with a cancelled context: got error %v", what, err)
	}
}
