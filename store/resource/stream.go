package resource

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/replctl/replicate/cas"
)

// The package comment describes the stream.
const streamFormat = "resource-snapshot/1"

// maxLine is the longest line with its newline, in bytes: a resource, with its version
// and what is around it.
const maxLine = MaxResourceSize + 1<<10

// streamLine is a line of a stream: one of the three.
type streamLine struct {
	Format   string     `json:"format,omitempty"`
	Version  string     `json:"version,omitempty"` // Snapshot.Version, with Format
	Resource *Resource  `json:"resource,omitempty"`
	End      *streamEnd `json:"end,omitempty"`
}

type streamEnd struct {
	Resources int    `json:"resources"`
	SHA256    string `json:"sha256"`
}

// WriteSnapshot writes what is left of a snapshot to w, in the form that [ReadSnapshot]
// reads.
func WriteSnapshot(w io.Writer, s Snapshot) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	write := func(line streamLine) error {
		encoded, err := json.Marshal(line)
		if err == nil && len(encoded) >= maxLine {
			err = fmt.Errorf("%w: a line of %d bytes", cas.ErrTooLarge, len(encoded))
		}
		if err == nil {
			_, err = out.Write(append(encoded, '\n'))
		}
		return err
	}
	err := write(streamLine{Format: streamFormat, Version: s.Version()})
	n := 0
	for r := s.Next(); r != nil && err == nil; r = s.Next() {
		err = write(streamLine{Resource: r})
		n++
	}
	if err == nil {
		err = write(streamLine{End: &streamEnd{n, hex.EncodeToString(sum.Sum(nil))}})
	}
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// ReadSnapshot reads what [WriteSnapshot] has written, to the end of r, and applies it to
// a restoration. The caller commits. After an error the restoration is aborted.
//
// A stream that was changed, or that something follows, is ErrCorrupt. One that was cut
// short is io.ErrUnexpectedEOF as well. Errors of r and of the restoration are returned.
// ReadSnapshot itself holds one line in memory, of 769 KiB at most.
func ReadSnapshot(r io.Reader, into Restoration) error {
	if err := readSnapshot(r, into); err != nil {
		into.Abort()
		return fmt.Errorf("read snapshot: %w", err)
	}
	return nil
}

func readSnapshot(r io.Reader, into Restoration) error {
	lines := &lineReader{in: bufio.NewReaderSize(r, maxLine), sum: sha256.New()}
	head, err := lines.next()
	if err != nil {
		return err
	}
	if head.Format != streamFormat {
		return fmt.Errorf("%w: the stream has format %.40q, this program reads %q", ErrCorrupt, head.Format, streamFormat)
	}
	if err := into.Above(head.Version); err != nil {
		return err
	}
	for n := 0; ; n++ {
		sum := hex.EncodeToString(lines.sum.Sum(nil))
		line, err := lines.next()
		switch {
		case err != nil:
			return err
		case line.End != nil && *line.End != streamEnd{n, sum}:
			return fmt.Errorf("%w: the checksum or the number of resources, %d, does not match", ErrCorrupt, n)
		case line.End != nil:
			return lines.end()
		case line.Resource == nil:
			return fmt.Errorf("%w: line %d has no resource", ErrCorrupt, n+2)
		}
		if err := into.Apply(line.Resource); err != nil {
			return err
		}
	}
}

// lineReader reads the lines of a stream.
type lineReader struct {
	in  *bufio.Reader
	sum hash.Hash // of what was read
}

func (l *lineReader) next() (line streamLine, err error) {
	encoded, err := l.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return line, fmt.Errorf("%w: a line of more than %d bytes", ErrCorrupt, maxLine)
	case errors.Is(err, io.EOF):
		return line, fmt.Errorf("%w: the stream was cut short: %w", ErrCorrupt, io.ErrUnexpectedEOF)
	case err != nil:
		return line, err
	}
	l.sum.Write(encoded)
	strict := json.NewDecoder(bytes.NewReader(encoded))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&line); err != nil {
		return line, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if strict.More() {
		return line, fmt.Errorf("%w: a line with more than one value", ErrCorrupt)
	}
	return line, nil
}

// end makes sure that nothing follows.
func (l *lineReader) end() error {
	switch _, err := l.in.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: something follows the end of the stream", ErrCorrupt)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}
