package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// image is the database of a v0.3 backup, restored to a file.
type image struct{ file *scratch.File }

func openImage(
	ctx context.Context, files *replica.Files, plan *restore.Plan, opts Options,
) (s source, pageSize uint32, size int64, err error) {
	f, err := scratch.New(opts.TempDir)
	if err != nil {
		return nil, 0, 0, err
	}
	var cached *cachedObject
	if t, ok := files.Store.(*tap); ok {
		cached = t.image(plan.Objects)
	}
	if pageSize, size, ok := cached.loadImage(f); ok {
		return &image{f}, pageSize, size, nil
	}
	result, err := files.Backup().Restore(ctx, plan.Backup, f, v3compat.RestoreOptions{
		Concurrency: opts.Concurrency, Progress: replica.SumProgress(opts.Progress, plan.Bytes)})
	if err != nil {
		f.Drop()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, 0, 0, err
	}
	pageSize, size = uint32(result.PageSize), int64(result.PageSize)*int64(result.Pages)
	cached.saveImage(f, pageSize, size)
	return &image{f}, pageSize, size, nil
}

func (m *image) readAt(ctx context.Context, p []byte, off int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := m.file.ReadAt(p, off)
	switch {
	case errors.Is(err, os.ErrClosed):
		return ErrClosed
	case err == io.EOF: //nolint:errorlint // as os returned it
		return fmt.Errorf("the restored database was cut: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func (m *image) hits() int64 { return 0 }

func (m *image) close() error {
	m.file.Drop()
	return nil
}
