package v3compat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pierrec/lz4/v4"
)

const testKey = "generations/0123456789abcdef/snapshots/00000000.snapshot.lz4"

// decompress reads an object to the end, and checks that an error names it.
func decompress(t testing.TB, object []byte) ([]byte, error) {
	t.Helper()
	r := newFrameReader(testKey, io.NopCloser(bytes.NewReader(object)))
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil && !strings.Contains(err.Error(), testKey) {
		t.Errorf("error %q does not name %s", err, testKey)
	}
	return data, err
}

// noise is n bytes that LZ4 stores as they are.
func noise(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	return data
}

func text(n int) []byte {
	return bytes.Repeat([]byte("it is one long and quite dull line\n"), n/35+1)[:n]
}

// mixed has compressed, stored, and partial blocks at a block size of 64 KiB.
func mixed() []byte {
	return slices.Concat(text(64<<10), noise(64<<10), text(1000))
}

func smallBlocks() []lz4.Option {
	return []lz4.Option{lz4.BlockSizeOption(lz4.Block64Kb)}
}

func TestFrame(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		opts []lz4.Option
	}{
		"nothing":         {nil, nil},
		"a byte":          {[]byte("x"), nil},
		"several blocks":  {mixed(), smallBlocks()},
		"block checksums": {mixed(), append(smallBlocks(), lz4.BlockChecksumOption(true))},
		"content size":    {mixed(), append(smallBlocks(), lz4.SizeOption(uint64(len(mixed()))))},
		"one large block": {append(text(5<<20), noise(1<<20)...), nil},
	} {
		object := compress(t, test.data, test.opts...)
		if got, err := decompress(t, object); err != nil || !bytes.Equal(got, test.data) {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(test.data))
		}
		slow := newFrameReader(testKey, io.NopCloser(iotest.OneByteReader(bytes.NewReader(object))))
		if len(test.data) > 1<<20 {
			continue
		}
		if got, err := io.ReadAll(iotest.OneByteReader(slow)); err != nil || !bytes.Equal(got, test.data) {
			t.Errorf("%s, byte by byte: got %d bytes, %v, want %d", name, len(got), err, len(test.data))
		}
	}
}

func TestFrameOfLitestream(t *testing.T) {
	for name, object := range realNames(t, SnapshotsDir) {
		if data, err := decompress(t, object); err != nil || !bytes.HasPrefix(data, []byte(dbMagic)) {
			t.Errorf("%s: %d bytes, %v, want a database", name, len(data), err)
		}
	}
}

// frames are what damage is done to: frames of Litestream's, and one with every
// feature.
func frames(t testing.TB) map[string][]byte {
	all := map[string][]byte{
		"features": compress(t, text(150), lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true),
			lz4.SizeOption(150)),
		"stored": compress(t, noise(100), smallBlocks()...),
	}
	smallest := ""
	for name, object := range realNames(t, WALDir) {
		if smallest == "" || len(object) < len(all[smallest]) {
			delete(all, smallest)
			smallest, all[name] = name, object
		}
	}
	return all
}

