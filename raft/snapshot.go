package raft

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/cas"
)

// A snapshot is a stream:
//
//	"replicate raft snapshot 1\n" index
//	{ 'r' key index value }            the records, in the order of their keys
//	[ 'p' { 'x' bytes } ]              the state of the Part, if there is one, in pieces
//	'e' count sum                      the number of records, and SHA-256 of all bytes before sum
//
// Numbers are unsigned varints; keys, values and pieces have their length before them. A
// stream that is cut or changed is ErrCorrupt.
const snapshotMagic = "replicate raft snapshot 1\n"

// maxPiece is the longest piece of the Part's state, in bytes.
const maxPiece = 64 << 10

// ErrCorrupt: a snapshot is not whole.
var ErrCorrupt = errors.New("corrupt snapshot")

// Snapshot implements [hraft.FSM]. It copies nothing: a state never changes.
func (f *fsm) Snapshot() (hraft.FSMSnapshot, error) {
	if err := f.failure(); err != nil {
		return nil, err
	}
	s := &snapshot{state: f.now.Load()}
	if f.part != nil {
		var err error
		if s.part, err = f.part.Snapshot(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// snapshot is a state on its way to the disk.
type snapshot struct {
	state *state
	part  io.WriterTo // nil without a Part
}

// Persist implements [hraft.FSMSnapshot].
func (s *snapshot) Persist(sink hraft.SnapshotSink) error {
	if err := s.write(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release implements [hraft.FSMSnapshot].
func (s *snapshot) Release() {}

func (s *snapshot) write(to io.Writer) error {
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), maxPiece)
	_, _ = w.Write(binary.AppendUvarint([]byte(snapshotMagic), s.state.index)) // Flush returns the error
	it := s.state.records.Root().Iterator()
	var b []byte
	for key, r, ok := it.Next(); ok; key, r, ok = it.Next() {
		b = append(binary.AppendUvarint(append(b[:0], 'r'), uint64(len(key))), key...)
		b = binary.AppendUvarint(binary.AppendUvarint(b, r.index), uint64(len(r.value)))
		_, _ = w.Write(b)
		if _, err := w.Write(r.value); err != nil {
			return err
		}
	}
	if s.part != nil {
		_ = w.WriteByte('p')
		if _, err := s.part.WriteTo(pieces{w}); err != nil {
			return err
		}
	}
	_, _ = w.Write(binary.AppendUvarint([]byte{'e'}, uint64(s.state.records.Len())))
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

// pieces writes the state of the Part.
type pieces struct{ w *bufio.Writer }

// Write implements [io.Writer].
func (p pieces) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), maxPiece)]
		_, _ = p.w.Write(binary.AppendUvarint([]byte{'x'}, uint64(len(piece))))
		if _, err := p.w.Write(piece); err != nil {
			return n, err
		}
		n, b = n+len(piece), b[len(piece):]
	}
	return n, nil
}

// Restore implements [hraft.FSM]. What was there stays if the snapshot is not whole.
func (f *fsm) Restore(from io.ReadCloser) error {
	defer from.Close()
	records, index, rest, err := readSnapshot(from)
	if err == nil {
		err = f.restorePart(rest)
	}
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	f.replace(records, index)
	return nil
}

// restorePart reads the rest of a snapshot, to its end.
func (f *fsm) restorePart(rest *partReader) error {
	switch {
	case f.part != nil:
		if err := f.part.Restore(rest); err != nil {
			return err
		}
	case rest.present:
		return errNoPart
	}
	_, err := io.Copy(io.Discard, rest) // what the Part has not read, and the seal
	return err
}

