package ltx

import (
	"context"
	"fmt"
	"sync"

	sltx "github.com/superfly/ltx"
)

// FindPage tells which file has the newest version of a page: an index into
// files, which are in the order of application, as in [Path]. ok is false if
// the page is in none of them, or did not survive: the database was shorter
// after a later file.
func FindPage(files []Outline, pgno uint32) (i int, ok bool) {
	for i := len(files) - 1; i >= 0 && pgno <= files[i].Header.Commit; i-- {
		if _, _, ok := files[i].Index.Lookup(pgno); ok {
			return i, true
		}
	}
	return 0, false
}

// ReadPage reads one page of the file with one ranged read, and decompresses it
// into page, which must have the length of a page. ok is false if the file does
// not have the page.
//
// No checksum covers a single page: damage is found only if it shows in the
// frame's header or in the compression.
func (o Outline) ReadPage(ctx context.Context, open OpenRangeFunc, pgno uint32, page []byte) (ok bool, err error) {
	if len(page) != int(o.Header.PageSize) {
		return false, fmt.Errorf("read page %d: a buffer of %d bytes for a page of %d", pgno, len(page), o.Header.PageSize)
	}
	offset, size, ok := o.Index.Lookup(pgno)
	if !ok {
		return false, nil
	}
	frame, err := readRange(ctx, open, offset, offset+size)
	if err == nil {
		err = DecodePage(page, frame, pgno)
	}
	if err != nil {
		return false, fmt.Errorf("read page %d: %w", pgno, err)
	}
	return true, nil
}

var frameDecoders = sync.Pool{New: func() any { return new(lz4Decoder) }}

// DecodePage decompresses the frame of a page, which is where the page index says, into
// page, which must have the length of a page. A frame of another page, or one that does
// not decompress to a page, is [ErrCorrupt]. A frame in the older of the two encodings has
// a checksum of its own, which is verified; see [Outline.ReadPage].
func DecodePage(page, frame []byte, pgno uint32) error {
	if len(frame) < minFrame {
		return fmt.Errorf("%w: a frame of %d bytes", ErrCorrupt, len(frame))
	}
	if err := checkFrame(frame, pgno, uint32(len(page))); err != nil {
		return err
	}
	d := frameDecoders.Get().(*lz4Decoder)
	defer frameDecoders.Put(d)
	_, err := d.decodeFrame(page, frame)
	return err
}

// checkFrame checks that the page index was right about a frame.
func checkFrame(frame []byte, pgno, pageSize uint32) error {
	var h sltx.PageHeader
	if err := h.UnmarshalBinary(frame); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if h.Pgno != pgno || h.Flags&^sltx.PageHeaderFlagSize != 0 {
		return fmt.Errorf("%w: the page index leads to page %d with flags %04x", ErrCorrupt, h.Pgno, h.Flags)
	}
	if h.Flags&sltx.PageHeaderFlagSize == 0 {
		return nil
	}
	n, err := blockLen(frame[pageHeaderSize:], pageSize)
	if err == nil && blockStart+n != len(frame) {
		err = fmt.Errorf("%w: frame of %d bytes with a compressed page of %d", ErrCorrupt, len(frame), n)
	}
	return err
}
