//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/store/records"
)

// The operations that read a replica's pages.
var onViews = []operation{
	{name: "restore.Follow", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		var seen string
		_, err := restore.Follow(e.ctx, c, restore.Target{TXID: 0x46}, restore.Options{},
			func(files *replica.Files, p *restore.Plan) (err error) {
				seen, err = followed(e.ctx, files, p)
				return err
			})
		return seen, err
	})},
	{name: "view.Open", replica: true, run: viewed(restore.Target{TXID: 0x46}, false)},
	{name: "view.Open v0.3", replica: true, prepare: onlyV3, run: viewed(restore.Target{}, false)},
	{name: "view.OpenCache", replica: true, run: viewed(restore.Target{TXID: 0x46}, true)},
	{name: "diff.Compare", replica: true, run: compared},
	{name: "diff.Against", replica: true, run: withClient(comparedLive)},
	{name: "history.Log", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		entries, history, err := history.Log(e.ctx, c, history.LogOptions{Limit: 5})
		return fmt.Sprint(entries), historyError(history, err)
	})},
	{name: "history.RowHistory", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		versions, history, err := history.RowHistory(e.ctx, c, []any{int64(165)}, history.LogOptions{Table: "note"})
		return fmt.Sprint(versions), historyError(history, err)
	})},
	{name: "history.Bisect", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		b, err := history.Bisect(e.ctx, c, "SELECT count(*) > 100 FROM note", history.BisectOptions{})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(b.Boundaries), nil
	})},
}

// compared counts the rows that differ between two moments.
func compared(e *env) (seen string, _ error) {
	var views []*view.View
	for _, txid := range []ltx.TXID{0x40, 0x46} {
		_, err := withClient(func(e *env, c engines.Client) (string, error) {
			v, err := view.Open(e.ctx, c, restore.Target{TXID: txid}, view.Options{})
			views = append(views, v)
			return "", err
		})(e)
		if err != nil {
			return "", err
		}
		defer views[len(views)-1].Close()
	}
	d, err := diff.Compare(e.ctx, views[0], views[1], diff.Options{})
	if err != nil {
		return "", err
	}
	defer d.Close()
	for _, t := range d.Tables {
		counts, err := d.Count(e.ctx, t)
		if err != nil {
			return "", err
		}
		seen += fmt.Sprint(t.Name, counts, "\n")
	}
	return seen, nil
}

// zeros is a database of pages without content.
type zeros struct{ size, pages uint32 }

func (z zeros) PageSize() uint32                    { return z.size }
func (z zeros) Pages() uint32                       { return z.pages }
func (z zeros) ReadPage(_ uint32, buf []byte) error { clear(buf); return nil }

// comparedLive compares a view with a database that has nothing in common with it.
func comparedLive(e *env, c engines.Client) (string, error) {
	v, err := view.Open(e.ctx, c, restore.Target{}, view.Options{})
	if err != nil {
		return "", err
	}
	defer v.Close()
	d, err := diff.Against(e.ctx, v, zeros{v.PageSize(), uint32(v.Size() / int64(v.PageSize()))}, nil)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(*d), nil
}

// historyError is an error for a history with problems.
func historyError(h *history.History, err error) error {
	if err == nil && len(h.Problems) > 0 {
		return fmt.Errorf("%s: %s", h.Problems[0].Object, h.Problems[0].Message)
	}
	return err
}

// followed makes the database of a plan.
func followed(ctx context.Context, files *replica.Files, p *restore.Plan) (string, error) {
	var db memory
	err := p.Write(ctx, files, &db, restore.Options{})
	return digest(db.content), err
}

// memory is a database that is no file.
type memory struct {
	mu      sync.Mutex
	content []byte
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if more := int(off) + len(p) - len(m.content); more > 0 {
		m.content = append(m.content, make([]byte, more)...)
	}
	return copy(m.content[off:], p), nil
}

func (m *memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.content = append(m.content, make([]byte, max(0, int(size)-len(m.content)))...)[:size]
	return nil
}

// viewed opens a view, and reads all of its pages.
func viewed(target restore.Target, cached bool) runFunc {
	return withClient(func(e *env, c engines.Client) (string, error) {
		var opts view.Options
		if cached {
			cache, err := view.OpenCache(filepath.Join(filepath.Dir(e.out), "cache"), 1<<20)
			if err != nil {
				return "", err
			}
			opts = view.Options{Cache: cache, Replica: e.url}
		}
		v, err := view.Open(e.ctx, c, target, opts)
		if err != nil {
			return "", err
		}
		db := make([]byte, v.Size())
		if _, err = v.ReadAtContext(e.ctx, db, 0); errors.Is(err, io.EOF) {
			err = nil
		}
		return digest(db), errors.Join(err, v.Close())
	})
}

// The operations that copy records. The other store is a directory, where nothing fails.
var onCopies = []operation{
	{name: "records.List", prepare: kvPut, run: func(e *env) (string, error) {
		s, err := e.records()
		if err != nil {
			return "", err
		}
		n := 0
		for _, err := range records.List(e.ctx, s, nil) {
			if err != nil {
				return "", err
			}
			n++
		}
		return text(n, nil)
	}},
	{
		name: "records.Copy from", prepare: kvPut, steps: true,
		state: func(e *env) (string, error) { return kvState(elsewhere(e)) },
		run:   func(e *env) (string, error) { return recordsCopied(e, elsewhere(e)) },
	},
	{
		name: "records.Copy to", prepare: func(e *env) error { return kvPut(elsewhere(e)) }, steps: true, state: kvState,
		run: func(e *env) (string, error) { return recordsCopied(elsewhere(e), e) },
	},
}

func elsewhere(e *env) *env { return &env{ctx: e.ctx, url: "file://" + e.out} }

func recordsCopied(from, to *env) (string, error) {
	src, err := from.records()
	if err != nil {
		return "", err
	}
	dst, err := to.records()
	if err != nil {
		return "", err
	}
	report, err := records.Copy(to.ctx, src, dst, records.Options{Source: "source"})
	if err != nil {
		return "", err
	}
	return text(report.Records, nil)
}
