package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// headerTime is the time in a file's header, with the evidence for it.
type headerTime struct {
	at    time.Time // the header's
	store time.Time // what the store was told when the file was written; zero if it keeps no time
	read  bool      // the whole file was read, and its checksum covers the header
}

// agrees reports whether the store confirms on which side of t the file is. A store's
// time that is not the header's says nothing: a copy may have lost the times.
func (h headerTime) agrees(t time.Time) bool {
	return !h.store.IsZero() && h.store.Sub(h.at).Abs() < time.Second && h.store.After(t) == h.at.After(t)
}

// headerTime reads the header of a file. A header that does not parse, or that names
// other transactions than the file does, is an *ltx.FileError.
//
// Nothing protects these 100 bytes alone: the file's checksum needs the whole file.
// A decision by time needs confirmTime as well.
func (c *StoreClient) headerTime(ctx context.Context, f *ltx.FileInfo) (headerTime, error) {
	store, layout, err := c.init(ctx)
	if err != nil {
		return headerTime{}, err
	}
	key := layout.Key(f.Level, f.MinTXID, f.MaxTXID)
	rc, err := store.Open(ctx, key, 0, ltx.HeaderSize)
	if err != nil {
		return headerTime{}, unreadFile(f, missing("read ltx header", key, err))
	}
	defer rc.Close()
	h, err := ltx.ReadHeader(rc)
	if err == nil {
		// The size is not compared: a file that is cut off has a header too.
		err = ltx.CheckInfo(&ltx.FileInfo{Level: f.Level, MinTXID: f.MinTXID, MaxTXID: f.MaxTXID}, h)
	}
	if err != nil {
		return headerTime{}, damagedFile(f, err)
	}
	seen := headerTime{at: ltx.Time(h)}
	if d, ok := rc.(blob.Describer); ok {
		if info, ok := d.Describe(); ok {
			seen.store = keptTime(store, info)
		}
	}
	return seen, nil
}

// unreadFile names the file that cannot be read, if the error says that of one file.
func unreadFile(f *ltx.FileInfo, err error) error {
	if blob.IsObjects(err) {
		return &ltx.FileError{File: f, Err: err}
	}
	return err
}

// damagedFile names the file that an error is about, if it is about its content.
func damagedFile(f *ltx.FileInfo, err error) error {
	if errors.Is(err, ltx.ErrCorrupt) || errors.Is(err, ltx.ErrTruncated) {
		return &ltx.FileError{File: f, Err: err}
	}
	return fmt.Errorf("%s of level %d: %w", ltx.FormatName(f.MinTXID, f.MaxTXID), f.Level, err)
}

// keptTime is the time that a writer gave an object: in its metadata, or, where the
// store keeps that, as its modification time. It is zero where there is neither.
func keptTime(store blob.Store, info blob.Info) time.Time {
	if kept, ok := info.Metadata[MetadataTimestamp]; ok {
		at, err := time.Parse(time.RFC3339Nano, kept)
		if err != nil {
			return time.Time{}
		}
		return at
	}
	if k, ok := store.(blob.ModTimeKeeper); ok && k.KeepsModTime() {
		return info.ModTime
	}
	return time.Time{}
}

// confirmTime makes sure that a file is on the side of t on which its header says it
// is. Where the store does not confirm it, the whole file is read: its checksum covers
// the header. A file that turns out to be damaged is an *ltx.FileError.
func (c *StoreClient) confirmTime(ctx context.Context, f *ltx.FileInfo, seen headerTime, t time.Time) (headerTime, error) {
	if seen.read || seen.agrees(t) {
		return seen, nil
	}
	rc, err := c.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, 0, 0)
	if err != nil {
		return seen, unreadFile(f, err)
	}
	defer rc.Close()
	summary, err := ltx.Verify(rc)
	if err == nil {
		err = ltx.CheckInfo(f, summary.Header)
	}
	if at := ltx.Time(summary.Header); err == nil && !at.Equal(seen.at) {
		err = fmt.Errorf("%w: its header had the time %s, and now %s", ltx.ErrCorrupt, clockTime(seen.at), clockTime(at))
	}
	if err != nil {
		return seen, damagedFile(f, err)
	}
	seen.read = true
	return seen, nil
}
