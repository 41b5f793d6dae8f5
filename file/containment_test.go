package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

const generation = "0123456789abcdef"

// verbs are all methods of a client that touch the disk, each on file 1 of level
// 0 or on the same generation. They return what they learned, if anything.
var verbs = map[string]func(context.Context, *file.ReplicaClient) (any, error){
	"LTXFiles": func(ctx context.Context, c *file.ReplicaClient) (any, error) { return found(ctx, c, false) },
	"LTXFiles with times": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return found(ctx, c, true)
	},
	"OpenLTXFile": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return content(c.OpenLTXFile(ctx, 0, 1, 1, 0, 0))
	},
	"WriteLTXFile": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		_, err := c.WriteLTXFile(ctx, 0, 1, 1, bytes.NewReader(ltxFile(1, 50)))
		return nil, err
	},
	"DeleteLTXFiles": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return nil, c.DeleteLTXFiles(ctx, []*ltx.FileInfo{{Level: 0, MinTXID: 1, MaxTXID: 1}})
	},
	"DeleteAll": func(ctx context.Context, c *file.ReplicaClient) (any, error) { return nil, c.DeleteAll(ctx) },
	"GenerationsV3": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return some(c.GenerationsV3(ctx))
	},
	"SnapshotsV3": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return some(c.SnapshotsV3(ctx, generation))
	},
	"WALSegmentsV3": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return some(c.WALSegmentsV3(ctx, generation))
	},
	"OpenSnapshotV3": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return content(c.OpenSnapshotV3(ctx, generation, 0))
	},
	"OpenWALSegmentV3": func(ctx context.Context, c *file.ReplicaClient) (any, error) {
		return content(c.OpenWALSegmentV3(ctx, generation, 0, 0))
	},
}

func found(ctx context.Context, c *file.ReplicaClient, trueTimes bool) (any, error) {
	itr, err := c.LTXFiles(ctx, 0, 0, trueTimes)
	if err != nil {
		return nil, err
	}
	if itr.Next() {
		return itr.Item(), itr.Close()
	}
	return nil, itr.Close()
}

func content(rc io.ReadCloser, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

func some[T any](list []T, err error) (any, error) {
	if len(list) == 0 {
		return nil, err
	}
	return list, err
}

const (
	levelFile    = "ltx/0/0000000000000001-0000000000000001.ltx"
	snapshotFile = "generations/" + generation + "/snapshots/00000000.snapshot.lz4"
	walFile      = "generations/" + generation + "/wal/00000000_00000000.wal.lz4"
)

// plantReplica puts one object of each kind below dir.
func plantReplica(t *testing.T, dir string) {
	t.Helper()
	for name, data := range map[string][]byte{
		levelFile: ltxFile(1, 50), snapshotFile: lz4Secret, walFile: lz4Secret,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, data, 0o644))
	}
}

// lz4Secret is the LZ4 frame that the lz4 tool makes of "secret\n".
var lz4Secret = []byte("\x04\x22\x4d\x18\x64\x40\xa7\x07\x00\x00\x80secret\n\x00\x00\x00\x00\xc0\xf9\x7c\xce")

// fingerprint is every name below dir with its mode, time and content.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	prints := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		var sum [32]byte
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = sha256.Sum256(data)
		}
		prints[path] = fmt.Sprintf("%v %v %x", fi.Mode(), fi.ModTime(), sum)
		return nil
	})
	must(t, err)
	return prints
}

// TestLinksOutOfTheRoot: a symbolic link at any level of a replica that leads
// out of it gives no verb a way to what is there.
func TestLinksOutOfTheRoot(t *testing.T) {
	for _, at := range []string{
		"ltx", "ltx/0", levelFile,
		"generations", "generations/" + generation,
		"generations/" + generation + "/snapshots", "generations/" + generation + "/wal", snapshotFile, walFile,
	} {
		for _, kind := range []string{"absolute", "relative"} {
			for verb, call := range verbs {
				t.Run(fmt.Sprintf("%s/%s/%s", strings.ReplaceAll(at, "/", "."), kind, verb), func(t *testing.T) {
					testLinkOut(t, at, kind == "relative", verb, call)
				})
			}
		}
	}
}

