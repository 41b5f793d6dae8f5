package ltx

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	sltx "github.com/superfly/ltx"
)

// Header is that of the file that the options describe. It says what a file of
// that name, if there is one, would have to begin with to be the same.
func (o SnapshotOptions) Header() (Header, error) { return o.header() }

// WriteDelta writes a file with some pages of the database to w: those that the
// transactions MinTXID to TXID have changed. They are given in ascending order; the
// lock page among them is passed over. A page beyond Commit is an error, and so is a
// MinTXID below 2: what begins at 1 has every page, see [WriteSnapshot].
//
// page fills buf with a page; it is called for one page after the other. An error
// of page or of w ends the work: what was written then is no LTX file. Memory is
// some 20 bytes for each page.
func WriteDelta(w io.Writer, opts SnapshotOptions, pgnos []uint32,
	page func(pgno uint32, buf []byte) error) (SnapshotResult, error) {
	h, err := opts.header()
	if err == nil && h.MinTXID < 2 {
		err = errors.New("a file that begins with transaction 1 has every page")
	}
	if err != nil {
		return SnapshotResult{}, fmt.Errorf("delta: %w", err)
	}
	b := bufio.NewWriterSize(w, snapshotBatch)
	enc, err := sltx.NewEncoder(b)
	if err == nil {
		err = enc.EncodeHeader(h)
	}
	if err == nil {
		err = encodePages(enc, h, pgnos, page)
	}
	if err == nil {
		err = enc.Close()
	}
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return SnapshotResult{}, fmt.Errorf("delta: %w", err)
	}
	return SnapshotResult{Header: h, Trailer: enc.Trailer(), Bytes: enc.N()}, nil
}

func encodePages(enc *sltx.Encoder, h Header, pgnos []uint32, page func(pgno uint32, buf []byte) error) error {
	buf := make([]byte, h.PageSize)
	for _, pgno := range pgnos {
		if pgno == h.LockPgno() {
			continue
		}
		if err := page(pgno, buf); err != nil {
			return fmt.Errorf("read page %d: %w", pgno, err)
		}
		if err := enc.EncodePage(sltx.PageHeader{Pgno: pgno}, buf); err != nil {
			return fmt.Errorf("page %d: %w", pgno, err)
		}
	}
	return nil
}
