package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// Source is a replica that can be opened. It is all that an operation on a replica asks
// of a client: [Client] and [FencedClient] have it, every client that embeds one of
// them, and whatever else keeps a replica's objects in a blob.Store.
type Source interface {
	// Open returns the store whose root is the replica's, and the layout of the LTX
	// files in it. It may be called any number of times, also concurrently.
	Open(ctx context.Context) (blob.Store, ltx.Layout, error)
}

// Files are the objects of an open replica.
type Files struct {
	Store  blob.Store // its root is the replica's
	Layout ltx.Layout // of the LTX files
}

// Open opens a replica. The errors are those of src.
func Open(ctx context.Context, src Source) (*Files, error) {
	if src == nil {
		return nil, errNoStore
	}
	store, layout, err := src.Open(ctx)
	if err == nil && store == nil {
		err = errNoStore
	}
	if err != nil {
		return nil, err
	}
	return &Files{Store: store, Layout: layout}, nil
}

// Sweep removes what writes that were killed, or could not tidy up, have left in the
// replica, where its store can have something that no listing shows: see [blob.Sweeper].
// What cannot be removed now stays, unseen, for the next call.
func (f *Files) Sweep(ctx context.Context) {
	sw, ok := f.Store.(blob.Sweeper)
	if !ok {
		return
	}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		_ = sw.Sweep(ctx, f.Layout.LevelPrefix(level))
	}
	_ = sw.Sweep(ctx, v3compat.GenerationsPrefix)
}

var errNoStore = errors.New("no store given that has the replica")

// store is the replica's; without one, its methods return errors.
func (f *Files) store() blob.Store {
	if f.Store == nil {
		return noStore{}
	}
	return f.Store
}

type noStore struct{}

func (noStore) List(context.Context, string, blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errNoStore) }
}

func (noStore) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errNoStore
}

func (noStore) Stat(context.Context, string) (blob.Info, error) { return blob.Info{}, errNoStore }

func (noStore) Write(context.Context, string, io.Reader, blob.WriteOptions) (blob.Info, error) {
	return blob.Info{}, errNoStore
}

func (noStore) Delete(context.Context, []string) error { return errNoStore }

// Key is where a file is, or would be: its name relative to the replica's root.
func (f *Files) Key(file *ltx.FileInfo) string {
	return f.Layout.Key(file.Level, file.MinTXID, file.MaxTXID)
}

// OpenFile opens an LTX file from offset on; length 0 or less means to its end, as in
// blob.Reader. A file that is missing is fs.ErrNotExist. It is an [ltx.OpenFunc].
func (f *Files) OpenFile(ctx context.Context, file *ltx.FileInfo, offset, length int64) (io.ReadCloser, error) {
	if err := checkFile(file.Level, file.MinTXID, file.MaxTXID); err != nil {
		return nil, fmt.Errorf("open ltx file: %w", err)
	}
	key := f.Key(file)
	rc, err := f.store().Open(ctx, key, offset, length)
	if err != nil {
		return nil, missing("open ltx file", key, err)
	}
	return rc, nil
}

// Level lists the LTX files of a level, in the order of their names.
func (f *Files) Level(ctx context.Context, level int) (files []*ltx.FileInfo, err error) {
	for file, err := range f.List(ctx, level, 0) {
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// All lists the LTX files of all levels, by level, concurrently.
func (f *Files) All(ctx context.Context) (files []*ltx.FileInfo, err error) {
	var levels [ltx.MaxLevel + 1][]*ltx.FileInfo
	g, ctx := errgroup.WithContext(ctx)
	for level := range levels {
		g.Go(func() (err error) {
			levels[level], err = f.Level(ctx, level)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, level := range levels {
		files = append(files, level...)
	}
	return files, nil
}

// Backup reads the Litestream v0.3.x backup in the same place.
func (f *Files) Backup() *v3compat.Reader { return v3compat.New(f.Store) }

// Header reads the header of an LTX file, whose checksum it does not verify: that
// covers the whole file.
func (f *Files) Header(ctx context.Context, file *ltx.FileInfo) (ltx.Header, error) {
	h, _, err := f.header(ctx, file)
	return h, err
}

// header returns what the store tells of the file beside, where it does.
func (f *Files) header(ctx context.Context, file *ltx.FileInfo) (ltx.Header, *blob.Info, error) {
	key := f.Key(file)
	rc, err := f.store().Open(ctx, key, 0, ltx.HeaderSize)
	if err != nil {
		return ltx.Header{}, nil, missing("read ltx header", key, err)
	}
	defer rc.Close()
	h, err := ltx.ReadHeader(rc)
	if err != nil {
		return ltx.Header{}, nil, fmt.Errorf("read ltx header of %s: %w", key, err)
	}
	if d, ok := rc.(blob.Describer); ok {
		if info, ok := d.Describe(); ok {
			return h, &info, nil
		}
	}
	return h, nil, nil
}

// Writer tells who wrote a file, by its metadata. A file that is gone has no writer.
func (f *Files) Writer(ctx context.Context, file *ltx.FileInfo) (Version, error) {
	info, err := f.store().Stat(ctx, f.Key(file))
	if errors.Is(err, fs.ErrNotExist) {
		return Version{}, nil
	}
	return VersionOf(info), err
}

// Write writes an LTX file whose header has the transactions that file has. With
// createOnly an existing file is never replaced: one with other content is a
// *[ConflictError].
func (f *Files) Write(ctx context.Context, file *ltx.FileInfo, r io.Reader, createOnly bool) (*ltx.FileInfo, error) {
	if err := checkFile(file.Level, file.MinTXID, file.MaxTXID); err != nil {
		return nil, err
	}
	key := f.Key(file)
	h, r, err := peekHeader(r)
	if err == nil {
		// Its level and size are not held against it: what arrives is stored.
		err = ltx.CheckInfo(&ltx.FileInfo{MinTXID: file.MinTXID, MaxTXID: file.MaxTXID}, h)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	created := ltx.Time(h)
	opts := blob.WriteOptions{ModTime: created}
	if k, ok := f.Store.(blob.ModTimeKeeper); !ok || !k.KeepsModTime() {
		opts.Metadata = map[string]string{MetadataTimestamp: created.Format(time.RFC3339Nano)}
	}
	put := f.store().Write
	if createOnly {
		put = func(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
			return Create(ctx, f.store(), key, r, opts)
		}
	}
	info, err := put(ctx, key, r, opts)
	if err != nil {
		return nil, err
	}
	return fileInfo(file.Level, file.MinTXID, file.MaxTXID, info.Size, created), nil
}
