package ltx

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// FileID is what tells the files of a replica apart. It is a key for maps.
type FileID struct {
	Level            int
	MinTXID, MaxTXID TXID
}

// IDOf returns the ID of a listed file, the zero FileID of nil.
func IDOf(f *FileInfo) FileID {
	if f == nil {
		return FileID{}
	}
	return FileID{f.Level, f.MinTXID, f.MaxTXID}
}

// String is how errors name a file: "level 0 file <min>-<max>.ltx".
func (id FileID) String() string {
	return fmt.Sprintf("level %d file %s", id.Level, FormatName(id.MinTXID, id.MaxTXID))
}

// OpenFunc opens a file of a replica from offset, with at most length bytes if
// length is not 0. What it returns must fail when ctx ends.
type OpenFunc func(ctx context.Context, f *FileInfo, offset, length int64) (io.ReadCloser, error)

// Opener is what opens the files of a replica: every client of a replica is one.
type Opener interface {
	OpenLTXFile(ctx context.Context, level int, minTXID, maxTXID TXID, offset, size int64) (io.ReadCloser, error)
}

// OpenFrom returns a function that opens the files of a client; nil for nil.
func OpenFrom(client Opener) OpenFunc {
	if client == nil {
		return nil
	}
	return func(ctx context.Context, f *FileInfo, offset, length int64) (io.ReadCloser, error) {
		return client.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, offset, length)
	}
}

// LoadHeader opens a file and reads its header, in one request of [HeaderSize]
// bytes. It does not compare the header with f: see [CheckInfo]. An error of open
// is returned as it is, any other one as a [*FileError].
func LoadHeader(ctx context.Context, open OpenFunc, f *FileInfo) (Header, error) {
	switch {
	case f == nil:
		return Header{}, errNoFile
	case open == nil:
		return Header{}, errNoOpen
	}
	rc, err := open(ctx, f, 0, HeaderSize)
	if err != nil {
		return Header{}, err
	}
	defer rc.Close()
	h, err := ReadHeader(rc)
	if err != nil {
		return Header{}, &FileError{f, err}
	}
	return h, nil
}

// Errors of arguments that are missing.
var (
	errNoFile = errors.New("no LTX file given")
	errNoOpen = errors.New("no function given to open LTX files with")
)

// FileError says what is wrong with one of the files of a chain, or why it could
// not be read.
type FileError struct {
	File *FileInfo
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", IDOf(e.File), e.Err) }

func (e *FileError) Unwrap() error { return e.Err }
