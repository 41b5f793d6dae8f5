package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// source is a replica, and, once they are made, all states that can be restored from
// it while it is sound.
type source struct {
	dir    string
	files  map[string][]byte    // by key
	times  map[string]time.Time // of the files
	plan   []string             // the keys that a restore of the latest state reads
	states map[[32]byte]string  // the database's checksum: what it is called
}

func newSource(t *testing.T, name string) *source {
	t.Helper()
	s := &source{dir: testreplica.Copy(t, name), files: map[string][]byte{}, times: map[string]time.Time{},
		states: map[[32]byte]string{}}
	err := fs.WalkDir(os.DirFS(s.dir), ".", func(key string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		s.times[key] = fi.ModTime()
		s.files[key], err = os.ReadFile(filepath.Join(s.dir, key))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code, doc, _ := replctl(t, "plan", "--json", s.dir)
	if code != exitOK {
		t.Fatalf("plan: exit code %d", code)
	}
	for _, o := range decode[planJSON](t, "plan", doc).Objects {
		s.plan = append(s.plan, o.Key)
	}
	return s
}

// restoreAll makes the states: of LTX after each transaction that a file ends with, of
// v0.3 after each segment and each generation.
func (s *source) restoreAll(t *testing.T) {
	t.Helper()
	targets := map[string][]string{"latest": nil}
	for key, at := range s.times {
		name := path.Base(key)
		switch path.Ext(name) {
		case ".ltx":
			targets[name[17:33]] = []string{"--txid", name[17:33]}
		case ".lz4":
			targets[key] = []string{"--timestamp", at.Format(time.RFC3339Nano)}
		}
	}
	for what, flags := range targets {
		out := filepath.Join(t.TempDir(), "db")
		if code, _, _ := replctl(t, append([]string{"restore", s.dir, "-o", out}, flags...)...); code == exitOK {
			s.states[sha256.Sum256(read(t, out))] = what
		}
	}
	if len(s.states) < 10 {
		t.Fatalf("%d states", len(s.states))
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// change is what happens to an object; nil content is that it is gone.
type change struct {
	key     string
	what    string
	content []byte
}

// change makes one up. An LTX file may also become another one; a v0.3 object has no
// name in it, and what is valid by itself is valid there.
func (s *source) change(rng *rand.Rand) change {
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(s.files)),
		func(key string) bool { return path.Base(key) == "times.json" })
	key := keys[rng.IntN(len(keys))]
	if rng.IntN(5) > 0 {
		key = s.plan[rng.IntN(len(s.plan))]
	}
	old := s.files[key]
	kinds := []string{"gone", "cut off", "a bit", "empty", "longer"}
	if path.Ext(key) == ".ltx" {
		kinds = append(kinds, "another")
	}
	c := change{key: key, what: kinds[rng.IntN(len(kinds))], content: slices.Clone(old)}
	switch c.what {
	case "gone":
		c.content = nil
	case "cut off":
		c.content = c.content[:rng.IntN(len(old))]
	case "a bit":
		c.content[rng.IntN(len(old))] ^= 1 << rng.IntN(8)
	case "empty":
		c.content = []byte{}
	case "longer":
		c.content = append(c.content, old[:1+rng.IntN(min(len(old), 100))]...)
	case "another":
		c.content = s.files[keys[rng.IntN(len(keys))]]
	}
	return c
}

// check: either a state that was there, or no file.
func (s *source) check(t *testing.T, c change, url string, flags ...string) (code int) {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "db")
	code, _, stderr := replctl(t, append([]string{"restore", url, "-o", out}, flags...)...)
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		t.Fatal(err)
	case code != exitOK && len(entries) > 0:
		t.Errorf("%s %s: exit code %d and %v", c.what, c.key, code, entries)
	case code == exitOK && (len(entries) != 1 || s.states[sha256.Sum256(read(t, out))] == ""):
		t.Errorf("%s %s: success with a database that never was, %v\n%s", c.what, c.key, entries, stderr)
	case code != exitOK && stderr == "":
		t.Errorf("%s %s: exit code %d without a word", c.what, c.key, code)
	}
	return code
}

// bucketOf uploads the replica to a server, which from then on is the only one that
// replctl knows.
func bucketOf(t *testing.T, s *source) (srv *fakes3.Server, store blob.Store, url string) {
	t.Helper()
	srv = fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	cfg := s3.Config{Bucket: srv.Bucket, Path: "db", Endpoint: srv.URL}
	upload(t, s.dir, cfg)
	store, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv.Reset()
	return srv, store, "s3://" + srv.Bucket + "/db?endpoint=" + srv.URL
}

func putChange(ctx context.Context, store blob.Store, c change) error {
	if c.content == nil {
		return store.Delete(ctx, []string{c.key})
	}
	_, err := store.Write(ctx, c.key, bytes.NewReader(c.content), blob.WriteOptions{})
	return err
}

// The same in a bucket, where the change comes just before one of the reads, and the
// reads are cut off and answered with errors as well.
func TestRestoreOfChangingBucket(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		s, rng, codes := newSource(t, name), rand.New(rand.NewPCG(6, 2)), map[int]int{}
		s.restoreAll(t)
		srv, store, url := bucketOf(t, s)
		for range 15 {
			c, reads, when := s.change(rng), atomic.Int32{}, int32(rng.IntN(len(s.plan)))
			match := func(r fakes3.Request) bool { return r.Op == "GetObject" && reads.Add(1) > when }
			srv.Fail(fakes3.Rule{Match: match, Fault: func(w http.ResponseWriter, call *fakes3.Call) {
				if err := putChange(context.Background(), store, c); err != nil {
					panic(fmt.Sprintf("change %s: %v", c.key, err))
				}
				answer(w, call.Apply())
			}})
			if rng.IntN(3) == 0 {
				srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(rng.IntN(3000))})
			}
			codes[s.check(t, c, url)]++
			srv.Reset()
			if err := putChange(t.Context(), store, change{key: c.key, content: s.files[c.key]}); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: exit codes %v", name, codes)
	}
}

func answer(w http.ResponseWriter, a *fakes3.Answer) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// A download that is cut off goes on where it was.
func TestRestoreResumes(t *testing.T) {
	s := newSource(t, "v0.5")
	s.restoreAll(t)
	srv, _, url := bucketOf(t, s)
	const cut = 2000
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Times: 5, Fault: fakes3.TruncateBody(cut)})
	if code := s.check(t, change{what: "cut off"}, url); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	resumed := slices.ContainsFunc(srv.Requests(), func(r fakes3.Request) bool {
		return bytes.HasPrefix([]byte(r.Header.Get("Range")), fmt.Appendf(nil, "bytes=%d-", cut))
	})
	if !resumed {
		t.Error("no read begins where another was cut off")
	}
}
