package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// sampledFlips is how many flips of each kind are tried. With REPLICATE_FLIPS=all in the
// environment every bit of every header is, which takes some ten minutes.
const sampledFlips = 120

// answer is what a restore as of a moment gave.
type answer struct {
	txid    ltx.TXID
	content string
	err     error
}

// timedReplica is a replica in memory of which one object is replaced at a time. The
// times that the store keeps are those of the sound headers, or there are none.
type timedReplica struct {
	t     *testing.T
	store *blob.Memory
	sound map[string][]byte
	kept  bool
}

func newTimedReplica(t *testing.T, sound map[string][]byte, kept bool) *timedReplica {
	r := &timedReplica{t: t, store: blob.NewMemory(), sound: sound, kept: kept}
	for key, b := range sound {
		r.put(key, b)
	}
	return r
}

func (r *timedReplica) put(key string, b []byte) {
	r.t.Helper()
	opts := blob.WriteOptions{Metadata: map[string]string{}}
	if h, err := ltx.ParseHeader(r.sound[key]); err == nil && r.kept {
		opts.Metadata[replica.MetadataTimestamp] = ltx.Time(h).Format(time.RFC3339Nano)
	}
	if _, err := r.store.Write(r.t.Context(), key, bytes.NewReader(b), opts); err != nil {
		r.t.Fatal(err)
	}
}

func (r *timedReplica) ask(target restore.Target) (a answer) {
	c := replica.NewClient("memory", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return r.store, nil })
	var state replica.Point
	state, a.content, a.err = attempt(r.t, c, target)
	a.txid = state.TXID
	return a
}

