package ltx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// An oneFile is a client of a replica with one file.
type oneFile struct {
	id    FileID
	bytes []byte
}

func (c oneFile) OpenLTXFile(_ context.Context, level int,
	minTXID, maxTXID TXID, offset, size int64) (io.ReadCloser, error) {
	if (FileID{level, minTXID, maxTXID}) != c.id {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(c.bytes), offset, size)), nil
}

func TestLoadHeader(t *testing.T) {
	s := deltaSpec(512, 3, 4, 1)
	f := file(2, 3, 4, 0)
	client := oneFile{IDOf(f), s.encode(t)}
	if h, err := LoadHeader(t.Context(), OpenFrom(client), f); err != nil || h != s.header {
		t.Errorf("got %+v, %v, want %+v", h, err, s.header)
	}
	client.bytes = client.bytes[:HeaderSize-1]
	_, err := LoadHeader(t.Context(), OpenFrom(client), f)
	if !errors.Is(err, ErrTruncated) || !strings.HasPrefix(err.Error(), IDOf(f).String()+": ") {
		t.Errorf("got %v, want ErrTruncated that names %s", err, IDOf(f))
	}
	var failed *FileError
	_, err = LoadHeader(t.Context(), OpenFrom(client), file(2, 3, 5, 0))
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &failed) {
		t.Errorf("got %v, want fs.ErrNotExist as it is", err)
	}
}

func TestFileID(t *testing.T) {
	want := "level 9 file 0000000000000001-00000000000000ff.ltx"
	if got := IDOf(file(9, 1, 255, 7)).String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&FileError{}).Error(); !strings.HasPrefix(got, FileID{}.String()) {
		t.Errorf("an error of no file: %q", got)
	}
}