func TestFrameTruncated(t *testing.T) {
	for name, object := range frames(t) {
		for n := range len(object) {
			if _, err := decompress(t, object[:n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s, %d of %d bytes: %v, want ErrTruncated", name, n, len(object), err)
			}
		}
	}
	object := compress(t, mixed(), smallBlocks()...)
	for n := 0; n < len(object); n += 97 {
		if _, err := decompress(t, object[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("several blocks, %d of %d bytes: %v, want ErrTruncated", n, len(object), err)
		}
	}
}

// No change of one byte goes unnoticed, unless it changes nothing: a match may
// point to another place with the same bytes.
func TestFrameFlippedByte(t *testing.T) {
	for name, object := range frames(t) {
		want, err := decompress(t, object)
		if err != nil {
			t.Fatal(err)
		}
		for i := range object {
			checkFlipped(t, name, object, want, i, 1<<(i%8))
		}
		for i := range 15 { // header and first block size
			for flip := range 255 {
				if len(want) < 1000 || flip%16 == 0 { // one of the frames has large blocks
					checkFlipped(t, name, object, want, i, byte(flip+1))
				}
			}
		}
	}
}

func checkFlipped(t *testing.T, name string, object, want []byte, i int, flip byte) {
	t.Helper()
	damaged := slices.Clone(object)
	damaged[i] ^= flip
	got, err := decompress(t, damaged)
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) && (err != nil || !bytes.Equal(got, want)) {
		t.Errorf("%s, byte %d ^ %02x: %v, want an error", name, i, flip, err)
	}
}

func TestFrameCorrupt(t *testing.T) {
	whole := compress(t, text(1000))
	legacy := compress(t, text(1000), lz4.LegacyOption(true))
	skippable := binary.LittleEndian.AppendUint32(nil, 0x184D2A50)
	skippable = append(binary.LittleEndian.AppendUint32(skippable, 3), "abc"...)
	hugeBlock := slices.Clone(whole)
	binary.LittleEndian.PutUint32(hugeBlock[7:], 0x7fffffff)
	for name, object := range map[string][]byte{
		"trailing byte":       append(slices.Clone(whole), 0),
		"a second frame":      slices.Concat(whole, whole),
		"skippable after":     slices.Concat(whole, skippable),
		"skippable before":    slices.Concat(skippable, whole),
		"legacy frame":        legacy,
		"no frame":            []byte("SQLite format 3\x00 and more"),
		"no content checksum": compress(t, text(1000), lz4.ChecksumOption(false)),
		"huge block":          hugeBlock,
	} {
		if _, err := decompress(t, object); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

func TestFrameEncrypted(t *testing.T) {
	_, err := decompress(t, []byte("age-encryption.org/v1\n-> X25519 abc\n"))
	if !errors.Is(err, ErrEncrypted) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrEncrypted", err)
	}
	if _, err := decompress(t, []byte("age-")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("only the first bytes of it: %v, want ErrCorrupt", err)
	}
}

// A connection that breaks is not damage.
func TestFrameSourceFails(t *testing.T) {
	object := compress(t, mixed(), smallBlocks()...)
	for _, cause := range []error{io.ErrUnexpectedEOF, context.Canceled, errors.New("reset by peer")} {
		for _, n := range []int{0, 3, 6, 9, 20, len(object) - 6, len(object) - 1, len(object)} {
			src := io.MultiReader(bytes.NewReader(object[:n]), iotest.ErrReader(cause))
			r := newFrameReader(testKey, io.NopCloser(src))
			_, err := io.ReadAll(r)
			if !errors.Is(err, cause) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) {
				t.Errorf("after %d bytes: %v, want %v only", n, err, cause)
			}
			if _, again := r.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("after %d bytes: the next read gives %v, want %v again", n, again, err)
			}
		}
	}
}

type closeCounter struct {
	io.Reader
	n int
}

func (c *closeCounter) Close() error { c.n++; return nil }

// An engine's error may carry io.EOF; it is not an end.
func TestFrameSourceFailsWithEOF(t *testing.T) {
	object := compress(t, text(1000))
	for _, n := range []int{0, 10, len(object)} {
		src := io.MultiReader(bytes.NewReader(object[:n]), iotest.ErrReader(fmt.Errorf("get: %w", io.EOF)))
		_, err := io.ReadAll(newFrameReader(testKey, io.NopCloser(src)))
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, ErrTruncated) {
			t.Errorf("after %d bytes: %v, want io.ErrUnexpectedEOF only", n, err)
		}
	}
}

func TestFrameClose(t *testing.T) {
	for _, read := range []int64{0, 10, 1 << 20} {
		src := &closeCounter{Reader: bytes.NewReader(compress(t, mixed(), smallBlocks()...))}
		r := newFrameReader(testKey, src)
		if _, err := io.CopyN(io.Discard, r, read); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Errorf("close after %d bytes: %v", read, err)
			}
		}
		if src.n != 1 {
			t.Errorf("the object was closed %d times, want once", src.n)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read after close: %v, want fs.ErrClosed", err)
		}
	}
}

// Memory does not grow with the content.
func TestFrameMemory(t *testing.T) {
	const size = 256 << 20
	var buf bytes.Buffer
	w := lz4.NewWriter(&buf)
	for range size / (1 << 20) {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := newFrameReader(testKey, io.NopCloser(&buf))
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	runtime.ReadMemStats(&after)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v, want %d", n, err, size)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("%d bytes allocated to read %d", got, size)
	}
}
