package restore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// Database is where a restore writes: an empty file that is open for writing.
type Database = ltx.Database

// Options are how a restore is done; the zero value is a good one.
type Options struct {
	// Progress, if set, is told how many of the stored bytes to read were read.
	// Calls do not overlap.
	Progress func(done, total int64)

	// Doubt, if set, is told what is strange about LTX files from which a database was
	// made without an error: that two writers have written them, or that one of them
	// had lost its lease.
	Doubt func(error)

	// Planned, if set, is told each plan before it is followed. Its error ends the
	// restore.
	Planned func(*Plan) error

	// Around, if set, is told why a plan failed that another one is made after: an
	// object is damaged or refused, or gone since the listing.
	Around func(error)
}

// applyOptions are those of a plan's LTX files.
func (o Options) applyOptions(total int64) ltx.ApplyOptions {
	opts := ltx.ApplyOptions{Progress: o.progress(total)}
	if o.Doubt != nil {
		opts.Doubt = func(e *ltx.FileError) { o.Doubt(e) }
	}
	return opts
}

func (o Options) progress(total int64) func(int64) { return replica.SumProgress(o.Progress, total) }

// Write writes the database that the plan says. It verifies everything that the
// format lets it verify; with an error, what was written is of no use. Nothing is
// synced.
//
// An object that is gone by now is fs.ErrNotExist: the replica was compacted or
// pruned, and a new plan is needed.
func (p *Plan) Write(ctx context.Context, files *replica.Files, db Database, opts Options) error {
	if p.Format == replica.FormatV3 {
		_, err := files.Backup().Restore(ctx, p.Backup, db, v3compat.RestoreOptions{Progress: opts.progress(p.Bytes)})
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("restore: %w", context.Cause(ctx))
		}
		return err
	}
	from := &writers{from: files, of: map[*ltx.FileInfo]int64{}}
	_, err := ltx.Apply(ctx, p.Files, from.open, db, opts.applyOptions(p.Bytes))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	from.tell(p.Files, opts.Doubt)
	return nil
}

// ErrPartial: [To] failed when w had a part of the database.
var ErrPartial = errors.New("only a part of the database was written")

// To restores a state to w, page after page. It plans, and plans again around damage, as
// [File] does; it returns the plan that it followed last.
//
// Up to ltx.MaxStreamFiles LTX files are read side by side, and nothing is held on disk;
// then the last checksums are verified when all is written, and what w has is complete
// only if there is no error. One that is ErrPartial says that w has something. With more
// files, or from a v0.3 backup, the database is first made in a temporary file, and
// nothing is written unless it is complete.
func To(ctx context.Context, src replica.Source, target Target, w io.Writer, opts Options) (*Plan, error) {
	return Follow(ctx, src, target, opts, func(files *replica.Files, p *Plan) error {
		return p.stream(ctx, files, w, opts)
	})
}

func (p *Plan) stream(ctx context.Context, files *replica.Files, w io.Writer, opts Options) error {
	if p.Format == replica.FormatLTX && len(p.Files) <= ltx.MaxStreamFiles {
		out := &beganWriter{w: w}
		from := &writers{from: files, of: map[*ltx.FileInfo]int64{}}
		_, err := ltx.Stream(ctx, p.Files, from.open, out, opts.applyOptions(p.Bytes))
		switch {
		case err != nil && out.began:
			return fmt.Errorf("restore: %w: %w", ErrPartial, err)
		case err != nil:
			return fmt.Errorf("restore: %w", err)
		}
		from.tell(p.Files, opts.Doubt)
		return nil
	}
	f, err := scratch.New("")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer f.Drop()
	if err := p.Write(ctx, files, f, opts); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if _, err := io.Copy(w, blob.ContextReader(ctx, f)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// beganWriter knows whether something was written.
type beganWriter struct {
	w     io.Writer
	began bool
}

func (b *beganWriter) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	b.began = b.began || n > 0
	return n, err
}
