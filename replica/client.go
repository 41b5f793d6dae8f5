package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/lazy"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// MetadataTimestamp is the object metadata in which Litestream's S3 client
// caches the header's time (RFC 3339, UTC). Ours writes it too, where the store does
// not keep the time of a file.
const MetadataTimestamp = "litestream-timestamp"

// HeaderReads is how many small reads of a replica, as of headers, go on at a time.
const HeaderReads = 32

// Client is the one implementation of [replicate.ReplicaClient] and
// [replicate.ReplicaClientV3], over any blob.Store. The engines' ReplicaClient types are
// fronts that configure it.
//
// It uses whichever layout the replica has, as found when the client is
// initialized, for reading and for writing, so that no replica becomes a mix. A
// new replica gets the engine's native layout; so does one with both (two
// replicas in one place, one of which was copied), which [check.Inspect] reports.
type Client struct {
	// CreateOnly makes WriteLTXFile create files and never replace one: link(2),
	// If-None-Match. A file of that name with the same content is success, so
	// that a write may be repeated whose outcome was not learned; one with other
	// content is a *ConflictError. A store that cannot do it refuses the
	// write. It must not change during a call.
	CreateOnly bool

	kind string
	open func(context.Context) (*Files, error)

	files  lazy.Value[*Files]
	logger atomic.Pointer[slog.Logger]
}

var (
	_ replicate.ReplicaClient   = (*Client)(nil)
	_ replicate.ReplicaClientV3 = (*Client)(nil)
	_ Source                    = (*Client)(nil)
)

// NewClient returns a client of the engine named kind. It calls open when
// it is first used, and again if that failed.
func NewClient(kind string, native ltx.Layout, open func(context.Context) (blob.Store, error)) *Client {
	c := &Client{kind: kind}
	if open == nil {
		return c
	}
	c.open = func(ctx context.Context) (*Files, error) {
		store, err := open(ctx)
		if err == nil && store == nil {
			err = errNoStore
		}
		if err != nil {
			return nil, fmt.Errorf("open %s replica: %w", kind, err)
		}
		layout, err := detectLayout(ctx, store, native, c.log())
		if err != nil {
			return nil, fmt.Errorf("open %s replica: %w", kind, err)
		}
		return &Files{Store: store, Layout: layout}, nil
	}
	return c
}

// Type implements [replicate.ReplicaClient].
func (c *Client) Type() string {
	if c == nil {
		return ""
	}
	return c.kind
}

// SetLogger implements [replicate.ReplicaClient]; nil is the default logger.
func (c *Client) SetLogger(logger *slog.Logger) {
	if c != nil {
		c.logger.Store(logger)
	}
}

func (c *Client) log() *slog.Logger {
	return cmp.Or(c.logger.Load(), slog.Default()).WithGroup(c.kind)
}

// Init implements [replicate.ReplicaClient]. It costs one listing of the replica's root.
func (c *Client) Init(ctx context.Context) error {
	_, err := c.init(ctx)
	return err
}

// Open implements [Source].
func (c *Client) Open(ctx context.Context) (blob.Store, ltx.Layout, error) {
	files, err := c.init(ctx)
	if err != nil {
		return nil, 0, err
	}
	return files.Store, files.Layout, nil
}

var errNoConstructor = errors.New("the client has no store: its constructor makes one that has")

// init returns the files of the replica.
func (c *Client) init(ctx context.Context) (*Files, error) {
	if c == nil || c.open == nil {
		return nil, errNoConstructor
	}
	return c.files.Get(ctx, c.open)
}

// forWriting returns the files as a call may write them under the fence in its context.
func (c *Client) forWriting(ctx context.Context) (files *Files, createOnly bool, err error) {
	if files, err = c.init(ctx); err != nil {
		return nil, false, err
	}
	store, createOnly := Fenced(ctx, files.Store)
	return &Files{Store: store, Layout: files.Layout}, createOnly || c.CreateOnly, nil
}

