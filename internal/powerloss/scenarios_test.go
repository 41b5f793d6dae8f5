//go:build powerloss && linux

package powerloss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/lease"
)

// A scenario is a script of operations on the tree below a directory, and a judge of what is
// there after a power loss. The script may be run again where it was killed.
type scenario struct {
	before func(dir string) error        // what is there, and durable
	run    func(dir string, seed uint64) // in a child; says what it does
	drawn  bool                          // whether other seeds than 0 make other scripts
	judge  func(dir string, said []string) error
}

var scenarios = map[string]scenario{
	"records":         {run: runRecords, drawn: true, judge: judgeRecords},
	"objects":         {run: runObjects, drawn: true, judge: judgeObjects},
	"lease":           {run: runLease, judge: judgeLease},
	"ltx":             {before: leftLTX, run: runLTX, judge: judgeLTX},
	"restore":         restores("v0.5", false, nil),
	"restore replace": restores("v0.5", true, oldDatabase),
	"restore v0.3":    restores("v0.3", false, leftDatabase),
}

// step says what a child is about to do, does it, and says what has become of it. A message
// is the outcome, a key, and the version that it has then ("-" if it is gone).
func step(key, version string, do func() error) {
	fmt.Printf("begin %s %s\n", key, version)
	switch err := do(); {
	case err == nil:
		fmt.Printf("done %s %s\n", key, version)
	case errors.Is(err, durable.ErrUncertain), errors.Is(err, cas.ErrIndeterminate), version == "-":
		fmt.Printf("unknown %s %s\n", key, version) // of a deletion that failed nothing is promised
	default:
		fmt.Printf("failed %s %s\n", key, version)
		fmt.Fprintln(os.Stderr, err)
	}
}

// allowed are the versions that each key may have by what was said.
func allowed(said []string) map[string][]string {
	now, old := map[string][]string{}, map[string][]string{}
	for _, message := range said {
		f := strings.Fields(message)
		outcome, key, version := f[0], f[1], f[2]
		if now[key] == nil {
			now[key] = []string{"-"}
		}
		switch outcome {
		case "begin":
			old[key] = now[key]
			now[key] = append(slices.Clip(now[key]), version)
		case "done":
			now[key] = []string{version}
		case "failed":
			now[key] = old[key]
		}
	}
	return now
}

// body is the content of a version: its length and every part of it tell which.
func body(key, version string) []byte {
	line := []byte(key + " " + version + "\n")
	return bytes.Repeat(line, 1+(700+300*int(version[0]-'0'))/len(line))
}

// wantVersion checks a key's content against the versions that it may have.
func wantVersion(key string, versions []string, got []byte, exists bool) error {
	for _, version := range versions {
		if exists == (version != "-") && (!exists || bytes.Equal(got, body(key, version))) {
			return nil
		}
	}
	return fmt.Errorf("%s is there: %v, %d bytes, %.30q; it must have one of the versions %q",
		key, exists, len(got), got, versions)
}

// wantNoTemps checks that the writes of a recovery have swept what was left.
func wantNoTemps(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && durable.IsTempName(d.Name()) {
			err = fmt.Errorf("%s was not swept", d.Name())
		}
		return err
	})
}

func store(dir string) string { return filepath.Join(dir, "store") }

// follow follows a script of keys and their versions. With a seed it draws one for each of
// the keys instead, and follows them side by side.
func follow(script []string, seed uint64, do func(key, version string)) {
	if seed == 0 {
		for _, s := range script {
			key, version, _ := strings.Cut(s, " ")
			do(key, version)
		}
		return
	}
	var all sync.WaitGroup
	for i, key := range []string{"x/one", "x/two", "y/deep/three"} {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			exists := false
			for version := '1'; version < '6'; version++ {
				if exists = !exists || rng.IntN(3) > 0; exists {
					do(key, string(version))
				} else {
					do(key, "-")
				}
			}
		})
	}
	all.Wait()
}

func runRecords(dir string, seed uint64) {
	r := file.NewRecords(store(dir), file.Options{})
	follow([]string{"a 1", "a 2", "sub/b 1", "sub/b 2", "a -", "a 3"}, seed, func(key, version string) {
		step(key, version, func() error {
			rec, err := r.Read(context.Background(), key, "")
			if err != nil {
				return err
			}
			if version == "-" {
				return r.Delete(context.Background(), key, rec.Token)
			}
			_, err = r.Write(context.Background(), key, body(key, version), rec.Token)
			return err
		})
	})
}

func judgeRecords(dir string, said []string) error {
	r, ctx := file.NewRecords(store(dir), file.Options{}), context.Background()
	may := allowed(said)
	for key, versions := range may {
		rec, err := r.Read(ctx, key, "")
		if err != nil {
			return err
		}
		if err := wantVersion(key, versions, rec.Value, rec.Exists()); err != nil {
			return err
		}
		if _, err := r.Write(ctx, key, body(key, "9"), rec.Token); err != nil {
			return fmt.Errorf("first write after it: %w", err)
		}
	}
	n := 0
	for e, err := range r.List(ctx, "", "") {
		if n++; err != nil || may[e.Key] == nil {
			return fmt.Errorf("listed: %q, %s", e.Key, fmt.Sprint(err))
		}
	}
	if n != len(may) {
		return fmt.Errorf("%d records are listed, want %d", n, len(may))
	}
	return wantNoTemps(dir)
}

// objectOptions are what else an object of a version has.
func objectOptions(version string) blob.WriteOptions {
	metadata := map[string]string{"version": version}
	return blob.WriteOptions{ModTime: time.Unix(1e9+int64(version[0]), 5e6), Metadata: metadata}
}

