package history

import (
	"context"
	"fmt"
	"slices"

	"github.com/replctl/replicate/replica/diff"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// rowCounter compares each moment of a log with the one before.
type rowCounter struct {
	replay *replay
	opts   diff.Options
	view   *view.View // of the moment that was compared last
	point  replica.Point
}

// countRows counts the rows of entries, the oldest first. It opens a view of each moment.
func (r *replay) countRows(ctx context.Context, entries []Entry, table string) error {
	c := &rowCounter{replay: r, opts: diff.Options{TempDir: r.opts.TempDir}}
	if table != "" {
		c.opts.Tables = []string{table}
	}
	defer func() { c.use(nil, replica.Point{}) }()
	for i := range entries {
		if r.progress != nil {
			r.progress(i, len(entries))
		}
		if entries[i].Before.IsZero() {
			continue
		}
		if err := c.count(ctx, &entries[i]); err != nil {
			return fmt.Errorf("count rows of %s: %w", replica.FormatTime(entries[i].Time), err)
		}
	}
	return nil
}

func (c *rowCounter) count(ctx context.Context, e *Entry) error {
	if c.view == nil || c.point != e.Before {
		from, err := c.open(ctx, e.Before)
		if err != nil {
			return err
		}
		c.use(from, e.Before)
	}
	to, err := c.open(ctx, e.Point)
	if err != nil {
		return err
	}
	err = c.compare(ctx, to, e)
	c.use(to, e.Point)
	return err
}

func (c *rowCounter) compare(ctx context.Context, to *view.View, e *Entry) error {
	d, err := diff.Compare(ctx, c.view, to, c.opts)
	if err != nil {
		return err
	}
	defer d.Close()
	for _, t := range d.Tables {
		counts, err := d.Count(ctx, t)
		if t.Refused != nil {
			continue
		} else if err != nil {
			return err
		}
		e.setRows(t.Name, counts)
	}
	return nil
}

// setRows notes how many rows of a table differ.
func (e *Entry) setRows(table string, counts diff.Counts) {
	i := slices.IndexFunc(e.Tables, func(t TablePages) bool { return t.Name == table })
	if i < 0 && counts == (diff.Counts{}) {
		return
	}
	if i < 0 { // only pages of long values were written
		i = len(e.Tables)
		e.Tables = append(e.Tables, TablePages{Name: table})
	}
	e.Tables[i].Rows = &counts
}

func (c *rowCounter) open(ctx context.Context, p replica.Point) (*view.View, error) {
	opts, err := c.replay.opts, error(nil)
	if opts.MaxBytes, err = c.replay.meter.allow(0); err != nil {
		return nil, err
	}
	target := restore.Target{TXID: p.TXID}
	if p.TXID == 0 {
		target = restore.Target{Generation: p.Pos.Generation, Timestamp: p.Time}
	}
	return view.Open(ctx, c.replay.src, target, opts)
}

// use closes the view that was used, and uses another.
func (c *rowCounter) use(v *view.View, p replica.Point) {
	if c.view != nil {
		s := c.view.Stats()
		c.replay.meter.add(s.Requests, s.Bytes)
		_ = c.view.Close()
	}
	c.view, c.point = v, p
}