// readSnapshot reads the records of a snapshot. The rest is the state of the Part, empty
// without one; it ends with io.EOF only if the whole stream is sound.
func readSnapshot(from io.Reader) (*iradix.Tree[record], uint64, *partReader, error) {
	in := &summed{from: bufio.NewReaderSize(from, maxPiece), sum: sha256.New()}
	if magic, err := in.take(len(snapshotMagic)); err != nil || string(magic) != snapshotMagic {
		return nil, 0, nil, corrupt(errors.New("it does not begin as one of version 1"), err)
	}
	index, err := in.number(1<<64 - 1)
	if err != nil {
		return nil, 0, nil, corrupt(err, nil)
	}
	txn, last, n := iradix.New[record]().Txn(), []byte(nil), uint64(0)
	for {
		tag, err := in.ReadByte()
		if err != nil {
			return nil, 0, nil, corrupt(err, nil)
		}
		if tag != 'r' {
			rest := &partReader{in: in, tag: tag, records: n, present: tag == 'p'}
			return txn.Commit(), index, rest, nil
		}
		key, r, err := in.record(index)
		if err == nil && n > 0 && bytes.Compare(last, key) >= 0 {
			err = fmt.Errorf("key %.40q after %.40q", key, last)
		}
		if err != nil {
			return nil, 0, nil, corrupt(err, nil)
		}
		txn.Insert(key, r)
		last, n = key, n+1
	}
}

func corrupt(err, cause error) error {
	if cause != nil {
		err = cause
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// summed reads fields of a stream, and keeps the checksum of what was read.
type summed struct {
	from *bufio.Reader
	sum  hash.Hash
}

// ReadByte implements [io.ByteReader].
func (s *summed) ReadByte() (byte, error) {
	c, err := s.from.ReadByte()
	if err == nil {
		s.sum.Write([]byte{c})
	}
	return c, err
}

func (s *summed) number(limit uint64) (uint64, error) {
	v, err := binary.ReadUvarint(s)
	if err == nil && v > limit {
		err = fmt.Errorf("%d, at most %d allowed", v, limit)
	}
	return v, err
}

// take reads n bytes into a slice of its own.
func (s *summed) take(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.from, b)
	if err != nil {
		return nil, err
	}
	s.sum.Write(b)
	return b, nil
}

func (s *summed) field(limit uint64) ([]byte, error) {
	n, err := s.number(limit)
	if err != nil {
		return nil, err
	}
	return s.take(int(n))
}

func (s *summed) record(index uint64) (key []byte, r record, err error) {
	if key, err = s.field(maxStoredKey); err != nil {
		return nil, r, err
	}
	if r.index, err = s.number(index); err != nil {
		return nil, r, err
	}
	if r.index == 0 || len(key) == 0 {
		return nil, r, fmt.Errorf("record %.40q of log entry %d", key, r.index)
	}
	r.value, err = s.field(cas.MaxValueSize)
	return key, r, err
}

// partReader reads the state of the Part, and the seal behind it.
type partReader struct {
	in      *summed
	tag     byte // the one that was read last
	present bool // there is a Part in the snapshot
	records uint64
	left    []byte // of the present piece
	err     error
}

// Read implements [io.Reader].
func (p *partReader) Read(b []byte) (int, error) {
	for p.err == nil && len(p.left) == 0 {
		p.next()
	}
	if len(p.left) == 0 {
		return 0, p.err
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// next reads a piece, or the seal.
func (p *partReader) next() {
	var err error
	if p.tag == 'p' || p.tag == 'x' {
		if p.tag, err = p.in.ReadByte(); err == nil && p.tag == 'x' {
			p.left, err = p.in.field(maxPiece)
		}
	}
	switch {
	case err != nil:
		p.err = corrupt(err, nil)
	case p.tag == 'e':
		if p.err = p.seal(); p.err == nil {
			p.err = io.EOF
		}
	case p.tag != 'x' || !p.present:
		p.err = corrupt(fmt.Errorf("tag %q", p.tag), nil)
	}
}

func (p *partReader) seal() error {
	n, err := p.in.number(1<<64 - 1)
	want := p.in.sum.Sum(nil)
	if err != nil {
		return corrupt(err, nil)
	}
	got, err := p.in.take(len(want))
	switch {
	case err != nil:
		return corrupt(err, nil)
	case n != p.records || !bytes.Equal(got, want):
		return corrupt(errors.New("its checksum is another one"), nil)
	}
	if _, err := p.in.from.ReadByte(); !errors.Is(err, io.EOF) {
		return corrupt(errors.New("something follows its end"), err)
	}
	return nil
}
