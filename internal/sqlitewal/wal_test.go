package sqlitewal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// someLog is a log of n frames, each the commit of a page with noise.
func someLog(h Header, n int) (log []byte, frames []Frame) {
	rng := rand.NewChaCha8([32]byte{2})
	log = h.Append(nil)
	chain := NewChain(h)
	for i := range n {
		data := make([]byte, h.PageSize)
		rng.Read(data)
		f := Frame{Pgno: uint32(n - i), Commit: uint32(n), Data: data}
		frames = append(frames, f)
		log = chain.Append(log, f)
	}
	return log, frames
}

// readAll returns what Next gives, and how it ended.
func readAll(r *Reader) (frames []Frame, err error) {
	for {
		f, err := r.Next()
		if err != nil {
			return frames, err
		}
		f.Data = bytes.Clone(f.Data)
		frames = append(frames, f)
	}
}

func headers() []Header {
	var all []Header
	for size := MinPageSize; size <= MaxPageSize; size *= 2 {
		for _, big := range []bool{false, true} {
			all = append(all, Header{BigEndian: big, PageSize: size, Sequence: 7, Salt: [2]uint32{0xfffffffe, 3}})
		}
	}
	return all
}

func TestReader(t *testing.T) {
	for _, h := range headers() {
		log, want := someLog(h, 3)
		r, err := NewReader(iotest.HalfReader(bytes.NewReader(log)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) || r.Stop() != nil {
			t.Errorf("%+v: %v, stop %v, frames (-want +got):\n%s", h, err, r.Stop(), diff)
		}
		if diff := cmp.Diff(h, r.Header()); diff != "" || r.Offset() != int64(len(log)) {
			t.Errorf("offset %d, want %d; header (-want +got):\n%s", r.Offset(), len(log), diff)
		}
	}
}

func TestReaderStops(t *testing.T) {
	h := Header{PageSize: 512, Salt: [2]uint32{1, 2}}
	log, _ := someLog(h, 4)
	old := Header{PageSize: 512, Salt: [2]uint32{0, 9}}
	left, _ := someLog(old, 4)
	second := HeaderSize + h.FrameSize()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(log)
		b[at] = to
		return b
	}
	for name, test := range map[string]struct {
		log  []byte
		want error
	}{
		"end":         {log[:second], nil},
		"one byte":    {log[:second+1], ErrPartial},
		"cut":         {log[:second+100], ErrPartial},
		"left over":   {append(bytes.Clone(log[:second]), left[second:]...), ErrSalt},
		"page 0":      {change(second+3, 0), ErrPage},
		"page number": {change(second+3, 9), ErrChecksum},
		"commit":      {change(second+7, 9), ErrChecksum},
		"data":        {change(second+30, log[second+30]^1), ErrChecksum},
		"checksum":    {change(second+20, log[second+20]^1), ErrChecksum},
	} {
		r, err := NewReader(bytes.NewReader(test.log))
		if err != nil {
			t.Fatal(err)
		}
		frames, err := readAll(r)
		if len(frames) != 1 || !errors.Is(err, io.EOF) || !errors.Is(r.Stop(), test.want) || r.Offset() != int64(second) {
			t.Errorf("%s: %d frames, %v, stop %v, offset %d, want 1, EOF, %v, %d", name, len(frames), err, r.Stop(), r.Offset(),
				test.want, second)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: again: %v, want EOF", name, err)
		}
	}
}

func TestReaderOfBrokenStream(t *testing.T) {
	log, _ := someLog(Header{PageSize: 512}, 2)
	for _, fault := range []error{io.ErrUnexpectedEOF, errors.New("connection reset")} {
		for _, n := range []int{0, 10, HeaderSize, HeaderSize + 5, len(log)} {
			r, err := NewReader(io.MultiReader(bytes.NewReader(log[:n]), iotest.ErrReader(fault)))
			if err == nil {
				_, err = readAll(r)
			}
			if !errors.Is(err, fault) {
				t.Errorf("after %d bytes: %v, want %v", n, err, fault)
			}
		}
	}
}

func TestHeader(t *testing.T) {
	good := Header{PageSize: 4096, Sequence: 1, Salt: [2]uint32{3, 4}}.Append(nil)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x11
		if _, err := ParseHeader(bad); !errors.Is(err, ErrHeader) {
			t.Errorf("byte %d changed: %v, want %v", i, err, ErrHeader)
		}
		if _, err := NewReader(bytes.NewReader(good[:i])); i > 0 && !errors.Is(err, ErrHeader) ||
			i == 0 && !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

// plainChecksum is the loop of the specification.
func plainChecksum(order binary.ByteOrder, c Checksum, data []byte) Checksum {
	for i := 0; i < len(data); i += 8 {
		c[0] += order.Uint32(data[i:]) + c[1]
		c[1] += order.Uint32(data[i+4:]) + c[0]
	}
	return c
}

func TestChecksum(t *testing.T) {
	data := make([]byte, 4096+24)
	rng := rand.NewChaCha8([32]byte{3})
	rng.Read(data)
	start := Checksum{0xdeadbeef, 0x87654321}
	for n := 0; n <= len(data); n += 8 {
		if got, want := start.Update(false, data[:n]), plainChecksum(binary.LittleEndian, start, data[:n]); got != want {
			t.Fatalf("%d bytes, little-endian: got %08x, want %08x", n, got, want)
		}
		if got, want := start.Update(true, data[:n]), plainChecksum(binary.BigEndian, start, data[:n]); got != want {
			t.Fatalf("%d bytes, big-endian: got %08x, want %08x", n, got, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, h := range headers()[:4] {
		log, _ := someLog(h, 2)
		f.Add(log)
		f.Add(log[:len(log)-9])
		f.Add(slices.Concat(log, log[HeaderSize:]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrHeader) && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return
		}
		log := r.Header().Append(nil)
		chain := NewChain(r.Header())
		for {
			frame, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			log = chain.Append(log, frame)
		}
		if int64(len(log)) != r.Offset() || !bytes.HasPrefix(data, log) {
			t.Errorf("the frames that were read, written again, differ from what was read, up to %d", r.Offset())
		}
		if (r.Stop() == nil) != (len(data) == len(log)) {
			t.Errorf("stopped with %v at %d of %d bytes", r.Stop(), len(log), len(data))
		}
	})
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 64<<10)
	for _, big := range []bool{false, true} {
		b.Run(fmt.Sprintf("bigEndian=%v", big), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var c Checksum
			for b.Loop() {
				c = c.Update(big, data)
			}
		})
	}
}