func detectLayout(ctx context.Context, store blob.Store, native ltx.Layout, logger *slog.Logger) (ltx.Layout, error) {
	prefixes, err := rootPrefixes(ctx, store)
	if errors.Is(err, fs.ErrPermission) {
		logger.Debug("cannot list the replica's root, looking for levels", "error", err)
		return layoutByLevels(ctx, store, native)
	}
	for _, layout := range ltx.DetectLayout(prefixes) {
		if layout == native || err != nil {
			continue
		}
		// A directory may be left of the native layout with nothing in it.
		if hasNative, err := hasFiles(ctx, store, native); err != nil || !hasNative {
			return layout, err
		}
	}
	return native, err
}

// layoutByLevels is for a root that may not be listed: the levels of it may be. That
// one layout lists empty does not tell that there is no replica before the other does.
// A client that may not list at all may still write, and what it writes goes where a
// reader of this engine looks first.
func layoutByLevels(ctx context.Context, store blob.Store, native ltx.Layout) (ltx.Layout, error) {
	has, err := hasFiles(ctx, store, native)
	if has || errors.Is(err, fs.ErrPermission) {
		return native, nil // any listing of a level will be refused as well, and say so
	} else if err != nil {
		return native, err
	}
	for _, other := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		if other == native {
			continue
		}
		if has, err := hasFiles(ctx, store, other); has || err != nil {
			return other, err
		}
	}
	return native, nil
}

// hasFiles reports whether any level has an LTX file in the given layout.
func hasFiles(ctx context.Context, store blob.Store, layout ltx.Layout) (bool, error) {
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, err := range (&Files{Store: store, Layout: layout}).List(ctx, level, 0) {
			return err == nil, err
		}
	}
	return false, nil
}

// rootPrefixes lists what in the root belongs to an LTX replica.
func rootPrefixes(ctx context.Context, store blob.Reader) (prefixes []string, err error) {
	for info, err := range store.List(ctx, "", blob.ListOptions{Delimited: true}) {
		if err != nil {
			return nil, err
		}
		if ok, err := IsDirectory(ctx, store, info, IsLTXRoot); err != nil {
			return nil, err
		} else if ok {
			prefixes = append(prefixes, info.Key)
		}
	}
	return prefixes, nil
}

// LTXFiles implements [replicate.ReplicaClient].
func (c *Client) LTXFiles(ctx context.Context, level int, seek ltx.TXID, useMetadata bool) (ltx.FileIterator, error) {
	if err := ltx.CheckLevel(level); err != nil {
		return nil, fmt.Errorf("list ltx files: %w", err)
	}
	f, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	files := f.List(ctx, level, seek)
	if useMetadata {
		files = f.withTrueTimes(ctx, files)
	}
	return newFileIterator(files), nil
}

// IsDirectory reports whether an entry of a listing is one of the directories that a
// replica has. If something else has the name of one, an engine with directories
// refuses to list it: that is the error.
func IsDirectory(ctx context.Context, store blob.Reader, info blob.Info, known func(prefix string) bool) (bool, error) {
	if info.IsPrefix() || !known(info.Key+"/") {
		return known(info.Key), nil
	}
	return false, blob.CheckBelow(ctx, store, info.Key)
}

// IsLTXRoot reports whether an entry of the root's listing belongs to an LTX replica.
func IsLTXRoot(prefix string) bool { return len(ltx.DetectLayout([]string{prefix})) > 0 }

// IsFormatRoot reports whether an entry of the root's listing belongs to a replica of either format.
func IsFormatRoot(prefix string) bool {
	return prefix == v3compat.GenerationsPrefix || IsLTXRoot(prefix)
}

// List yields the LTX files of a level whose MinTXID is from or more. Names are fixed-width
// hex, so that the order of keys is the order of transactions.
func (f *Files) List(ctx context.Context, level int, from ltx.TXID) iter.Seq2[*ltx.FileInfo, error] {
	prefix := f.Layout.LevelPrefix(level)
	opts := blob.ListOptions{Delimited: true}
	if from > 0 {
		opts.After = prefix + from.String() // before "<from>-<max>.ltx", after all that is less
	}
	return func(yield func(*ltx.FileInfo, error) bool) {
		for info, err := range f.store().List(ctx, prefix, opts) {
			if err != nil {
				yield(nil, fmt.Errorf("list ltx files of level %d: %w", level, err))
				return
			}
			file, ok := LevelFile(level, prefix, info)
			if !ok {
				continue // foreign, or a leftover; check.Inspect reports it
			}
			if !yield(file, nil) {
				return
			}
		}
	}
}