func testLinkOut(t *testing.T, at string, relative bool, verb string,
	call func(context.Context, *file.ReplicaClient) (any, error)) {
	base := scratch(t)
	dir, outside := filepath.Join(base, "replica"), filepath.Join(base, "outside")
	plantReplica(t, dir)
	plantReplica(t, outside)
	link, target := filepath.Join(dir, at), filepath.Join(outside, at)
	must(t, os.RemoveAll(link))
	if relative {
		up, err := filepath.Rel(filepath.Dir(link), target)
		must(t, err)
		target = up
	}
	must(t, os.Symlink(target, link))
	before := fingerprint(t, outside)

	got, err := call(t.Context(), file.NewReplicaClient(dir))
	if diff := cmp.Diff(before, fingerprint(t, outside)); diff != "" {
		t.Errorf("outside the replica something changed (-before +after):\n%s", diff)
	}
	wantNoTemps(t, base)
	if !leadsThrough(verb, at) {
		return // it may have seen what is inside
	}
	if isObject(at) && listsObjects(verb) { // that there is something is said, and nothing about it
		if err != nil || !isHollow(got) {
			t.Errorf("got %v, %v, want a name without a size", got, err)
		}
		return
	}
	if got != nil {
		t.Errorf("got %.60v from outside the replica", got)
	}
	_, isLink := os.Readlink(link)
	switch {
	case at == levelFile && (verb == "WriteLTXFile" || strings.HasPrefix(verb, "Delete")):
		if err != nil || isLink == nil { // the link itself is replaced, or goes
			t.Errorf("error %v, link still there: %v", err, isLink == nil)
		}
	case err == nil || !strings.Contains(err.Error(), "escapes"):
		t.Errorf("got error %v, want one that says that the link leads out", err)
	case !strings.Contains(err.Error(), filepath.Base(at)):
		t.Errorf("the error does not name %s: %v", at, err)
	}
}

func isObject(at string) bool { return strings.HasSuffix(at, ".ltx") || strings.HasSuffix(at, ".lz4") }

func listsObjects(verb string) bool {
	return verb == "LTXFiles" || verb == "SnapshotsV3" || verb == "WALSegmentsV3"
}

// isHollow reports whether a listing shows one object, without a byte.
func isHollow(got any) bool {
	switch got := got.(type) {
	case *ltx.FileInfo:
		return got.Size == 0
	case []replicate.SnapshotInfoV3:
		return len(got) == 1 && got[0].Size == 0
	case []replicate.WALSegmentInfoV3:
		return len(got) == 1 && got[0].Size == 0
	}
	return false
}

// leadsThrough reports whether a verb's way leads through the link.
func leadsThrough(verb, at string) bool {
	way := levelFile
	switch verb {
	case "SnapshotsV3", "OpenSnapshotV3":
		way = snapshotFile
	case "WALSegmentsV3", "OpenWALSegmentV3":
		way = walFile
	case "GenerationsV3":
		way = "generations/" + generation
	}
	return strings.HasPrefix(way, at)
}

// TestLinksToNowhere: dangling links and circles are an error, except that a listing
// has the name of one that stands in the place of an object.
func TestLinksToNowhere(t *testing.T) {
	for _, at := range []string{"ltx", "ltx/0", levelFile} {
		for _, target := range []string{"absent", filepath.Base(at)} {
			dir := scratch(t)
			plantReplica(t, dir)
			link := filepath.Join(dir, at)
			must(t, os.RemoveAll(link))
			must(t, os.Symlink(target, link))
			for verb, call := range verbs {
				if !leadsThrough(verb, at) || at == levelFile && verb == "WriteLTXFile" || strings.HasPrefix(verb, "Delete") {
					continue
				}
				got, err := call(t.Context(), file.NewReplicaClient(dir))
				if at == levelFile && verb == "LTXFiles" {
					if err != nil || !isHollow(got) {
						t.Errorf("%s -> %s: %s: got %v, %v, want a name without a size", at, target, verb, got, err)
					}
				} else if opens := verb == "OpenLTXFile" && at != levelFile; got != nil || err == nil ||
					errors.Is(err, fs.ErrNotExist) && !opens {
					t.Errorf("%s -> %s: %s: got %v, %v", at, target, verb, got, err)
				}
			}
			wantNoTemps(t, dir)
		}
	}
}

