//go:build realtools && realservers

package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// writeLTX lets Litestream v0.5 replicate a new database, which it returns, until
// the replica has files at several levels, by count.
func writeLTX(t *testing.T, litestream, replica string, count func(level int) int) (db string) {
	t.Helper()
	source := openDatabase(t)
	source.insert()
	d := replicate(t, litestream, config05(source.path, replica))
	writeUntil(t, source, "two files at each of the levels 0, 1, 2 and 9", func() bool {
		for _, level := range []int{0, 1, 2, 9} {
			if count(level) < 2 {
				return false
			}
		}
		return true
	})
	d.stop()
	return source.path
}

// TestS3ListsV05: replctl shows a bucket that Litestream v0.5 wrote as the SDK and
// Litestream list it, and as it shows the same files on a disk.
func TestS3ListsV05(t *testing.T) {
	litestream, r := litestream05(t), buildReplctl(t)
	eachServer(t, func(t *testing.T, b bucket) {
		writeLTX(t, litestream, b.replicaConfig(""), func(level int) int {
			return len(b.objects(t, fmt.Sprintf("%04x/", level)))
		})
		uploaded, written := b.ltxFiles(t)
		wantJSON(t, "ltx --fast", r.json(t, b.url(), "ltx", "--fast"), ltxRecords(uploaded))
		wantJSON(t, "ltx", r.json(t, b.url(), "ltx"), ltxRecords(written))
		wantJSON(t, "snapshots", r.json(t, b.url(), "snapshots"), ltxSnapshots(written))
		wantJSON(t, "generations", r.json(t, b.url(), "generations"), nil)
		wantJSON(t, "wal", r.json(t, b.url(), "wal"), nil)
		wantInspection(t, r, b, "ltx")
		wantSameOnDisk(t, r, b)

		// Litestream shows the time of the upload, to the second. So do we with
		// --fast; else ours is the time in the header.
		for i := range uploaded {
			uploaded[i].CreatedAt = uploaded[i].CreatedAt.Truncate(time.Second)
		}
		if diff := gocmp.Diff(byLitestreamAt(t, litestream, b.url()), uploaded); diff != "" {
			t.Errorf("-litestream +bucket:\n%s", diff)
		}
		t.Logf("%d files", len(uploaded))
	})
}

// ltxFiles are the files in the bucket, once with LastModified as their time, and
// once with that of their headers.
func (b bucket) ltxFiles(t *testing.T) (uploaded, written []ltx.FileInfo) {
	t.Helper()
	for _, o := range b.objects(t, "") {
		info := ltx.FileInfo{Size: o.size, CreatedAt: o.modified}
		_, err := fmt.Sscanf(o.key, "%04x/%16x-%16x.ltx", &info.Level, &info.MinTXID, &info.MaxTXID)
		must(t, err)
		uploaded = append(uploaded, info)
		info.CreatedAt = time.UnixMilli(int64(binary.BigEndian.Uint64(b.content(t, o.key)[32:]))).UTC()
		written = append(written, info)
	}
	return uploaded, written
}

func ltxRecords(files []ltx.FileInfo) (records []record) {
	for _, f := range files {
		records = append(records, record{
			"level": f.Level, "min_txid": f.MinTXID.String(), "max_txid": f.MaxTXID.String(),
			"size":      f.Size,
			"timestamp": f.CreatedAt.Format(time.RFC3339), "created_at": f.CreatedAt,
		})
	}
	return records
}

func ltxSnapshots(files []ltx.FileInfo) (records []record) {
	for _, f := range files {
		if f.Level == ltx.SnapshotLevel {
			records = append(records, record{
				"format": "ltx", "min_txid": f.MinTXID.String(), "max_txid": f.MaxTXID.String(),
				"size": f.Size, "created_at": f.CreatedAt,
			})
		}
	}
	return records
}

// TestS3RestoredInTime: what our client writes into a bucket, Litestream restores
// as what it wrote to a disk, to the end, to a transaction and to a moment. Each
// file is copied as soon as it is there: Litestream refuses a moment before the
// first LastModified, although it is by the times in the metadata, as we write
// them, that it decides which files to take.
func TestS3RestoredInTime(t *testing.T) {
	litestream := litestream05(t)
	eachServer(t, func(t *testing.T, b bucket) {
		replica, done := filepath.Join(t.TempDir(), "replica"), make(map[ltx.FileInfo]bool)
		db := writeLTX(
			t,
			litestream,
			fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms}", replica),
			func(level int) int {
				b.copyNew(t, replica, done)
				return len(b.objects(t, fmt.Sprintf("%04x/", level)))
			},
		)
		b.copyNew(t, replica, done)
		want, got := byLitestreamAt(t, litestream, "file://"+replica), byLitestreamAt(t, litestream, b.url())
		for i := range min(len(want), len(got)) {
			want[i].CreatedAt, got[i].CreatedAt = time.Time{}, time.Time{} // of the bucket, that of the upload
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("litestream lists another replica (-original +copy):\n%s", diff)
		}
		if dump(t, restored(t, litestream, b.url())) != dump(t, db) {
			t.Error("the restored database is another")
		}
		files := ours(t, replica, 0, 0, true)
		mid := files[len(files)/2]
		for _, at := range [][]string{
			{"-txid", mid.MaxTXID.String()},
			{"-timestamp", mid.CreatedAt.Add(time.Millisecond).Format(time.RFC3339Nano)},
		} {
			copied, err := os.ReadFile(restored(t, litestream, append(at, b.url())...))
			must(t, err)
			original, err := os.ReadFile(restored(t, litestream, append(at, "file://"+replica)...))
			must(t, err)
			if !bytes.Equal(copied, original) {
				t.Errorf("%v: the bucket restores to another database than the directory", at)
			}
		}
		t.Logf("%d files", len(got))
	})
}

// copyNew writes with our client what is in a directory and not yet done.
func (b bucket) copyNew(t *testing.T, replica string, done map[ltx.FileInfo]bool) {
	t.Helper()
	from, to := file.NewReplicaClient(replica), b.client()
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, info := range ours(t, replica, level, 0, true) {
			if done[info] {
				continue
			}
			done[info] = true
			rc, err := from.OpenLTXFile(t.Context(), level, info.MinTXID, info.MaxTXID, 0, 0)
			must(t, err)
			written, err := to.WriteLTXFile(t.Context(), level, info.MinTXID, info.MaxTXID, rc)
			must(t, err)
			must(t, rc.Close())
			if *written != info {
				t.Errorf("wrote %v, want %v", *written, info)
			}
		}
	}
}
