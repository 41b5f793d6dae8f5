package v3compat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/pierrec/lz4/v4"
)

// readBlocks reads an object as a restore does, a whole block at a time, which is
// decompressed into the caller's buffer.
func readBlocks(object, buf []byte) (data []byte, err error) {
	r := newFrameReader(testKey, io.NopCloser(iotest.DataErrReader(bytes.NewReader(object))))
	defer r.Close()
	for err == nil {
		var n int
		n, err = r.Read(buf)
		data = append(data, buf[:n]...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

// kind is what a caller can tell of an error.
func kind(err error) error {
	for _, kind := range []error{ErrTruncated, ErrCorrupt, ErrEncrypted} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return err
}

// sameInBlocks checks that both ways to read an object come to the same end.
func sameInBlocks(t testing.TB, name string, object, buf []byte) {
	t.Helper()
	want, wantErr := decompress(t, object)
	got, err := readBlocks(object, buf)
	if !errors.Is(kind(err), kind(wantErr)) || err == nil && !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes, %v, want %d, %v", name, len(got), err, len(want), wantErr)
	}
}

// dependent is a frame whose blocks refer to the one before. Litestream does not
// write such frames, and the encoder cannot: the first block is stored as it is.
func dependent(t testing.TB) (object, content []byte) {
	first := noise(64 << 10)
	second := slices.Concat(first[10:5000], []byte("and an end"))
	block := []byte{0x0f, 0xf6, 0xff} // no literals, and a match 65526 bytes before
	length := 4990 - 4 - 15
	for ; length >= 255; length -= 255 {
		block = append(block, 255)
	}
	block = append(block, byte(length), 10<<4)
	block = append(block, "and an end"...)
	object = binary.LittleEndian.AppendUint32(nil, frameMagic)
	object = append(object, 0x40|flagContentSum, 0x40, 0x5e) // version 1, blocks of 64 KiB, checksum of both
	object = binary.LittleEndian.AppendUint32(object, blockRaw|uint32(len(first)))
	object = append(object, first...)
	object = binary.LittleEndian.AppendUint32(object, uint32(len(block)))
	object = append(object, block...)
	content = slices.Concat(first, second)
	end := compress(t, content)
	return append(object, end[len(end)-8:]...), content
}

func TestDependentBlocks(t *testing.T) {
	object, want := dependent(t)
	if got, err := decompress(t, object); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
	sameInBlocks(t, "dependent", object, make([]byte, pieceSize))
}

func TestBlocks(t *testing.T) {
	buf := make([]byte, pieceSize)
	for name, object := range frames(t) {
		sameInBlocks(t, name, object, buf)
		for n := range len(object) {
			sameInBlocks(t, name+" cut", object[:n], buf)
			changed := bytes.Clone(object)
			changed[n] ^= 1 << (n % 8)
			sameInBlocks(t, name+" changed", changed, buf)
		}
		sameInBlocks(t, name+" twice", append(bytes.Clone(object), object...), buf)
	}
	sameInBlocks(t, "mixed", compress(t, mixed(), smallBlocks()...), buf)
	sameInBlocks(t, "large", compress(t, append(text(5<<20), noise(1<<20)...)), buf)
}

// What the encoder does not write.
func TestFrameByHand(t *testing.T) {
	for name, test := range map[string]struct {
		object string
		want   error
	}{
		"empty block":   {"\x04\"M\x18dp\xb9\x00\x00\x00\x80\x00\x00\x00\x00\x05\x5d\xcc\x02", nil},
		"reserved bits": {"\x04\"M\x18|\xc2B00000000", ErrCorrupt},
	} {
		if data, err := decompress(t, []byte(test.object)); len(data) > 0 || !errors.Is(err, test.want) {
			t.Errorf("%s: got %d bytes, %v, want none, %v", name, len(data), err, test.want)
		}
		sameInBlocks(t, name, []byte(test.object), make([]byte, pieceSize))
	}
}

// FuzzLZ4Reader decompresses anything, in two ways that agree. What decompresses
// to less than a mebibyte without an error must compress and decompress to itself.
func FuzzLZ4Reader(f *testing.F) {
	for _, object := range frames(f) {
		f.Add(object)
	}
	object, _ := dependent(f)
	f.Add(object[:200])
	f.Add([]byte{})
	f.Add(compress(f, text(1000), lz4.LegacyOption(true)))
	buf := make([]byte, pieceSize)
	f.Fuzz(func(t *testing.T, object []byte) {
		r := newFrameReader(testKey, io.NopCloser(bytes.NewReader(object)))
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if len(data) < 1<<20 {
			if got, gotErr := readBlocks(object, buf); (err == nil) != (gotErr == nil) || err == nil && !bytes.Equal(got, data) {
				t.Fatalf("in blocks: %d bytes, %v, want %d, %v", len(got), gotErr, len(data), err)
			}
		}
		if err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrEncrypted) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if again, err := decompress(t, compress(t, data)); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%d bytes came back as %d, %v", len(data), len(again), err)
		}
	})
}
