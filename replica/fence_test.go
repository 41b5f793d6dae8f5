package replica_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/clock/byhand"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// oneLeaser has one lease to give.
type oneLeaser struct{ lease replicate.Lease }

func (l oneLeaser) Type() string                                           { return "one" }
func (l oneLeaser) MaxLeaseTTL() time.Duration                             { return time.Minute }
func (l oneLeaser) AcquireLease(context.Context) (*replicate.Lease, error) { return &l.lease, nil }
func (l oneLeaser) ReleaseLease(context.Context, *replicate.Lease) error   { return nil }
func (l oneLeaser) RenewLease(context.Context, *replicate.Lease) (*replicate.Lease, error) {
	return &l.lease, nil
}

func sessionOf(t *testing.T, owner string) (*lease.Session, *byhand.Clock) {
	t.Helper()
	clock := byhand.New()
	held := replicate.Lease{Generation: 7, Owner: owner, ExpiresAt: clock.Now().Wall.Add(time.Minute)}
	s, err := lease.TryAcquire(t.Context(), oneLeaser{held}, lease.Options{}.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		clock.Move(time.Hour) // past every guard
		_ = s.Release(context.Background())
	})
	return s, clock
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

// deletes is a store that tells of each batch.
type deletes struct {
	blob.Store
	each func(n int)
}

func (d deletes) Delete(ctx context.Context, keys []string) error {
	d.each(len(keys))
	return d.Store.Delete(ctx, keys)
}

// TestFencedDeleteAsksBetweenBatches: a session that ends in the first batch is
// the end of deleting, and the error names what is left.
func TestFencedDeleteAsksBetweenBatches(t *testing.T) {
	for name, verb := range map[string]func(c *replica.FencedClient, all []*ltx.FileInfo) error{
		"DeleteLTXFiles": func(c *replica.FencedClient, all []*ltx.FileInfo) error {
			return c.DeleteLTXFiles(t.Context(),
				all)
		},
		"DeleteAll": func(c *replica.FencedClient, _ []*ltx.FileInfo) error { return c.DeleteAll(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			memory := blob.NewMemory()
			var all []*ltx.FileInfo
			for txid := ltx.TXID(1); txid <= 2500; txid++ {
				all = append(all, &ltx.FileInfo{MinTXID: txid, MaxTXID: txid})
				if _, err := memory.Write(t.Context(), ltx.LayoutS3.Key(0, txid, txid), strings.NewReader("x"),
					blob.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			session, clock := sessionOf(t, "me")
			var batches []int
			c := replica.NewFencedClient(clientOf(deletes{memory, func(n int) {
				batches = append(batches, n)
				clock.Move(time.Hour)
			}}), session)
			if err := verb(c, all); !errors.Is(err, lease.ErrLost) {
				t.Errorf("got error %v, want %v", err, lease.ErrLost)
			}
			if len(batches) != 1 || batches[0] != 1000 {
				t.Errorf("batches %v, want one of 1000", batches)
			}
		})
	}
}

// TestFencedWriteEndsWithSession: a write that hangs is ended by the session's end.
func TestFencedWriteEndsWithSession(t *testing.T) {
	session, _ := sessionOf(t, "me")
	memory := blob.NewMemory()
	c := replica.NewFencedClient(clientOf(memory), session)
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(header(t, 1))
		go func() { _ = session.Release(context.Background()) }() // waits for the write
		<-session.Context().Done()
		_, _ = w.Write([]byte("more"))
		_ = w.Close()
	}()
	if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, r); !errors.Is(err, lease.ErrReleased) {
		t.Errorf("got error %v, want %v", err, lease.ErrReleased)
	}
	for info := range memory.List(t.Context(), "", blob.ListOptions{}) {
		t.Errorf("left: %s", info.Key)
	}
}

// TestLeaseOwnerMetadata: any owner makes metadata that every store takes, and
// comes back in a conflict, or the beginning of it.
func TestLeaseOwnerMetadata(t *testing.T) {
	for _, owner := range []string{
		"", "host:42", " padded  twice ", "höst/ユーザー", "=?UTF-8?Q?a?=", "line\nbreak\x1b[2J", "50%41", "\xff\xfe", `"\`,
		strings.Repeat("é", 500),
	} {
		session, _ := sessionOf(t, owner)
		memory := blob.NewMemory() // checks the metadata
		c := replica.NewFencedClient(clientOf(memory), session)
		if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(header(t, 1))); err != nil {
			t.Errorf("%.40q: %v", owner, err)
			continue
		}
		stat, err := memory.Stat(t.Context(), ltx.LayoutS3.Key(0, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		value := stat.Metadata[replica.MetadataLeaseOwner]
		if len(value) > 256 || strings.ContainsAny(value, ` ?"\`) {
			t.Errorf("%.40q: metadata %q", owner, value)
		}
		other := clientOf(memory)
		other.CreateOnly = true
		_, err = other.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(append(header(t, 1), 'x')))
		var conflict *replica.ConflictError
		if !errors.As(err, &conflict) {
			t.Errorf("%.40q: got error %v", owner, err)
			continue
		}
		got := conflict.Theirs
		if !strings.HasPrefix(owner, got.Owner) || len(owner) < 80 && got.Owner != owner || got.Generation != 7 ||
			utf8.ValidString(owner) != utf8.ValidString(got.Owner) {
			t.Errorf("%.40q comes back as %+v", owner, got)
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("control characters in %q", err)
		}
	}
}

// TestConflictWithForeignMetadata: anybody may have written them.
func TestConflictWithForeignMetadata(t *testing.T) {
	for _, m := range []map[string]string{
		nil,
		{replica.MetadataLeaseGeneration: "-3", replica.MetadataLeaseOwner: "%zz"},
		{replica.MetadataLeaseGeneration: "99999999999999999999", replica.MetadataLeaseOwner: strings.Repeat("y", 1400)},
	} {
		memory := blob.NewMemory()
		if _, err := memory.Write(t.Context(), ltx.LayoutS3.Key(0, 1, 1), strings.NewReader("x"),
			blob.WriteOptions{Metadata: m}); err != nil {
			t.Fatal(err)
		}
		c := clientOf(memory)
		c.CreateOnly = true
		_, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(header(t, 1)))
		var conflict *replica.ConflictError
		if !errors.As(err, &conflict) || conflict.Theirs.Generation != 0 || len(conflict.Theirs.Owner) > 256 ||
			conflict.Theirs.Size != 1 {
			t.Errorf("%.60v: got error %v", m, err)
		}
	}
}

func TestConflictError(t *testing.T) {
	err := &replica.ConflictError{
		Key: "0000/x.ltx", Ours: replica.Version{Size: 10, Generation: 3, Owner: "b\n"}, Theirs: replica.Version{Size: 12},
	}
	const want = `0000/x.ltx: ltx file exists with other content: there 12 bytes, ` +
		`here 10 bytes by "b\n" (lease generation 3)`
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
