package sqlitewal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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

var errPartial = errors.New("the log ends inside a frame")

// readLog returns the frames that belong to a log, where they end, and why the next one
// does not belong to it: nil at the end of the log.
func readLog(h Header, log []byte) (frames []Frame, offset int, stop error) {
	chain, size := NewChain(h), h.FrameSize()
	for offset = HeaderSize; offset+size <= len(log); offset += size {
		f, err := chain.Next(log[offset : offset+size])
		if err != nil {
			return frames, offset, err
		}
		frames = append(frames, f)
	}
	if offset < len(log) {
		stop = errPartial
	}
	return frames, offset, stop
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

func TestChain(t *testing.T) {
	for _, h := range headers() {
		log, want := someLog(h, 3)
		parsed, err := ParseHeader(log)
		if diff := cmp.Diff(h, parsed); diff != "" || err != nil {
			t.Errorf("header: %v (-want +got):\n%s", err, diff)
		}
		got, offset, stop := readLog(parsed, log)
		if diff := cmp.Diff(want, got); diff != "" || offset != len(log) || stop != nil {
			t.Errorf("%+v: %v at %d of %d, frames (-want +got):\n%s", h, stop, offset, len(log), diff)
		}
	}
}

func TestChainStops(t *testing.T) {
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
		"one byte":    {log[:second+1], errPartial},
		"cut":         {log[:second+100], errPartial},
		"left over":   {append(bytes.Clone(log[:second]), left[second:]...), ErrSalt},
		"page 0":      {change(second+3, 0), ErrPage},
		"page number": {change(second+3, 9), ErrChecksum},
		"commit":      {change(second+7, 9), ErrChecksum},
		"data":        {change(second+30, log[second+30]^1), ErrChecksum},
		"checksum":    {change(second+20, log[second+20]^1), ErrChecksum},
	} {
		frames, offset, stop := readLog(h, test.log)
		if len(frames) != 1 || !errors.Is(stop, test.want) || offset != second {
			t.Errorf("%s: %d frames, stop %v at %d, want 1, %v at %d", name, len(frames), stop, offset, test.want, second)
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
		if _, err := ParseHeader(good[:i]); !errors.Is(err, ErrHeader) {
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

func FuzzChain(f *testing.F) {
	for _, h := range headers()[:4] {
		log, _ := someLog(h, 2)
		f.Add(log)
		f.Add(log[:len(log)-9])
		f.Add(slices.Concat(log, log[HeaderSize:]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHeader(data)
		if err != nil {
			if !errors.Is(err, ErrHeader) {
				t.Fatal(err)
			}
			return
		}
		frames, offset, stop := readLog(h, data)
		log, chain := h.Append(nil), NewChain(h)
		for _, frame := range frames {
			log = chain.Append(log, frame)
		}
		if len(log) != offset || !bytes.HasPrefix(data, log) {
			t.Errorf("the frames that were read, written again, differ from what was read, up to %d", offset)
		}
		if (stop == nil) != (len(data) == len(log)) {
			t.Errorf("stopped with %v at %d of %d bytes", stop, len(log), len(data))
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
