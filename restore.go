package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// Database is where a restore writes: an empty file that is open for writing.
type Database = ltx.Database

// RestoreOptions are how a restore is done; the zero value is a good one.
type RestoreOptions struct {
	// Progress, if set, is told how many of the stored bytes to read were read.
	// Calls do not overlap.
	Progress func(done, total int64)

	// Doubt, if set, is told what is strange about LTX files from which a database was
	// made without an error: that two writers have written them, or that one of them
	// had lost its lease.
	Doubt func(error)
}

// applyOptions are those of a plan's LTX files.
func (o RestoreOptions) applyOptions(total int64) ltx.ApplyOptions {
	opts := ltx.ApplyOptions{Progress: o.progress(total)}
	if o.Doubt != nil {
		opts.Doubt = func(e *ltx.FileError) { o.Doubt(e) }
	}
	return opts
}

// progress sums up.
func (o RestoreOptions) progress(total int64) func(int64) {
	if o.Progress == nil {
		return nil
	}
	var done int64
	return func(n int64) {
		done += n
		o.Progress(done, total)
	}
}

// Restore writes the database that the plan says. It verifies everything that the
// format lets it verify; with an error, what was written is of no use. Nothing is
// synced: that is for the caller, or for [StoreClient.RestoreFile].
//
// An object that is gone by now is fs.ErrNotExist: the replica was compacted or
// pruned, and a new plan is needed.
func (c *StoreClient) Restore(ctx context.Context, plan *Plan, db Database, opts RestoreOptions) error {
	if plan.Format == FormatV3 {
		r, err := c.backupV3(ctx)
		if err != nil {
			return err
		}
		_, err = r.Restore(ctx, plan.v3, db, v3compat.RestoreOptions{Progress: opts.progress(plan.Bytes)})
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("restore: %w", context.Cause(ctx))
		}
		return err
	}
	from := &writers{c: c, of: map[*ltx.FileInfo]int64{}}
	_, err := ltx.Apply(ctx, plan.files, from.open, db, opts.applyOptions(plan.Bytes))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	from.tell(plan.files, opts.Doubt)
	return nil
}

func (c *StoreClient) openFile(ctx context.Context, f *ltx.FileInfo, offset, length int64) (io.ReadCloser, error) {
	return c.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, offset, length)
}

// ErrPartial: [StoreClient.RestoreTo] failed when w had a part of the database.
var ErrPartial = errors.New("only a part of the database was written")

// RestoreTo writes the database to w, page after page. Up to ltx.MaxStreamFiles LTX
// files are read side by side, and nothing is held on disk; then the last checksums
// are verified when all is written, and what w has is complete only if there is no
// error. One that is ErrPartial says that w has something. With more files, or from a
// v0.3 backup, the database is first made in a temporary file, and nothing is written
// unless it is complete.
func (c *StoreClient) RestoreTo(ctx context.Context, plan *Plan, w io.Writer, opts RestoreOptions) error {
	if plan.Format == FormatLTX && len(plan.files) <= ltx.MaxStreamFiles {
		out := &beganWriter{w: w}
		from := &writers{c: c, of: map[*ltx.FileInfo]int64{}}
		_, err := ltx.Stream(ctx, plan.files, from.open, out, opts.applyOptions(plan.Bytes))
		switch {
		case err != nil && out.began:
			return fmt.Errorf("restore: %w: %w", ErrPartial, err)
		case err != nil:
			return fmt.Errorf("restore: %w", err)
		}
		from.tell(plan.files, opts.Doubt)
		return nil
	}
	f, err := newScratchFile("")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer f.drop()
	if err := c.Restore(ctx, plan, f, opts); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if _, err := io.Copy(w, contextReader{ctx, f}); err != nil {
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

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context //nolint:containedctx // it is for the time of one copy
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
