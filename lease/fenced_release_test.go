package lease_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// heldUp is a store whose first change is held by a proxy for a while. Who sent it
// hears nothing when its context ends.
type heldUp struct {
	blob.Store
	by   time.Duration
	left int
}

func (h *heldUp) hold(ctx context.Context, change func() error) error {
	if h.left--; h.left < 0 {
		return change()
	}
	time.AfterFunc(h.by, func() { _ = change() })
	<-ctx.Done()
	return context.Cause(ctx)
}

func (h *heldUp) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return blob.Info{}, err
	}
	opts.Guard = nil // it has been sent
	var info blob.Info
	err = h.hold(ctx, func() (err error) {
		info, err = h.Store.Write(context.Background(), key, bytes.NewReader(body), opts)
		return err
	})
	if err != nil {
		return blob.Info{}, err // the change may come later, and write to info then
	}
	return info, nil
}

func (h *heldUp) Delete(ctx context.Context, keys []string) error {
	return h.hold(ctx, func() error { return h.Store.Delete(context.Background(), keys) })
}

// TestReleaseHasAGuard: a request that its sender gave up arrives before the next
// holder can write, or not at all. A request that was answered delays nothing.
func TestReleaseHasAGuard(t *testing.T) {
	file := func(content string) io.Reader { return bytes.NewReader(append(header(t, 3), content...)) }
	for name, verb := range map[string]func(context.Context, *replica.FencedClient) error{
		"write": func(ctx context.Context, c *replica.FencedClient) error {
			_, err := c.WriteLTXFile(ctx, 0, 3, 3, file("A"))
			return err
		},
		"delete": func(ctx context.Context, c *replica.FencedClient) error {
			return c.DeleteLTXFiles(ctx, []*ltx.FileInfo{{MinTXID: 3, MaxTXID: 3}})
		},
		"delete all": func(ctx context.Context, c *replica.FencedClient) error { return c.DeleteAll(ctx) },
	} {
		for after, held := range map[string]int{"held": 1, "answered": 0} {
			t.Run(name+", "+after, func(t *testing.T) {
				inBubble(t, func(t *testing.T, store *cas.Memory) {
					memory := blob.NewMemory()
					if _, err := memory.Write(t.Context(), ltx.LayoutS3.Key(0, 3, 3), file("0"), blob.WriteOptions{}); err != nil {
						t.Fatal(err)
					}
					fenced := func(store blob.Store, s *lease.Session) *replica.FencedClient {
						c := replica.NewFencedClient(clientOf(store), s)
						c.CreateOnly = false
						return c
					}
					a, b := newContender(store, "A"), newContender(store, "B")
					begun := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					err := lease.Run(ctx, a, a.opts, func(ctx context.Context, s *lease.Session) error {
						return verb(ctx, fenced(&heldUp{memory, 3 * time.Second, held}, s))
					})
					if held > 0 && !errors.Is(err, context.DeadlineExceeded) || held == 0 && err != nil {
						t.Errorf("Run: got %v", err)
					}
					ended := time.Since(begun)
					if want := time.Duration(held) * (time.Second + sessionGuard); ended != want {
						t.Errorf("released after %v, want %v", ended, want)
					}
					next := b.acquire(t)
					if _, err := fenced(memory, next).WriteLTXFile(t.Context(), 0, 3, 3, file("B")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute / 4)
					wantContent(t, memory, ltx.LayoutS3.Key(0, 3, 3), "B")
					release(t, next)
				})
			})
		}
	}
}

func clientOf(store blob.Store) *replica.Client {
	return replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
}

func header(t *testing.T, txid ltx.TXID) []byte {
	t.Helper()
	h := ltx.Header{Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: txid, MaxTXID: txid}
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantContent(t *testing.T, store blob.Store, key, suffix string) {
	t.Helper()
	rc, err := store.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatalf("the acknowledged file is gone: %v", err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err != nil || !strings.HasSuffix(string(got), suffix) {
		t.Errorf("got %q, %v; want what ends in %q", got[len(got)-1:], err, suffix)
	}
}
