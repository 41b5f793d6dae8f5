package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// FileTime is the time in a file's header, with the evidence for it.
type FileTime struct {
	At    time.Time // the header's
	store time.Time // what the store was told when the file was written; zero if it keeps no time
	read  bool      // the whole file was read, and its checksum covers the header
}

// Agrees reports whether the store confirms on which side of t the file is. A store's
// time that is not the header's says nothing: a copy may have lost the times.
func (h FileTime) Agrees(t time.Time) bool {
	return !h.store.IsZero() && h.store.Sub(h.At).Abs() < time.Second && h.store.After(t) == h.At.After(t)
}

// Time reads the header of a file. A header that does not parse, or that names
// other transactions than the file does, is an *ltx.FileError.
//
// Nothing protects these 100 bytes alone: the file's checksum needs the whole file.
// A decision by time needs ConfirmTime as well.
func (f *Files) Time(ctx context.Context, file *ltx.FileInfo) (FileTime, error) {
	h, info, err := f.header(ctx, file)
	if err == nil {
		// The size is not compared: a file that is cut off has a header too.
		err = ltx.CheckInfo(&ltx.FileInfo{Level: file.Level, MinTXID: file.MinTXID, MaxTXID: file.MaxTXID}, h)
	}
	if err != nil {
		return FileTime{}, aboutFile(file, err)
	}
	seen := FileTime{At: ltx.Time(h)}
	if info != nil {
		seen.store = keptTime(f.Store, *info)
	}
	return seen, nil
}

// aboutFile names the file that an error is about, if it is about its content, or says
// that this one file cannot be read.
func aboutFile(f *ltx.FileInfo, err error) error {
	switch {
	case errors.Is(err, ltx.ErrCorrupt), errors.Is(err, ltx.ErrTruncated), blob.IsObjects(err):
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

// ConfirmTime makes sure that a file is on the side of t on which its header says it
// is. Where the store does not confirm it, the whole file is read: its checksum covers
// the header. A file that turns out to be damaged is an *ltx.FileError.
func (f *Files) ConfirmTime(ctx context.Context, file *ltx.FileInfo, seen FileTime, t time.Time) (FileTime, error) {
	if seen.read || seen.Agrees(t) {
		return seen, nil
	}
	rc, err := f.OpenFile(ctx, file, 0, 0)
	if err != nil {
		return seen, aboutFile(file, err)
	}
	defer rc.Close()
	summary, err := ltx.Verify(rc)
	if err == nil {
		err = ltx.CheckInfo(file, summary.Header)
	}
	if at := ltx.Time(summary.Header); err == nil && !at.Equal(seen.At) {
		err = fmt.Errorf("%w: its header had the time %s, and now %s", ltx.ErrCorrupt, FormatTime(seen.At), FormatTime(at))
	}
	if err != nil {
		return seen, aboutFile(file, err)
	}
	seen.read = true
	return seen, nil
}