func runObjects(dir string, seed uint64) {
	s, ctx := file.NewStore(store(dir), file.Options{}), context.Background()
	steps := []string{"x/one 1", "x/two 1", "x/one 2", "x/y/three 1", "x/two -", "x/y/three -", "x/two 2", "x/one 3"}
	var missing sync.Map // keys that are
	follow(steps, seed, func(key, version string) {
		step(key, version, func() error {
			if version == "-" {
				missing.Store(key, true)
				return s.Delete(ctx, []string{key})
			}
			opts := objectOptions(version)
			_, deleted := missing.LoadAndDelete(key)
			opts.IfAbsent = version == "1" && key != "x/one" || deleted
			content := body(key, version)
			halves := io.MultiReader(bytes.NewReader(content[:600]), bytes.NewReader(content[600:]))
			_, err := s.Write(ctx, key, halves, opts)
			if errors.Is(err, fs.ErrExist) && bytes.Equal(readObject(s, key), content) {
				return nil // that it is there is promised as well
			}
			return err
		})
	})
}

func readObject(s *file.Store, key string) []byte {
	rc, err := s.Open(context.Background(), key, 0, 0)
	if err != nil {
		return nil
	}
	defer rc.Close()
	b, _ := io.ReadAll(rc)
	return b
}

func judgeObjects(dir string, said []string) error {
	s, ctx := file.NewStore(store(dir), file.Options{}), context.Background()
	there := map[string]bool{}
	for info, err := range s.List(ctx, "", blob.ListOptions{}) {
		if err != nil {
			return err
		}
		there[info.Key] = true
	}
	may := allowed(said)
	for key := range there {
		if may[key] == nil {
			return fmt.Errorf("%s is listed", key)
		}
	}
	for key, versions := range may {
		got := readObject(s, key)
		if err := wantVersion(key, versions, got, there[key]); err != nil {
			return err
		}
		if there[key] {
			_, version, _ := strings.Cut(strings.TrimSpace(string(got[:bytes.IndexByte(got, '\n')])), " ")
			info, err := s.Stat(ctx, key)
			want := objectOptions(version)
			if err != nil || !info.ModTime.Equal(want.ModTime) || !maps.Equal(info.Metadata, want.Metadata) {
				return fmt.Errorf("%s, version %s, has the time %v and metadata %v (%s)",
					key, version, info.ModTime, info.Metadata, fmt.Sprint(err))
			}
		}
		if _, err := s.Write(ctx, key, strings.NewReader("9"), blob.WriteOptions{}); err != nil {
			return fmt.Errorf("first write after it: %w", err)
		}
	}
	return wantNoTemps(dir)
}

// leaseTTL is short: the judge waits for a lease to end.
const leaseTTL = time.Second

func leaser(dir, owner string) *file.Leaser {
	l := file.NewLeaser(store(dir))
	l.TTL, l.MaxTTL, l.Owner = leaseTTL, leaseTTL, owner
	return l
}

// runLease says with each lease its generation, when it ends, and its state.
func runLease(dir string, _ uint64) {
	ctx, a, b := context.Background(), leaser(dir, "a"), leaser(dir, "b")
	var held *replicate.Lease
	for _, s := range []struct {
		l  *file.Leaser
		do string
	}{{a, "acquire"}, {a, "renew"}, {a, "release"}, {b, "acquire"}, {b, "renew"}, {b, "release"}, {a, "acquire"}} {
		var err error
		switch {
		case s.do == "acquire":
			held, err = acquire(ctx, s.l)
		case held == nil:
			continue
		case s.do == "renew":
			var renewed *replicate.Lease
			if renewed, err = s.l.RenewLease(ctx, held); err == nil {
				held = renewed
			}
		default:
			if err = s.l.ReleaseLease(ctx, held); err == nil {
				fmt.Printf("done %d 0\n", held.Generation)
			}
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		fmt.Printf("done %d %d\n", held.Generation, held.ExpiresAt.UnixNano())
	}
}

func acquire(ctx context.Context, l *file.Leaser) (*replicate.Lease, error) {
	for {
		held, err := l.AcquireLease(ctx)
		var exists *replicate.LeaseExistsError
		if !errors.As(err, &exists) {
			return held, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// judgeLease: the record has the last lease that was acknowledged, or a later one.
func judgeLease(dir string, said []string) error {
	var generation, ends int64
	for _, message := range said {
		if _, err := fmt.Sscanf(message, "done %d %d", &generation, &ends); err != nil {
			return fmt.Errorf("message %q: %w", message, err)
		}
	}
	l, ctx := leaser(dir, "c"), context.Background()
	got, state, err := l.ReadLease(ctx)
	switch {
	case err != nil:
		return err
	case got == nil && generation > 0:
		return fmt.Errorf("no lease is left of generation %d", generation)
	case got == nil:
	case got.Generation < generation,
		got.Generation == generation && state != lease.Released && got.ExpiresAt.UnixNano() < ends:
		return fmt.Errorf("generation %d until %v, %s; acknowledged: %d until %v",
			got.Generation, got.ExpiresAt, state, generation, time.Unix(0, ends))
	case got.Generation == generation && ends == 0 && state != lease.Released:
		return fmt.Errorf("generation %d, which was released, is %s", generation, state)
	}
	next, err := acquire(ctx, l)
	if err != nil || next.Generation <= generation || got != nil && next.Generation <= got.Generation {
		return fmt.Errorf("the next lease is %+v (%s), after generation %d", next, fmt.Sprint(err), generation)
	}
	return wantNoTemps(dir)
}
