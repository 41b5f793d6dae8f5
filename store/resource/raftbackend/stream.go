package raftbackend

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/replctl/replicate/store/resource"
)

// WriteTo implements io.WriterTo, for hosts whose snapshots are a stream: it writes the records
// that are left, each behind its length as a varint.
func (s *Snapshot) WriteTo(w io.Writer) (written int64, err error) {
	for {
		record, err := s.Next()
		if err != nil || record == nil {
			return written, err
		}
		n, err := w.Write(protowire.AppendBytes(nil, record))
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("write snapshot: %w", err)
		}
	}
}

// ReadFrom implements io.ReaderFrom: it applies the records of a stream that WriteTo has
// written, to its end. The caller commits. It holds one record in memory, of at most 2 MiB. A stream
// that was cut short inside a record is resource.ErrCorrupt here, and between two in Commit.
func (r *Restoration) ReadFrom(from io.Reader) (read int64, err error) {
	in := bufio.NewReader(from)
	for {
		record, n, err := readRecord(in)
		read += n
		if errors.Is(err, io.EOF) && n == 0 {
			return read, nil
		}
		if err == nil {
			err = r.Apply(record)
		}
		if err != nil {
			return read, fmt.Errorf("read snapshot: %w", r.fail(err))
		}
	}
}

// fail has Commit refuse, too.
func (r *Restoration) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// readRecord returns a record, and how many bytes it took. At the end of the stream that is 0,
// and the error io.EOF.
func readRecord(in *bufio.Reader) (record []byte, read int64, err error) {
	start, err := in.Peek(binary.MaxVarintLen64) // fewer at the end, with io.EOF
	size, n := protowire.ConsumeVarint(start)
	switch {
	case len(start) == 0 || err != nil && !errors.Is(err, io.EOF):
		return nil, 0, err
	case n < 0:
		return nil, int64(len(start)), corrupt(protowire.ParseError(n))
	case size > maxMessage:
		return nil, int64(n), fmt.Errorf("%w: a record of %d bytes, at most %d allowed",
			resource.ErrCorrupt, size, maxMessage)
	}
	if _, err := in.Discard(n); err != nil {
		return nil, 0, err
	}
	record = make([]byte, size)
	rest, err := io.ReadFull(in, record)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = corrupt(errCutShort)
	}
	return record, int64(n + rest), err
}