// fileMoments are the times of transactions, and those just before and after them.
func fileMoments(sound map[string][]byte) (times []time.Time) {
	for _, b := range sound {
		h, err := ltx.ParseHeader(b)
		if err != nil {
			continue
		}
		for _, d := range []time.Duration{-time.Millisecond, 0, 700 * time.Millisecond} {
			times = append(times, ltx.Time(h).Add(d))
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.Compact(times)
}

// TestRestoreFlippedHeaders: whichever bit of a header is wrong, a restore as of a moment
// gives what the sound replica gives, or says that something is damaged.
func TestRestoreFlippedHeaders(t *testing.T) {
	sound := objectsOf(t, "v0.5")
	times, keys := fileMoments(sound), slices.Sorted(maps.Keys(sound))
	for _, kept := range []bool{true, false} {
		r := newTimedReplica(t, sound, kept)
		answers := map[time.Time]answer{}
		for _, at := range times {
			answers[at] = r.ask(restore.Target{Timestamp: at})
		}
		rng := rand.New(rand.NewPCG(13, 1))
		flip := func(key string, bit int, asked []time.Time) {
			b := bytes.Clone(sound[key])
			b[bit/8] ^= 1 << (bit % 8)
			r.put(key, b)
			defer r.put(key, sound[key])
			for _, at := range asked {
				if wrong := r.ask(restore.Target{Timestamp: at}).wrong(answers[at]); wrong != "" {
					t.Errorf("bit %d of %s is flipped, times kept %v, at %v: %s", bit, key, kept, at, wrong)
				}
			}
		}
		sample := func() []time.Time { return []time.Time{times[rng.IntN(len(times))], times[rng.IntN(len(times))]} }
		if os.Getenv("REPLICATE_FLIPS") == "all" {
			for _, key := range keys {
				for bit := range 8 * ltx.HeaderSize {
					flip(key, bit, append(sample(), around(sound[key], times)...))
				}
			}
			continue
		}
		for range sampledFlips {
			key := keys[rng.IntN(len(keys))]
			flip(key, rng.IntN(8*ltx.HeaderSize), append(sample(), around(sound[key], times)...))
			flip(key, 32*8+rng.IntN(64), around(sound[key], times)) // in the time
			flip(key, rng.IntN(8*len(sound[key])), around(sound[key], times))
		}
	}
}

// around are moments right before and after a file's time.
func around(file []byte, times []time.Time) []time.Time {
	h, err := ltx.ParseHeader(file)
	if err != nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(times, ltx.Time(h), time.Time.Compare)
	return []time.Time{times[max(0, i-1)], times[i], times[min(i+1, len(times)-1)]}
}

// wrong says in what way an answer is neither the sound replica's nor one that says that
// something is damaged.
func (a answer) wrong(sound answer) string {
	switch {
	case a.err == nil && sound.err == nil && a.txid == sound.txid && a.content == sound.content:
		return ""
	case a.err == nil:
		return fmt.Sprintf("got transaction %d, want %d or an error", a.txid, sound.txid)
	case sound.err != nil && errors.Is(a.err, restore.ErrNoSuchState) && errors.Is(sound.err, restore.ErrNoSuchState):
		return ""
	case errors.Is(a.err, replica.ErrDamaged) || errors.Is(a.err, ltx.ErrCorrupt) || errors.Is(a.err, ltx.ErrTruncated):
		return ""
	}
	return fmt.Sprintf("got %v", a.err)
}

// TestRestoreWrongName: a file that is another's copy has that one's time.
func TestRestoreWrongName(t *testing.T) {
	sound := objectsOf(t, "v0.5")
	for _, kept := range []bool{true, false} {
		r := newTimedReplica(t, sound, kept)
		for at := ltx.TXID(0x29); at <= 0x4d; at++ {
			h, err := ltx.ParseHeader(sound[ltx.LayoutFile.Key(0, at, at)])
			if err != nil {
				t.Fatal(err)
			}
			target := restore.Target{Timestamp: ltx.Time(h)}
			want := r.ask(target)
			for _, other := range []ltx.TXID{0x28, at - 1, 0x4d} {
				key := ltx.LayoutFile.Key(0, at, at)
				r.put(key, sound[ltx.LayoutFile.Key(0, other, other)])
				if wrong := r.ask(target).wrong(want); wrong != "" {
					t.Errorf("%s is a copy of transaction %d: %s", key, other, wrong)
				}
				r.put(key, sound[key])
			}
		}
	}
}

// TestRestoreDamagedPage: damage is not blamed on compaction, with --timestamp and with
// --txid, and no earlier state comes out without a word.
func TestRestoreDamagedPage(t *testing.T) {
	sound := objectsOf(t, "v0.5")
	key := ltx.LayoutFile.Key(0, 0x2a, 0x2a) // levels 1 and 2 go past it
	h, err := ltx.ParseHeader(sound[ltx.LayoutFile.Key(0, 0x2c, 0x2c)])
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{true, false} {
		r := newTimedReplica(t, sound, kept)
		b := bytes.Clone(sound[key])
		b[len(b)/2] ^= 1
		r.put(key, b)
		for _, target := range []restore.Target{{Timestamp: ltx.Time(h)}, {TXID: 0x2c}, {TXID: 0x2a}} {
			a := r.ask(target)
			if !errors.Is(a.err, replica.ErrDamaged) || errors.Is(a.err, restore.ErrNoSuchState) {
				t.Errorf("%+v: got transaction %d, %v; want ErrDamaged alone", target, a.txid, a.err)
			} else if !strings.Contains(a.err.Error(), ltx.FormatName(0x2a, 0x2a)) {
				t.Errorf("%+v: %v does not name the file", target, a.err)
			}
		}
	}
}

// TestChooseFormatFlipped: where both formats are in one place, a flipped time does not
// make the older one win.
func TestChooseFormatFlipped(t *testing.T) {
	sound := objectsOf(t, "v0.5")
	key := ltx.LayoutFile.Key(0, 0x4d, 0x4d)
	last, err := ltx.ParseHeader(sound[key])
	if err != nil {
		t.Fatal(err)
	}
	r := newTimedReplica(t, sound, true)
	older := blob.WriteOptions{ModTime: ltx.Time(last).Add(-time.Hour)}
	v3 := objectsOf(t, "v0.3")
	generation := testreplica.Expected(t, "v0.3").Generations[1].Generation
	for name, b := range v3 {
		if strings.Contains(name, generation) && !strings.HasSuffix(name, "times.json") {
			if _, err := r.store.Write(t.Context(), name, bytes.NewReader(b), older); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := r.ask(restore.Target{})
	if want.err != nil || want.txid != 0x4d {
		t.Fatalf("sound: %+v", want)
	}
	for bit := range 64 {
		b := bytes.Clone(sound[key])
		b[32+bit/8] ^= 1 << (bit % 8)
		r.put(key, b)
		if wrong := r.ask(restore.Target{}).wrong(want); wrong != "" {
			t.Errorf("bit %d of the time: %s", bit, wrong)
		}
	}
}
