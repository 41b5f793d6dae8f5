package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
)

// MetadataTimestamp is the object metadata in which Litestream's S3 client
// caches the header's time (RFC 3339, UTC). Ours writes it too, where the store does
// not keep the time of a file.
const MetadataTimestamp = "litestream-timestamp"

// headerReads is how many headers LTXFiles reads at a time.
const headerReads = 32

// StoreClient is the one implementation of [ReplicaClient] and
// [ReplicaClientV3], over any blob.Store. The engines' ReplicaClient types are
// fronts that configure it.
//
// It uses whichever layout the replica has, as found when the client is
// initialized, for reading and for writing, so that no replica becomes a mix. A
// new replica gets the engine's native layout; so does one with both (two
// replicas in one place, one of which was copied), which [Inspect] reports.
type StoreClient struct {
	// CreateOnly makes WriteLTXFile create files and never replace one: link(2),
	// If-None-Match. A file of that name with the same content is success, so
	// that a write may be repeated whose outcome was not learned; one with other
	// content is an *LTXConflictError. A store that cannot do it refuses the
	// write. It must not change during a call.
	CreateOnly bool

	kind  string
	open  func(context.Context) (blob.Store, ltx.Layout, error)
	stamp func(metadata map[string]string) // adds to that of each file; may be nil

	mu     sync.Mutex
	store  blob.Store // nil until initialized
	layout ltx.Layout // that the replica has
	logger *slog.Logger
}

var (
	_ ReplicaClient   = (*StoreClient)(nil)
	_ ReplicaClientV3 = (*StoreClient)(nil)
)

// NewStoreClient returns a client of the engine named kind. It calls open when
// it is first used, and again if that failed.
func NewStoreClient(kind string, native ltx.Layout, open func(context.Context) (blob.Store, error)) *StoreClient {
	c := &StoreClient{kind: kind, logger: slog.Default().WithGroup(kind)}
	c.open = func(ctx context.Context) (blob.Store, ltx.Layout, error) {
		store, err := open(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("open %s replica: %w", kind, err)
		}
		layout, err := detectLayout(ctx, store, native, c.logger)
		if err != nil {
			return nil, 0, fmt.Errorf("open %s replica: %w", kind, err)
		}
		return store, layout, nil
	}
	return c
}

// base is the client itself: what the fronts have in common.
func (c *StoreClient) base() *StoreClient { return c }

// Type implements [ReplicaClient].
func (c *StoreClient) Type() string { return c.kind }

// SetLogger implements [ReplicaClient].
func (c *StoreClient) SetLogger(logger *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logger = logger.WithGroup(c.kind)
}

func (c *StoreClient) log() *slog.Logger {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logger
}

// Init implements [ReplicaClient]. It costs one listing of the replica's root.
func (c *StoreClient) Init(ctx context.Context) error {
	_, _, err := c.init(ctx)
	return err
}

// Store returns the store under the client, initialized: for what replicas have
// beside LTX files.
func (c *StoreClient) Store(ctx context.Context) (blob.Store, error) {
	store, _, err := c.init(ctx)
	return store, err
}