// LevelFile is the LTX file that an entry of a level's listing stands for. A directory
// in the place of a file is that file, without any bytes.
func LevelFile(level int, prefix string, info blob.Info) (f *ltx.FileInfo, ok bool) {
	minTXID, maxTXID, err := ltx.ParseName(strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), "/"))
	if err != nil {
		return nil, false
	}
	return fileInfo(level, minTXID, maxTXID, info.Size, info.ModTime), true
}

// withTrueTimes replaces CreatedAt by the time in each file's header.
func (f *Files) withTrueTimes(
	ctx context.Context, files iter.Seq2[*ltx.FileInfo, error],
) iter.Seq2[*ltx.FileInfo, error] {
	return ordered.Map(ctx, HeaderReads, files, func(ctx context.Context, info *ltx.FileInfo) (*ltx.FileInfo, error) {
		h, err := f.Header(ctx, info)
		if err != nil {
			return nil, err
		}
		info.CreatedAt = ltx.Time(h)
		return info, nil
	})
}

// OpenLTXFile implements [replicate.ReplicaClient].
func (c *Client) OpenLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	files, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	return files.OpenFile(ctx, &ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID}, offset, size)
}

// missing is the error of a read: of a missing object one for which os.IsNotExist holds.
func missing(op, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return blob.Named(op, key, err)
	}
	return fmt.Errorf("%s: %w", op, err) // names the key
}

// DeleteLTXFiles implements [replicate.ReplicaClient].
func (c *Client) DeleteLTXFiles(ctx context.Context, a []*ltx.FileInfo) error {
	files, _, err := c.forWriting(ctx)
	if err != nil {
		return err
	}
	var errs []error
	keys := make([]string, 0, len(a))
	for _, info := range a {
		if err := checkFile(info.Level, info.MinTXID, info.MaxTXID); err != nil {
			errs = append(errs, fmt.Errorf("delete ltx file: %w", err))
			continue
		}
		keys = append(keys, files.Key(info))
	}
	c.log().Debug("deleting ltx files", "count", len(keys))
	return errors.Join(append(errs, files.Store.Delete(ctx, keys))...)
}

// DeleteAll implements [replicate.ReplicaClient]: both layouts, in batches.
func (c *Client) DeleteAll(ctx context.Context) error {
	files, _, err := c.forWriting(ctx)
	if err != nil {
		return err
	}
	store := files.Store
	var errs []error
	for _, layout := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
			errs = append(errs, deleteLevel(ctx, store, layout.LevelPrefix(level)))
			if s, ok := store.(blob.Sweeper); ok && ctx.Err() == nil {
				errs = append(errs, s.Sweep(ctx, layout.LevelPrefix(level)))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete replica: %w", err)
	}
	return nil
}

// DeleteBatch is how many keys are deleted at a time: as many as one DeleteObjects
// request takes.
const DeleteBatch = 1000

func deleteLevel(ctx context.Context, store blob.Store, prefix string) error {
	var errs []error
	var keys []string
	for info, err := range store.List(ctx, prefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if info.IsPrefix() || !isLTXOrLeftover(info.Key) {
			continue
		}
		if keys = append(keys, info.Key); len(keys) == DeleteBatch {
			errs = append(errs, store.Delete(ctx, keys))
			keys = keys[:0]
		}
	}
	return errors.Join(append(errs, store.Delete(ctx, keys))...)
}

// isLTXOrLeftover reports whether a key in a level is an LTX file, or what an
// interrupted write of Litestream's file client leaves: "<name>.ltx.tmp".
func isLTXOrLeftover(key string) bool {
	_, _, err := ltx.ParseName(strings.TrimSuffix(path.Base(key), ".tmp"))
	return err == nil
}

func checkFile(level int, minTXID, maxTXID ltx.TXID) error {
	return errors.Join(ltx.CheckLevel(level), ltx.CheckRange(minTXID, maxTXID))
}

func fileInfo(level int, minTXID, maxTXID ltx.TXID, size int64, created time.Time) *ltx.FileInfo {
	return &ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID, Size: size, CreatedAt: created.UTC()}
}
