package records

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/internal/record"
)

// The facades whose records belong together. A head without its contents, or a record
// without the floor of its versions, would be damage.
var whole = []string{"config/", "kv/", "resource/"}

// Defaults returns what is copied and listed where nothing else is said: the records of the
// facades, and the lease of the replica in the same place. Records of a program's own are
// found by their prefixes only, because a directory or a bucket may have anything else.
func Defaults() []string {
	return []string{"config/", "kv/", lease.DefaultFile, "logstate/", "resource/"}
}

// Check returns prefixes in their order and without repetitions; [Defaults] if there are
// none. A prefix ends in "/"; without that it is the key of one record, but "kv" and the names
// of the other facades are prefixes, too. It is an error
// (cas.ErrInvalidKey) if one is no key, is a part of "config/", "kv/" or "resource/", which
// are copied as a whole or not at all, or is part of a copy's own records.
func Check(prefixes []string) ([]string, error) {
	if len(prefixes) == 0 {
		return Defaults(), nil
	}
	prefixes = slices.Clone(prefixes)
	for i, p := range prefixes {
		if slices.Contains(Defaults(), p+"/") {
			prefixes[i] += "/"
		}
	}
	slices.Sort(prefixes)
	var checked []string
	for _, p := range slices.Compact(prefixes) {
		if err := cas.CheckKey(strings.TrimSuffix(p, "/")); err != nil {
			return nil, fmt.Errorf("prefix %q: %w", p, err)
		}
		for _, w := range append(whole, ownPrefix) {
			if strings.HasPrefix(p, w) && (p != w || w == ownPrefix) {
				return nil, fmt.Errorf("prefix %q: %w: %s is copied as a whole, or not at all", p, cas.ErrInvalidKey, w)
			}
		}
		if n := len(checked); n > 0 && strings.HasSuffix(checked[n-1], "/") && strings.HasPrefix(p, checked[n-1]) {
			continue
		}
		checked = append(checked, p)
	}
	return checked, nil
}

// list returns the tokens of the records that the prefixes name, by their keys.
func list(ctx context.Context, s cas.Store, prefixes []string) (map[string]cas.Token, error) {
	listed := map[string]cas.Token{}
	for e, err := range entries(ctx, s, prefixes) {
		if err != nil {
			return nil, err
		}
		listed[e.Key] = e.Token
	}
	return listed, nil
}

func entries(ctx context.Context, s cas.Store, prefixes []string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		for _, p := range prefixes {
			if !strings.HasSuffix(p, "/") {
				r, err := s.Read(ctx, p, "")
				if (r.Exists() || err != nil) && !yield(cas.Entry{Key: p, Token: r.Token}, err) || err != nil {
					return
				}
				continue
			}
			for e, err := range s.List(ctx, p, "") {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// Info is a record as [List] shows it.
type Info struct {
	Key    string
	Bytes  int
	Format string // "kv/1" and the like, by the record's first line; "lease"; or empty
}

// List yields the records that the prefixes name (see [Check]), with a read for each. An
// error ends it and is its last value. Records that are removed meanwhile are left out.
func List(ctx context.Context, s cas.Store, prefixes []string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		prefixes, err := Check(prefixes)
		if err == nil && s == nil {
			err = record.ErrNoStore
		}
		if err != nil {
			yield(Info{}, fmt.Errorf("list records: %w", err))
			return
		}
		for e, err := range entries(ctx, s, prefixes) {
			var r cas.Record
			if err == nil {
				r, err = s.Read(ctx, e.Key, "")
			}
			if err != nil {
				yield(Info{}, fmt.Errorf("list records: %w", err))
				return
			}
			if r.Exists() && !yield(Info{e.Key, len(r.Value), formatOf(e.Key, r.Value)}, nil) {
				return
			}
		}
	}
}

// formatOf says what a record is, as it says itself. It is not verified.
func formatOf(key string, value []byte) string {
	line, _, _ := strings.Cut(string(value[:min(len(value), record.MaxSeal)]), "\n")
	var seal struct {
		Format string `json:"format"`
	}
	if json.Unmarshal([]byte(line), &seal) == nil && seal.Format != "" {
		return seal.Format
	}
	if isLease(key) {
		return "lease"
	}
	return ""
}

// isLease reports whether a key is that of a lease: of a replica, of kv, or of a lock.
func isLease(key string) bool {
	return path.Base(key) == lease.DefaultFile ||
		strings.HasPrefix(key, "kv/lease/") || strings.HasPrefix(key, "config/locks/")
}

// maxTTL is above that of any lease.
const maxTTL = 1000 * time.Hour

// isHeld reports whether a record is a lease that somebody holds.
func isHeld(key string, value []byte, now time.Time) bool {
	if !isLease(key) {
		return false
	}
	_, state, _ := lease.Parse(value, now, maxTTL)
	return state == lease.Held
}