func (c *StoreClient) init(ctx context.Context) (blob.Store, ltx.Layout, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store != nil {
		return c.store, c.layout, nil
	}
	store, layout, err := c.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	c.store, c.layout = store, layout
	return store, layout, nil
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
func layoutByLevels(ctx context.Context, store blob.Reader, native ltx.Layout) (ltx.Layout, error) {
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
func hasFiles(ctx context.Context, store blob.Reader, layout ltx.Layout) (bool, error) {
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, err := range listRange(ctx, store, layout, level, 0, maxTXID) {
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
		if ok, err := isDirectoryOf(ctx, store, info, isLTXRoot); err != nil {
			return nil, err
		} else if ok {
			prefixes = append(prefixes, info.Key)
		}
	}
	return prefixes, nil
}

// Key is where a file is, or would be, in the client's store: its name relative to
// the replica's root.
func (c *StoreClient) Key(ctx context.Context, f *ltx.FileInfo) (string, error) {
	if err := checkFile(f.Level, f.MinTXID, f.MaxTXID); err != nil {
		return "", err
	}
	_, layout, err := c.init(ctx)
	if err != nil {
		return "", err
	}
	return layout.Key(f.Level, f.MinTXID, f.MaxTXID), nil
}

// LTXFiles implements [ReplicaClient].
func (c *StoreClient) LTXFiles(ctx context.Context, level int, seek ltx.TXID, useMetadata bool) (ltx.FileIterator, error) {
	if err := ltx.CheckLevel(level); err != nil {
		return nil, fmt.Errorf("list ltx files: %w", err)
	}
	store, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	files := listRange(ctx, store, layout, level, seek, maxTXID)
	if useMetadata {
		files = withTrueTimes(ctx, store, layout, files)
	}
	return newFileIterator(files), nil
}

const maxTXID = ^ltx.TXID(0)

// listRange yields the LTX files of a level whose MinTXID is from from to to. Names
// are fixed-width hex, so that the order of keys is the order of transactions.
func listRange(ctx context.Context, store blob.Reader, layout ltx.Layout, level int, from, to ltx.TXID) iter.Seq2[*ltx.FileInfo, error] {
	prefix := layout.LevelPrefix(level)
	opts := blob.ListOptions{Delimited: true}
	if from > 0 {
		opts.After = prefix + from.String() // before "<from>-<max>.ltx", after all that is less
	}
	return func(yield func(*ltx.FileInfo, error) bool) {
		for info, err := range store.List(ctx, prefix, opts) {
			if err != nil {
				yield(nil, fmt.Errorf("list ltx files of level %d: %w", level, err))
				return
			}
			f, ok := levelFile(level, prefix, info)
			if !ok {
				continue // foreign, or a leftover; Inspect reports it
			}
			if f.MinTXID > to || !yield(f, nil) {
				return
			}
		}
	}
}

// levelFile is the LTX file that an entry of a level's listing stands for. A directory
// in the place of a file is that file, without any bytes.
func levelFile(level int, prefix string, info blob.Info) (f *ltx.FileInfo, ok bool) {
	minTXID, maxTXID, err := ltx.ParseName(strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), "/"))
	if err != nil {
		return nil, false
	}
	return fileInfo(level, minTXID, maxTXID, info.Size, info.ModTime), true
}

// withTrueTimes replaces CreatedAt by the time in each file's header.
func withTrueTimes(ctx context.Context, store blob.Reader, layout ltx.Layout, files iter.Seq2[*ltx.FileInfo, error]) iter.Seq2[*ltx.FileInfo, error] {
	return ordered.Map(ctx, headerReads, files, func(ctx context.Context, info *ltx.FileInfo) (*ltx.FileInfo, error) {
		h, err := readHeader(ctx, store, layout.Key(info.Level, info.MinTXID, info.MaxTXID))
		if err != nil {
			return nil, err
		}
		info.CreatedAt = ltx.Time(h)
		return info, nil
	})
}

func readHeader(ctx context.Context, store blob.Reader, key string) (ltx.Header, error) {
	rc, err := store.Open(ctx, key, 0, ltx.HeaderSize)
	if err != nil {
		return ltx.Header{}, missing("read ltx header", key, err)
	}
	defer rc.Close()
	h, err := ltx.ReadHeader(rc)
	if err != nil {
		return ltx.Header{}, fmt.Errorf("read ltx header of %s: %w", key, err)
	}
	return h, nil
}

// OpenLTXFile implements [ReplicaClient].
func (c *StoreClient) OpenLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64) (io.ReadCloser, error) {
	if err := checkFile(level, minTXID, maxTXID); err != nil {
		return nil, fmt.Errorf("open ltx file: %w", err)
	}
	store, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	key := layout.Key(level, minTXID, maxTXID)
	rc, err := store.Open(ctx, key, offset, size)
	if err != nil {
		return nil, missing("open ltx file", key, err)
	}
	return rc, nil
}

// missing is the error of a read: of a missing object one for which os.IsNotExist holds.
func missing(op, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return blob.Named(op, key, err)
	}
	return fmt.Errorf("%s: %w", op, err) // names the key
}

// DeleteLTXFiles implements [ReplicaClient].
func (c *StoreClient) DeleteLTXFiles(ctx context.Context, a []*ltx.FileInfo) error {
	store, layout, err := c.init(ctx)
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
		keys = append(keys, layout.Key(info.Level, info.MinTXID, info.MaxTXID))
	}
	c.log().Debug("deleting ltx files", "count", len(keys))
	return errors.Join(append(errs, store.Delete(ctx, keys))...)
}

// DeleteAll implements [ReplicaClient]: both layouts, in batches.
func (c *StoreClient) DeleteAll(ctx context.Context) error {
	store, _, err := c.init(ctx)
	if err != nil {
		return err
	}
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

// deleteBatch is how many keys are deleted at a time: as many as one DeleteObjects
// request takes.
const deleteBatch = 1000

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
		if keys = append(keys, info.Key); len(keys) == deleteBatch {
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
