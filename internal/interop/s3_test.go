//go:build realtools && realservers

package interop

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/s3"
)

// bucket is a place for one replica on a real server.
type bucket struct {
	endpoint, name string
}

func newBucket(t *testing.T) bucket {
	t.Helper()
	// Litestream's S3 client cannot start with a CA bundle (it hands the SDK a
	// plain http.Client), and needs none for http.
	for _, s := range s3servers.All(t) {
		if s.Name == "minio" {
			name := s.NewBucket(t)
			t.Setenv("AWS_CA_BUNDLE", "")
			return bucket{s.Endpoint, name}
		}
	}
	t.Fatal("no MinIO among the servers")
	return bucket{}
}

func (b bucket) url() string {
	return fmt.Sprintf("s3://%s/db?endpoint=%s&region=us-east-1&force-path-style=true", b.name, b.endpoint)
}

func (b bucket) client() *s3.ReplicaClient {
	c := s3.NewReplicaClient()
	c.Bucket, c.Path, c.Endpoint = b.name, "db", b.endpoint
	return c
}

func (b bucket) keys(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	store, _, err := b.client().Open(t.Context())
	must(t, err)
	for info, err := range store.List(t.Context(), prefix, blob.ListOptions{}) {
		must(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

// download copies the bucket to a directory, name by name.
func (b bucket) download(t *testing.T) string {
	t.Helper()
	from, _, err := b.client().Open(t.Context())
	must(t, err)
	dir := filepath.Join(t.TempDir(), "copy")
	to := file.NewStore(dir, file.Options{})
	for info, err := range from.List(t.Context(), "", blob.ListOptions{}) {
		must(t, err)
		rc, err := from.Open(t.Context(), info.Key, 0, 0)
		must(t, err)
		_, err = to.Write(t.Context(), info.Key, rc, blob.WriteOptions{ModTime: info.ModTime})
		must(t, err)
		must(t, rc.Close())
	}
	return dir
}

// sameInspection compares a bucket with its copy on a disk, and wants both sound.
func (b bucket) sameInspection(t *testing.T) *check.Inspection {
	t.Helper()
	opts := check.InspectOptions{Read: check.ReadAll}
	there, err := check.Inspect(t.Context(), b.client(), opts)
	must(t, err)
	here, err := check.Inspect(t.Context(), file.NewReplicaClient(b.download(t)), opts)
	must(t, err)
	if diff := gocmp.Diff(there, here); diff != "" {
		t.Errorf("bucket (-) and disk (+) differ:\n%s", diff)
	}
	if len(there.Problems) > 0 || there.Verified != there.Objects {
		t.Errorf(
			"Litestream's replica: %d of %d objects verified, problems %v",
			there.Verified,
			there.Objects,
			there.Problems,
		)
	}
	return there
}

// TestS3WrittenByV05: a bucket that Litestream v0.5 wrote is listed as it says, and
// as the same files are on a disk.
func TestS3WrittenByV05(t *testing.T) {
	binary, b := litestream05(t), newBucket(t)
	source := openDatabase(t)
	source.insert()
	d := replicate(t, binary, config05(source.path, fmt.Sprintf(
		"{type: s3, bucket: %s, path: db, endpoint: %q, region: us-east-1, force-path-style: true, sync-interval: 50ms}",
		b.name,
		b.endpoint,
	)))
	writeUntil(t, source, "two files at the levels 0, 1 and 9", func() bool {
		return len(b.keys(t, "0000/")) > 1 && len(b.keys(t, "0001/")) > 1 && len(b.keys(t, "0009/")) > 1
	})
	d.stop()

	want := byLitestreamAt(t, binary, b.url())
	got := []ltx.FileInfo{}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		itr, err := b.client().LTXFiles(t.Context(), level, 0, false)
		must(t, err)
		for itr.Next() {
			got = append(got, *itr.Item())
		}
		must(t, itr.Close())
	}
	// Without true times both show S3's LastModified, Litestream to the second.
	for i := range got {
		got[i].CreatedAt = got[i].CreatedAt.Truncate(1e9)
	}
	if diff := gocmp.Diff(want, got); diff != "" || len(got) < 6 {
		t.Errorf("%d files (-litestream +ours):\n%s", len(got), diff)
	}
	in := b.sameInspection(t)
	if in.LTX == nil || in.LTX.Layout != ltx.LayoutS3 || in.LTX.RestorableTXID != in.LTX.MaxTXID {
		t.Errorf("inspected: %+v", in.LTX)
	}
}

// TestS3WrittenByV03: the same of a v0.3 backup.
func TestS3WrittenByV03(t *testing.T) {
	binary, b := litestream03(t), newBucket(t)
	source := openDatabase(t)
	source.insert()
	d := replicate(t, binary, fmt.Sprintf(`
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 1s
    min-checkpoint-page-count: 10
    replicas:
      - type: s3
        bucket: %s
        path: db
        endpoint: %s
        region: us-east-1
        force-path-style: true
        sync-interval: 50ms
        snapshot-interval: 3s
`, source.path, b.name, b.endpoint))
	writeUntil(t, source, "a second snapshot and ten segments", func() bool {
		keys := b.keys(t, "generations/")
		return len(keys) > 12 &&
			len(slices.DeleteFunc(keys, func(k string) bool { return !strings.Contains(k, "/snapshots/") })) > 1
	})
	d.stop()

	c := b.client()
	generations, err := c.GenerationsV3(t.Context())
	must(t, err)
	if len(generations) != 1 {
		t.Fatalf("generations: %q", generations)
	}
	// Every object that is there is listed, and nothing else.
	var got []string
	snapshots, err := c.SnapshotsV3(t.Context(), generations[0])
	must(t, err)
	for _, s := range snapshots {
		got = append(got, fmt.Sprintf("generations/%s/snapshots/%08x.snapshot.lz4", generations[0], s.Index))
	}
	segments, err := c.WALSegmentsV3(t.Context(), generations[0])
	must(t, err)
	for _, s := range segments {
		got = append(got, fmt.Sprintf("generations/%s/wal/%08x_%08x.wal.lz4", generations[0], s.Index, s.Offset))
	}
	if diff := gocmp.Diff(b.keys(t, "generations/"), got); diff != "" {
		t.Errorf("(-bucket +ours):\n%s", diff)
	}
	if in := b.sameInspection(t); len(in.Generations) != 1 || len(in.Generations[0].Restorable) != 1 {
		t.Errorf("inspected: %+v", in.Generations)
	}
}

// TestS3RestoredByLitestream: what our client writes into a bucket, Litestream
// restores.
func TestS3RestoredByLitestream(t *testing.T) {
	binary, b := litestream05(t), newBucket(t)
	replica, db := newLTXReplica(t, binary)
	from, to := file.NewReplicaClient(replica), b.client()
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		itr, err := from.LTXFiles(t.Context(), level, 0, false)
		must(t, err)
		for itr.Next() {
			f := itr.Item()
			rc, err := from.OpenLTXFile(t.Context(), level, f.MinTXID, f.MaxTXID, 0, 0)
			must(t, err)
			_, err = to.WriteLTXFile(t.Context(), level, f.MinTXID, f.MaxTXID, rc)
			must(t, err)
			must(t, rc.Close())
		}
		must(t, itr.Close())
	}
	restored := restored(t, binary, b.url())
	if dump(t, restored) != dump(t, db) {
		t.Error("the restored database is another")
	}
}
