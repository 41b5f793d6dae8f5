package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/fleet"
	"github.com/replctl/replicate/s3"
)

// opened is the replica that a command works on.
type opened struct {
	engines.Client
	url string // as given, without secrets
	dir string // of a file replica
}

func (a *app) parsePlace(rawURL string) (engines.Place, error) {
	p, err := engines.Parse(rawURL)
	switch {
	case errors.Is(err, engines.ErrScheme):
		hint := "a path, file:///path, or s3://bucket/path; for records also postgres://, sqlite:/// and raft://"
		return p, usageError(hint, "%w", err)
	case err != nil:
		return p, usageError("replctl --help, which says what a URL is", "%w", err)
	}
	for name, value := range a.storeFlags() {
		if p.Scheme == file.ReplicaClientType {
			return p, usageError("leave it out", "--%s is for s3 urls, and this is a directory", name)
		} else if p.Scheme != s3.ReplicaClientType {
			return p, usageError("leave it out", "--%s is for s3 urls, and this is a database", name)
		}
		if p.Query == nil {
			p.Query = url.Values{}
		}
		p.Query.Set(name, value)
	}
	if db := fleet.WorkingDirOf(filepath.ToSlash(p.Path)); p.Scheme == file.ReplicaClientType && db != "" {
		dir := strings.TrimRight(p.Path, "/")
		return p, usageError(tryConfig, "%s is the working directory of Litestream for %s, and no replica", dir, db)
	}
	return p, nil
}

const tryConfig = "the path or url that the replica has in litestream.yml"

// openReplica returns the replica that an argument means, which is not contacted yet.
func (a *app) openReplica(arg string) (*opened, error) {
	r, err := a.configured(arg)
	if err != nil {
		return nil, err
	}
	return a.openConfigured(r)
}

func (a *app) openConfigured(from lsconfig.Replica) (*opened, error) {
	p, err := a.parsePlace(from.URL)
	if err != nil {
		return nil, err
	}
	c, err := p.Replica(engines.Options{Logger: a.logger(), OnWait: a.sayWait, CreateOnly: true})
	if err != nil {
		return nil, usageError("replctl inspect --help", "%w", err)
	}
	if err := authorize(c, from.Credentials); err != nil {
		return nil, err
	}
	a.tuned(c)
	r := &opened{Client: c, url: from.URL}
	switch c := c.(type) {
	case *file.ReplicaClient:
		r.dir = c.Path()
		if fi, err := os.Stat(r.dir); err == nil && !fi.IsDir() {
			return nil, &cliError{exitFailure, fmt.Errorf("%s is a file, and a replica is a directory", r.dir),
				"the directory that the replicator writes to"}
		}
	case fmt.Stringer:
		r.url = c.String() // without secrets
	}
	return r, nil
}

// nothing is the error for a place without a replica. It says what is there instead, and
// where a replica may be.
func (r *opened) nothing(ctx context.Context) error {
	var names []string
	store, _, err := r.Open(ctx)
	if err != nil {
		return err
	}
	for info, err := range store.List(ctx, "", blob.ListOptions{Delimited: true}) {
		if err != nil {
			return err
		}
		if names = append(names, info.Key); len(names) > 100 {
			break
		}
	}
	err = fmt.Errorf("no replica at %s: %s", r.url, r.describe(names))
	return &cliError{exitNothing, err, r.suggest(ctx, store, names)}
}

func (r *opened) describe(names []string) string {
	if r.dir != "" {
		if _, err := os.Stat(r.dir); errors.Is(err, fs.ErrNotExist) {
			return "there is no such directory"
		}
	}
	switch n := len(names); {
	case n == 0:
		return "nothing is there"
	case n > 5:
		return fmt.Sprintf("neither LTX files nor generations there, but %s and more", strings.Join(names[:5], ", "))
	}
	return fmt.Sprintf("neither LTX files nor generations there, but %s", strings.Join(names, ", "))
}

// suggest says where a replica may be: above, if the path leads into one, or one
// level down.
func (r *opened) suggest(ctx context.Context, store blob.Reader, names []string) string {
	if r.dir != "" {
		if _, err := os.Stat(r.dir); errors.Is(err, fs.ErrNotExist) {
			return "ls " + shellQuote(nearest(r.dir))
		}
		if root := rootAbove(r.dir); root != "" {
			return "replctl inspect " + shellQuote(root)
		}
	}
	const most = 20
	for _, name := range names[:min(len(names), most)] {
		if !strings.HasSuffix(name, "/") || fleet.WorkingDirOf(name) != "" {
			continue
		}
		for info, err := range store.List(ctx, name, blob.ListOptions{Delimited: true}) {
			if err == nil && replica.IsFormatRoot(strings.TrimPrefix(info.Key, name)) {
				return "replctl inspect " + shellQuote(joinURL(r.url, strings.TrimSuffix(name, "/")))
			}
		}
	}
	return tryConfig
}

// rootAbove is the replica's root in a path such as root/ltx/0.
func rootAbove(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for range 3 { // generations/<id>/wal
		if replica.IsFormatRoot(filepath.Base(dir) + "/") {
			return filepath.Dir(dir)
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// nearest is the longest part of a path that exists.
func nearest(path string) string {
	for {
		path = filepath.Dir(path)
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
	}
}

func joinURL(base, name string) string {
	scheme, rest, ok := strings.Cut(base, "://")
	if !ok {
		return filepath.Join(base, name)
	}
	place, query, hasQuery := strings.Cut(rest, "?")
	joined := scheme + "://" + path.Join(place, url.PathEscape(name))
	if hasQuery {
		joined += "?" + query
	}
	return joined
}

// shellQuote makes what is suggested fit for pasting.
func shellQuote(s string) string {
	odd := func(r rune) bool {
		return !strings.ContainsRune("/._-+:=@%,", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isReplica reports whether anything of either format is at the root.
func (r *opened) isReplica(ctx context.Context) (bool, error) {
	store, _, err := r.Open(ctx)
	if err != nil {
		return false, err
	}
	for info, err := range store.List(ctx, "", blob.ListOptions{Delimited: true}) {
		if err != nil {
			return false, err
		}
		if replica.IsFormatRoot(info.Key) {
			return true, nil
		}
		if !info.IsPrefix() && replica.IsFormatRoot(info.Key+"/") {
			if err := blob.CheckBelow(ctx, store, info.Key); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// orNothing turns an empty result into exit code 3 where there is no replica at
// all; an empty result of a replica is a result.
func (r *opened) orNothing(ctx context.Context, n int) error {
	if n > 0 {
		return nil
	}
	if ok, err := r.isReplica(ctx); ok || err != nil {
		return err
	}
	return r.nothing(ctx)
}