// TestLinksInside: links that stay in the replica are followed.
func TestLinksInside(t *testing.T) {
	for at, target := range map[string]string{"ltx": "data", "ltx/0": "../data", levelFile: "../../data"} {
		dir := scratch(t)
		plantReplica(t, dir)
		link := filepath.Join(dir, at)
		must(t, os.Rename(link, filepath.Join(dir, "data")))
		must(t, os.Symlink(target, link))
		for _, verb := range []string{"LTXFiles", "LTXFiles with times", "OpenLTXFile"} {
			if got, err := verbs[verb](t.Context(), file.NewReplicaClient(dir)); err != nil || got == nil {
				t.Errorf("%s -> %s: %s: got %v, %v", at, target, verb, got, err)
			}
		}
		write(t, file.NewReplicaClient(dir), 0, 2, 10)
		if infos, err := list(t, file.NewReplicaClient(dir), 0, 0); err != nil || len(infos) != 2 {
			t.Errorf("%s -> %s: after a write: %v, %v", at, target, infos, err)
		}
	}
}

// TestReplicaPathIsALink: the replica's own path is the caller's business.
func TestReplicaPathIsALink(t *testing.T) {
	base := scratch(t)
	plantReplica(t, filepath.Join(base, "data"))
	link := filepath.Join(base, "replica")
	must(t, os.Symlink("data", link))
	for _, verb := range []string{"LTXFiles", "OpenLTXFile", "WriteLTXFile", "GenerationsV3", "SnapshotsV3",
		"DeleteLTXFiles", "DeleteAll"} {
		if _, err := verbs[verb](t.Context(), file.NewReplicaClient(link)); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if exists(t, filepath.Join(base, "data", levelFile)) {
		t.Error("DeleteAll through the link left a file")
	}
	below := filepath.Join(link, "a", "b") // made below a linked parent
	write(t, file.NewReplicaClient(below), 0, 1, 10)
	if !exists(t, filepath.Join(base, "data", "a", "b", levelFile)) {
		t.Error("a replica below a linked directory is somewhere else")
	}
}

// TestSwappedDirectory replaces a level by a link while clients work in it.
func TestSwappedDirectory(t *testing.T) {
	base := scratch(t)
	dir, outside := filepath.Join(base, "replica"), filepath.Join(base, "outside")
	plantReplica(t, dir)
	plantReplica(t, outside)
	must(t, os.WriteFile(filepath.Join(outside, levelFile), ltxFile(1, 7777), 0o644))
	before := fingerprint(t, outside)
	level, aside := filepath.Join(dir, "ltx", "0"), filepath.Join(dir, "aside")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(level, aside)
			_ = os.Symlink(filepath.Join(outside, "ltx", "0"), level)
			_ = os.Remove(level)
			_ = os.RemoveAll(level) // a writer may have made it in between
			_ = os.Rename(aside, level)
		}
	}()
	for range 150 {
		for _, verb := range []string{"LTXFiles", "OpenLTXFile", "WriteLTXFile", "DeleteLTXFiles", "WriteLTXFile",
			"DeleteAll"} {
			got, _ := verbs[verb](t.Context(), file.NewReplicaClient(dir))
			if info, ok := got.(*ltx.FileInfo); ok && info.Size > 7777 {
				t.Fatal("listed a file outside the replica")
			}
			if data, ok := got.([]byte); ok && len(data) > 7777 {
				t.Fatal("read a file outside the replica")
			}
		}
	}
	close(stop)
	<-stopped
	if diff := cmp.Diff(before, fingerprint(t, outside)); diff != "" {
		t.Errorf("outside the replica something changed (-before +after):\n%s", diff)
	}
}
