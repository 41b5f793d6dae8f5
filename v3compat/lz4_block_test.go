package v3compat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// readBlocks reads an object block by block, as a restore does.
func readBlocks(object []byte) ([]byte, error) {
	r := newBlockReader(testKey, iotest.DataErrReader(bytes.NewReader(object)))
	var data, dictionary []byte
	for {
		block, raw, err := r.next(nil)
		if errors.Is(err, io.EOF) {
			return data, r.checkContent(xxh32Of(data), uint64(len(data)))
		}
		if err != nil {
			return nil, err
		}
		if !raw {
			if r.flags&flagIndependent == 0 {
				dictionary = lastWindow(nil, data)
			}
			if block, err = decompressBlock(block, nil, dictionary, r.source.blockMax); err != nil {
				return nil, &ObjectError{testKey, err}
			}
		}
		data = append(data, block...)
	}
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

// sameAsReader checks that both ways to read an object come to the same end.
func sameAsReader(t testing.TB, name string, object []byte) {
	t.Helper()
	want, wantErr := decompress(t, object)
	got, err := readBlocks(object)
	if !errors.Is(kind(err), kind(wantErr)) || err == nil && !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes, %v, want %d, %v", name, len(got), err, len(want), wantErr)
	}
}

// dependent is a frame whose blocks refer to the one before: the encoder does
// not write it, but a block that is stored as it is, and one that refers to it.
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
	header := []byte{flagVersion | flagContentSum, 4 << 4}
	object = binary.LittleEndian.AppendUint32(nil, frameMagic)
	object = append(object, header...)
	object = append(object, byte(xxh32Of(header)>>8))
	object = binary.LittleEndian.AppendUint32(object, blockRaw|uint32(len(first)))
	object = append(object, first...)
	object = binary.LittleEndian.AppendUint32(object, uint32(len(block)))
	object = append(object, block...)
	object = binary.LittleEndian.AppendUint32(object, 0)
	content = slices.Concat(first, second)
	return binary.LittleEndian.AppendUint32(object, xxh32Of(content)), content
}

func TestDependentBlocks(t *testing.T) {
	object, want := dependent(t)
	if got, err := readBlocks(object); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
	sameAsReader(t, "dependent", object)
}

func TestBlocks(t *testing.T) {
	for name, object := range frames(t) {
		sameAsReader(t, name, object)
		for n := range len(object) {
			sameAsReader(t, name+" cut", object[:n])
			changed := bytes.Clone(object)
			changed[n] ^= 1 << (n % 8)
			sameAsReader(t, name+" changed", changed)
		}
		sameAsReader(t, name+" twice", append(bytes.Clone(object), object...))
	}
	sameAsReader(t, "empty block", []byte("\x04\"M\x18dp\xb9\x00\x00\x00\x80\x00\x00\x00\x00\x05\x5d\xcc\x02"))
	sameAsReader(t, "reserved bits", []byte("\x04\"M\x18|\xc2B00000000"))
	sameAsReader(t, "mixed", compress(t, mixed(), smallBlocks()...))
	sameAsReader(t, "large", compress(t, append(text(5<<20), noise(1<<20)...)))
}

func TestXXH32(t *testing.T) {
	for data, want := range map[string]uint32{
		"":    0x02cc5d05,
		"a":   0x550d7456,
		"abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := xxh32Of([]byte(data)); got != want {
			t.Errorf("%q: got %08x, want %08x", data, got, want)
		}
	}
	data := noise(100)
	for n := range data {
		h := newXXH32()
		for part := range slices.Chunk(data, n+1) {
			h.write(part)
		}
		if got, want := h.sum(), xxh32Of(data); got != want {
			t.Errorf("in parts of %d: got %08x, want %08x", n+1, got, want)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	for _, object := range frames(f) {
		f.Add(object)
	}
	object, _ := dependent(f)
	f.Add(object[:200])
	f.Fuzz(func(t *testing.T, object []byte) {
		// Of what is wrong in two ways each may name another.
		want, wantErr := decompress(t, object)
		got, err := readBlocks(object)
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d, %v", len(got), err, len(want), wantErr)
		}
		if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrEncrypted) {
			t.Errorf("got %v, which is neither truncated nor corrupt", err)
		}
	})
}
