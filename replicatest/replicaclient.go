package replicatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// Replica is one replica of an engine under test, empty at first.
type Replica struct {
	// Open returns a new handle on the replica, as another process would have.
	// Where it is a replicate.ReplicaClientV3 too, that contract is tested.
	Open func() replicate.ReplicaClient

	// Put stores an object at a key below the replica's root behind the
	// client's back, with whatever time the store gives it.
	Put func(key string, data []byte) error

	// Keys lists the keys of all objects below the root, in any order.
	Keys func() ([]string, error)
}

// Over is a replica whose objects are reached through the blob.Store that its
// clients are built on.
func Over(store blob.Store, open func() replicate.ReplicaClient) Replica {
	ctx := context.Background()
	return Replica{
		Open: open,
		Put: func(key string, data []byte) error {
			_, err := store.Write(ctx, key, bytes.NewReader(data), blob.WriteOptions{})
			return err
		},
		Keys: func() (keys []string, err error) {
			for info, err := range store.List(ctx, "", blob.ListOptions{}) {
				if err != nil {
					return nil, err
				}
				keys = append(keys, info.Key)
			}
			return keys, nil
		},
	}
}

// RunReplicaClient runs every test of the replicate.ReplicaClient contract;
// fresh makes a replica of its own for each.
func RunReplicaClient(t *testing.T, fresh func(t *testing.T) Replica) {
	for name, test := range map[string]func(*testing.T, Replica){
		"Empty":           testEmpty,
		"Init":            testInit,
		"RoundTrip":       testRoundTrip,
		"Large":           testLarge,
		"Order":           testOrder,
		"Seek":            testSeek,
		"Levels":          testLevels,
		"Iterator":        testIterator,
		"TrueTimes":       testTrueTimes,
		"TrueTimesFail":   testTrueTimesFail,
		"Ranges":          testRanges,
		"Replace":         testReplace,
		"Refusals":        testRefusals,
		"BadContent":      testBadContent,
		"FailingReader":   testFailingReader,
		"ForeignNames":    testForeignNames,
		"OtherLayout":     testOtherLayout,
		"Delete":          testDelete,
		"DeleteAll":       testDeleteAll,
		"ConcurrentWrite": testConcurrentWrite,
		"V3":              testV3,
		"V3Refusals":      testV3Refusals,
		"V3Damage":        testV3Damage,
		"V3Times":         testV3Times,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// epoch is the time in the header of transaction 0; each next one is a second
// and a millisecond later.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func headerTime(txid ltx.TXID) time.Time {
	return epoch.Add(time.Duration(txid) * 1001 * time.Millisecond)
}

// makeFile is a valid header and a body of n bytes that no decoder would take:
// a client moves files, it does not look into them.
func makeFile(minTXID, maxTXID ltx.TXID, n int) []byte {
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1,
		MinTXID: minTXID, MaxTXID: maxTXID, Timestamp: headerTime(maxTXID).UnixMilli(),
	}
	b, err := h.MarshalBinary()
	if err != nil {
		panic(err)
	}
	for i := range n {
		b = append(b, byte(i)^byte(i>>8)^byte(minTXID))
	}
	return b
}

func write(t *testing.T, c replicate.ReplicaClient, level int, minTXID, maxTXID ltx.TXID, data []byte) {
	t.Helper()
	info, err := c.WriteLTXFile(t.Context(), level, minTXID, maxTXID, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("WriteLTXFile(%d, %s, %s): %v", level, minTXID, maxTXID, err)
	}
	want := ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID, Size: int64(len(data)),
		CreatedAt: headerTime(maxTXID)}
	if *info != want {
		t.Errorf("WriteLTXFile: got %+v, want %+v", *info, want)
	}
}

func read(t *testing.T, c replicate.ReplicaClient, level int, minTXID, maxTXID ltx.TXID, offset, size int64) []byte {
	t.Helper()
	rc, err := c.OpenLTXFile(t.Context(), level, minTXID, maxTXID, offset, size)
	if err != nil {
		t.Fatalf("OpenLTXFile(%d, %s, %s, %d, %d): %v", level, minTXID, maxTXID, offset, size, err)
	}
	data, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatalf("read level %d, %s-%s: %v", level, minTXID, maxTXID, err)
	}
	return data
}

func list(t *testing.T, c replicate.ReplicaClient, level int, seek ltx.TXID, trueTimes bool) []*ltx.FileInfo {
	t.Helper()
	itr, err := c.LTXFiles(t.Context(), level, seek, trueTimes)
	if err != nil {
		t.Fatalf("LTXFiles(%d, %s): %v", level, seek, err)
	}
	infos := []*ltx.FileInfo{}
	for itr.Next() {
		infos = append(infos, itr.Item())
	}
	if err := errors.Join(itr.Err(), itr.Close()); err != nil {
		t.Fatalf("LTXFiles(%d, %s): %v", level, seek, err)
	}
	return infos
}

// ranges prints a listing as "1-1 2-5".
func ranges(infos []*ltx.FileInfo) string {
	s := ""
	for _, info := range infos {
		s += fmt.Sprintf("%d-%d ", info.MinTXID, info.MaxTXID)
	}
	return s
}

func wantRanges(t *testing.T, what string, got []*ltx.FileInfo, want string) {
	t.Helper()
	if got := ranges(got); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// wantMissing wants what programs test with either of the two: os.IsNotExist does not
// unwrap.
func wantMissing(t *testing.T, what string, err error) {
	t.Helper()
	wantIs(t, what, err, os.ErrNotExist)
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

func keys(t *testing.T, r Replica) []string {
	t.Helper()
	keys, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func plant(t *testing.T, r Replica, key string, data []byte) {
	t.Helper()
	if err := r.Put(key, data); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}
