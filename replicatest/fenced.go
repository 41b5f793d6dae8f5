package replicatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/clock/byhand"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// Fenced is one replica of an engine under test, empty at first, and the lease
// that belongs to it.
type Fenced struct {
	Replica

	// Client returns a new handle on the replica, as Open does.
	Client func(createOnly bool) replica.Fenceable

	// Leaser returns a new leaser of the replica's lease.
	Leaser func(LeaserConfig) replicate.Leaser

	// NoMetadata is why the engine drops metadata; empty if it keeps them.
	NoMetadata string
}

// RunFenced runs every test of create-only writes (replica.Client.CreateOnly)
// and of the replica.FencedClient over an engine; fresh makes a replica of its
// own for each.
func RunFenced(t *testing.T, fresh func(t *testing.T) Fenced) {
	for name, test := range map[string]func(*testing.T, Fenced){
		"CreateSame":          testCreateSame,
		"CreateOther":         testCreateOther,
		"CreateFailing":       testCreateFailing,
		"TwoReplicators":      testTwoReplicators,
		"Stamp":               testStamp,
		"Refused":             testRefused,
		"LostMidway":          testLostMidway,
		"DeleteAllUnderLease": testDeleteAllUnderLease,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// fileBy is a file of a transaction as this writer makes it: of the same size as
// the others', if evenly.
func fileBy(writer int, txid ltx.TXID, n int, evenly bool) []byte {
	if !evenly {
		n += writer
	}
	data := makeFile(txid, txid, n)
	data[len(data)-1] = byte(writer)
	return data
}

// bodies are the two kinds of reader that engines treat differently.
var bodies = map[string]func([]byte) io.Reader{
	"seeker": func(data []byte) io.Reader { return bytes.NewReader(data) },
	"stream": func(data []byte) io.Reader { return io.MultiReader(bytes.NewReader(data)) },
}

// sizes are one of a single request, and one of several parts of any engine.
var sizes = map[string]int{"small": 1000, "large": 11 << 20}

func testCreateSame(t *testing.T, f Fenced) {
	txid := ltx.TXID(0)
	for size, n := range sizes {
		txid++
		data := fileBy(1, txid, n, true)
		write(t, f.Client(true), 0, txid, txid, data)
		for kind, body := range bodies {
			info, err := f.Client(true).WriteLTXFile(t.Context(), 0, txid, txid, body(data))
			want := ltx.FileInfo{MinTXID: txid, MaxTXID: txid, Size: int64(len(data)), CreatedAt: headerTime(txid)}
			if err != nil || *info != want {
				t.Errorf("%s %s: the same again: got %+v, %v", size, kind, info, err)
			}
		}
		// From a position in a longer reader, too.
		r := bytes.NewReader(append([]byte("before"), data...))
		if _, err := r.Seek(6, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Client(true).WriteLTXFile(t.Context(), 0, txid, txid, r); err != nil {
			t.Errorf("%s from a position: the same again: %v", size, err)
		}
		if got := read(t, f.Open(), 0, txid, txid, 0, 0); !bytes.Equal(got, data) {
			t.Errorf("%s: the file changed", size)
		}
	}
}

func testCreateOther(t *testing.T, f Fenced) {
	txid := ltx.TXID(0)
	for size, n := range sizes {
		for _, evenly := range []bool{true, false} {
			txid++
			theirs, ours := fileBy(1, txid, n, evenly), fileBy(2, txid, n, evenly)
			write(t, f.Client(true), 3, txid, txid, theirs)
			for kind, body := range bodies {
				what := fmt.Sprintf("%s %s, of one size: %v", size, kind, evenly)
				_, err := f.Client(true).WriteLTXFile(t.Context(), 3, txid, txid, body(ours))
				conflict := wantConflict(t, what, err)
				if conflict.Theirs.Size != int64(len(theirs)) || conflict.Ours.Size != int64(len(ours)) ||
					!slices.Contains(keys(t, f.Replica), conflict.Key) {
					t.Errorf("%s: conflict %+v", what, conflict)
				}
			}
			if got := read(t, f.Open(), 3, txid, txid, 0, 0); !bytes.Equal(got, theirs) {
				t.Errorf("%s: their file changed", size)
			}
		}
	}
	// Without CreateOnly a write replaces the file.
	write(t, f.Client(false), 3, 1, 1, fileBy(3, 1, 10, true))
}

func wantConflict(t *testing.T, what string, err error) replica.ConflictError {
	t.Helper()
	var conflict *replica.ConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("%s: got error %v, want a ConflictError", what, err)
		return replica.ConflictError{}
	}
	wantIs(t, what, err, replica.ErrConflict)
	wantIs(t, what, err, fs.ErrExist)
	return *conflict
}

// testCreateFailing: a source that fails makes no conflict and no success, whether
// or not a file is there, and what it would have been.
func testCreateFailing(t *testing.T, f Fenced) {
	broken := errors.New("the source broke")
	data := fileBy(1, 1, 6<<20, true)
	for _, there := range []bool{false, true} {
		if there {
			write(t, f.Client(true), 0, 1, 1, data)
		}
		for _, n := range []int{150, 6 << 20} {
			body := io.MultiReader(bytes.NewReader(data[:n]), &failing{broken})
			_, err := f.Client(true).WriteLTXFile(t.Context(), 0, 1, 1, body)
			wantIs(t, fmt.Sprintf("after %d bytes, there: %v", n, there), err, broken)
			if errors.Is(err, replica.ErrConflict) {
				t.Errorf("a broken source is a conflict: %v", err)
			}
		}
		if got := keys(t, f.Replica); len(got) != 0 != there {
			t.Errorf("left: %q", got)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// testTwoReplicators: two of them believe that they are alone, and write the same
// transactions to one replica.
func testTwoReplicators(t *testing.T, f Fenced) {
	const last = 200
	clients := [2]*replica.FencedClient{}
	for i := range clients {
		clients[i] = replica.NewFencedClient(f.Client(false), loneSession(t, i, nil))
	}
	var results [2][last + 1]error
	done := make(chan struct{})
	for i, c := range clients {
		go func() {
			for txid := ltx.TXID(1); txid <= last; txid++ {
				body := bodies["seeker"]
				if txid%3 == 0 {
					body = bodies["stream"]
				}
				_, results[i][txid] = c.WriteLTXFile(t.Context(), 0, txid, txid, body(fileBy(i, txid, 500, txid%2 == 0)))
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	for txid := ltx.TXID(1); txid <= last; txid++ {
		winner := 0
		if results[0][txid] != nil {
			winner = 1
		}
		if err := results[winner][txid]; err != nil {
			t.Fatalf("%d: nobody wrote it: %v and %v", txid, results[0][txid], err)
		}
		if got := read(t, f.Open(), 0, txid, txid, 0, 0); !bytes.Equal(got, fileBy(winner, txid, 500, txid%2 == 0)) {
			t.Errorf("%d is not what the winner wrote", txid)
		}
		conflict := wantConflict(t, fmt.Sprintf("%d by the loser", txid), results[1-winner][txid])
		wantWriter(t, conflict.Ours, 1-winner)
		if f.NoMetadata == "" {
			wantWriter(t, conflict.Theirs, winner)
		}
	}
}

func loneOwner(i int) string { return fmt.Sprintf("writer %d, höst?", i) }

func wantWriter(t *testing.T, v replica.Version, i int) {
	t.Helper()
	if v.Owner != loneOwner(i) || v.Generation != int64(i+1) {
		t.Errorf("written by %v, want %q with generation %d", v, loneOwner(i), i+1)
	}
}

// loneLeaser gives the lease to everybody.
type loneLeaser struct{ i int }

func (l loneLeaser) Type() string               { return "lone" }
func (l loneLeaser) MaxLeaseTTL() time.Duration { return long }
func (l loneLeaser) AcquireLease(context.Context) (*replicate.Lease, error) {
	return &replicate.Lease{Generation: int64(l.i + 1), Owner: loneOwner(l.i), ExpiresAt: time.Now().Add(long),
		ETag: "x"}, nil
}
func (l loneLeaser) RenewLease(ctx context.Context, _ *replicate.Lease) (*replicate.Lease, error) {
	return l.AcquireLease(ctx)
}
func (l loneLeaser) ReleaseLease(context.Context, *replicate.Lease) error { return nil }

// loneSession is a session of somebody who believes to be alone.
func loneSession(t *testing.T, i int, c *byhand.Clock) *lease.Session {
	t.Helper()
	if c == nil {
		c = byhand.New()
	}
	s, err := lease.TryAcquire(t.Context(), loneLeaser{i}, lease.Options{}.WithClock(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Release(context.Background()) })
	return s
}

// testStamp: a file says under which lease it was written, and a file that
// replaces it does not inherit that.
func testStamp(t *testing.T, f Fenced) {
	c := replica.NewFencedClient(f.Client(false), loneSession(t, 4, nil))
	write(t, c, 0, 1, 1, makeFile(1, 1, 10))
	store, _, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := keys(t, f.Replica)[0]
	want := map[string]string{replica.MetadataLeaseGeneration: "5",
		replica.MetadataLeaseOwner: "writer%204%2C%20h%C3%B6st%3F"}
	wantMetadata(t, f, store, key, want)
	write(t, f.Client(false), 0, 1, 1, makeFile(1, 1, 11))
	wantMetadata(t, f, store, key, map[string]string{replica.MetadataLeaseGeneration: "", replica.MetadataLeaseOwner: ""})
}

func wantMetadata(t *testing.T, f Fenced, store blob.Reader, key string, want map[string]string) {
	t.Helper()
	stat, err := store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if got := stat.Metadata[name]; got != value && f.NoMetadata == "" {
			t.Errorf("metadata %s: got %q, want %q", name, got, value)
		} else if got != "" && f.NoMetadata != "" {
			t.Error("the engine does keep metadata: drop NoMetadata")
		}
	}
}

// testRefused: who has no valid session changes nothing, and its source is not
// read.
func testRefused(t *testing.T, f Fenced) {
	write(t, f.Open(), 0, 1, 1, makeFile(1, 1, 10))
	clock := byhand.New()
	lost, released := loneSession(t, 1, clock), loneSession(t, 2, nil)
	clock.Move(time.Hour)
	if err := released.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, session := range map[error]*lease.Session{lease.ErrLost: lost, lease.ErrReleased: released} {
		c := replica.NewFencedClient(f.Client(false), session)
		_, err := c.WriteLTXFile(t.Context(), 0, 2, 2, &failing{errors.New("the source was read")})
		wantIs(t, "WriteLTXFile", err, want)
		if !strings.Contains(err.Error(), ltx.FormatName(2, 2)) {
			t.Errorf("the error does not name the file: %v", err)
		}
		wantIs(t, "DeleteLTXFiles", c.DeleteLTXFiles(t.Context(), []*ltx.FileInfo{{MinTXID: 1, MaxTXID: 1}}), want)
		wantIs(t, "DeleteAll", c.DeleteAll(t.Context()), want)
		wantRanges(t, "what is there, read through the client", list(t, c, 0, 0, true), "1-1 ")
		read(t, c, 0, 1, 1, 0, 0)
	}
}

// testLostMidway: a session that ends while a file is written, at any place, leaves
// nothing of it.
func testLostMidway(t *testing.T, f Fenced) {
	for size, n := range sizes {
		data := makeFile(1, 1, n)
		for kind, body := range bodies {
			for _, at := range []int{ltx.HeaderSize + 1, len(data) / 2, len(data)} {
				clock := byhand.New()
				c := replica.NewFencedClient(f.Client(false), loneSession(t, 1, clock))
				_, err := c.WriteLTXFile(t.Context(), 0, 1, 1, pausing(body(data), at, func() { clock.Move(time.Hour) }))
				wantIs(t, fmt.Sprintf("%s %s, lost at byte %d", size, kind, at), err, lease.ErrLost)
			}
		}
	}
	if got := keys(t, f.Replica); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// pausing calls pause when so much has been read, by whatever way.
func pausing(r io.Reader, at int, pause func()) io.Reader {
	p := pauser{r, at, pause}
	if rs, ok := r.(*bytes.Reader); ok {
		return &pausingSeeker{p, rs}
	}
	return &p
}

type pauser struct {
	r     io.Reader
	left  int
	pause func()
}

func (p *pauser) Read(b []byte) (int, error) {
	if p.left <= 0 {
		p.pause()
	}
	n, err := p.r.Read(b[:max(1, min(len(b), p.left))])
	p.left -= n
	return n, err
}

// pausingSeeker reads its header first, which does not count.
type pausingSeeker struct {
	pauser
	*bytes.Reader
}

func (p *pausingSeeker) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (p *pausingSeeker) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) >= int64(p.left) {
		p.pause()
	}
	return p.Reader.ReadAt(b, off)
}

// testDeleteAllUnderLease: the holder deletes the replica. Its lease goes on, and
// so does the count of generations.
func testDeleteAllUnderLease(t *testing.T, f Fenced) {
	for generation := int64(1); generation <= 2; generation++ {
		leaser := f.Leaser(LeaserConfig{Owner: "holder", TTL: long, MaxTTL: long})
		session, err := lease.TryAcquire(t.Context(), leaser, lease.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := session.Generation(); got != generation {
			t.Errorf("generation %d, want %d", got, generation)
		}
		c := replica.NewFencedClient(f.Client(false), session)
		for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
			write(t, c, level, 1, 1, makeFile(1, 1, 10))
		}
		if err := c.DeleteAll(t.Context()); err != nil {
			t.Fatalf("DeleteAll: %v", err)
		}
		if got := keys(t, f.Replica); len(got) != 1 || got[0] != lease.DefaultFile {
			t.Errorf("left: %q, want the lease", got)
		}
		_, err = f.Leaser(LeaserConfig{Owner: "rival", TTL: long, MaxTTL: long}).AcquireLease(t.Context())
		wantHeldBy(t, "a rival after DeleteAll", err, "holder")
		lease := session.Lease()
		if renewed, err := leaser.RenewLease(t.Context(), &lease); err != nil || renewed.Generation != generation {
			t.Errorf("renewing after DeleteAll: %+v, %v", renewed, err)
		} else if err := leaser.ReleaseLease(t.Context(), renewed); err != nil {
			t.Error(err)
		}
		_ = session.Release(t.Context()) // it does not know of the renewal
	}
}
