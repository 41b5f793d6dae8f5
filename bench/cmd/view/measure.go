package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

const (
	lookupSQL = "SELECT name FROM users WHERE id = %d"
	scanSQL   = "SELECT sum(length(note)) FROM users"
)

// line prints a figure, and what is wanted of it.
func (b *bench) line(what, wanted, format string, args ...any) {
	fmt.Fprintf(b.out, "| %s | %s | %s |\n", what, wanted, fmt.Sprintf(format, args...))
}

// opened is a view behind the proxy, with a handle.
type opened struct {
	view *view.View
	db   *sql.DB
}

func (b *bench) open(ctx context.Context, opts view.Options) (*opened, error) {
	v, err := view.Open(ctx, b.client(b.proxy.URL), restore.Target{}, opts)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.OpenView(v)
	if err != nil {
		v.Close()
		return nil, err
	}
	return &opened{v, db}, nil
}

func (o *opened) close() {
	o.db.Close()
	o.view.Close()
}

func (o *opened) ask(ctx context.Context, query string) (string, time.Duration, error) {
	began := time.Now()
	var answer string
	err := o.db.QueryRowContext(ctx, query).Scan(&answer)
	return answer, time.Since(began), err
}

// counts measures requests and bytes of opening, of lookups and of a scan.
func (b *bench) counts(ctx context.Context) error {
	pages, frames, decode, err := b.made.tablePages(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "The table has %d pages (%.0f MiB) in frames of %.1f MiB, which one processor decodes in %v.\n\n",
		pages, float64(pages)*pageSize/(1<<20), mib(frames), decode.Round(time.Millisecond))
	fmt.Fprintln(b.out, "| what | wanted | measured |\n|---|---|---|")
	var opening, most cost
	for i := range 20 {
		b.proxy.Slow(10*b.delay, 0) // so that what begins together overlaps, however slow the processors are
		o, err := b.open(ctx, view.Options{})
		if err != nil {
			return err
		}
		opening = larger(opening, b.take())
		_, _, err = o.ask(ctx, fmt.Sprintf(lookupSQL, 1+(i*7919)%19*(b.made.rows/20)))
		most = larger(most, b.take())
		o.close()
		b.take()
		if err != nil {
			return err
		}
	}
	b.line("open, at most of 20: listings", "4: 1 and one for each level", "%d, and %d GETs of %d KiB",
		opening.lists, opening.reads, opening.bytes>>10)
	b.line("open: round trips in depth", "4", "%d", opening.depth)
	b.line("lookup by rowid, at most of 20: GETs", "4", "%d", most.reads)
	b.line("lookup by rowid: bytes", "64 KiB", "%.1f KiB", float64(most.bytes)/1024)
	return b.scanCounts(ctx, pages, frames)
}

func larger(a, b cost) cost {
	return cost{max(a.lists, b.lists), max(a.reads, b.reads), max(a.bytes, b.bytes), max(a.depth, b.depth)}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func (b *bench) scanCounts(ctx context.Context, pages, frames int64) error {
	b.proxy.Slow(0, 0)
	o, err := b.open(ctx, view.Options{})
	if err != nil {
		return err
	}
	defer o.close()
	b.take()
	_, took, err := o.ask(ctx, scanSQL)
	if err != nil {
		return err
	}
	scan := b.take()
	b.line("scan: GETs", fmt.Sprintf("%d: one for each MiB of pages", pages*pageSize>>20), "%d", scan.reads)
	b.line("scan: bytes", "1.3 of the frames", "%.2f (%.1f MiB) in %v", float64(scan.bytes)/float64(frames),
		mib(scan.bytes), took.Round(time.Millisecond))
	return nil
}

// cached measures a second view of the same cache directory.
func (b *bench) cached(ctx context.Context) error {
	cache, err := view.OpenCache(filepath.Join(b.dir, "cache"), 2<<30)
	if err != nil {
		return err
	}
	var c cost
	for range 2 {
		o, err := b.open(ctx, view.Options{Cache: cache, Replica: b.url()})
		if err != nil {
			return err
		}
		_, _, err = o.ask(ctx, scanSQL)
		o.close()
		if err != nil {
			return err
		}
		c = b.take()
	}
	b.line("second scan with a cache", "no GET", "%d GETs, %d listings", c.reads, c.lists)
	return os.RemoveAll(filepath.Join(b.dir, "cache"))
}

// scan measures how fast a table is scanned when requests are slow and each connection is.
func (b *bench) scan(ctx context.Context) error {
	_, frames, decode, err := b.made.tablePages(ctx)
	if err != nil {
		return err
	}
	local, err := b.localScan(ctx)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 2, 4, 8} {
		b.proxy.Slow(b.delay, b.rate)
		o, err := b.open(ctx, view.Options{Concurrency: n})
		if err != nil {
			return err
		}
		_, took, err := o.ask(ctx, scanSQL)
		o.close()
		b.take()
		if err != nil {
			return err
		}
		wires := time.Duration(float64(frames) / float64(b.rate*int64(n)) * float64(time.Second))
		b.line(fmt.Sprintf("scan, %v a request, %.0f MiB/s a connection, %d connections", b.delay, mib(b.rate), n),
			"0.7 of the slower of wires and one core", "%.2f: %v; wires %v, decoding %v; the same SQL on the file %v",
			max(wires, decode).Seconds()/took.Seconds(), took.Round(time.Millisecond), wires.Round(time.Millisecond),
			decode.Round(time.Millisecond), local.Round(time.Millisecond))
	}
	return nil
}

// localScan is how long the same SQL takes on the database file.
func (b *bench) localScan(ctx context.Context) (time.Duration, error) {
	db, err := sql.Open("sqlite", b.made.path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	_, took, err := (&opened{db: db}).ask(ctx, scanSQL)
	return took, err
}
