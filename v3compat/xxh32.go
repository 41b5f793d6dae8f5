package v3compat

import (
	"encoding/binary"
	"math/bits"
)

const (
	xxhPrime1 uint32 = 2654435761
	xxhPrime2 uint32 = 2246822519
	xxhPrime3 uint32 = 3266489917
	xxhPrime4 uint32 = 668265263
	xxhPrime5 uint32 = 374761393
)

// xxh32 is the checksum of LZ4 frames: XXH32 with seed 0.
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
type xxh32 struct {
	lanes  [4]uint32
	length uint64
	rest   [16]byte // what did not fill a stripe yet: length%16 bytes
}

func newXXH32() *xxh32 {
	one := xxhPrime1
	return &xxh32{lanes: [4]uint32{one + xxhPrime2, xxhPrime2, 0, -one}}
}

func xxh32Of(data []byte) uint32 {
	h := newXXH32()
	h.write(data)
	return h.sum()
}

func (h *xxh32) write(p []byte) {
	have := int(h.length % 16)
	h.length += uint64(len(p))
	if have > 0 {
		n := copy(h.rest[have:], p)
		if p = p[n:]; have+n < 16 {
			return
		}
		h.stripes(h.rest[:])
	}
	h.stripes(p)
	copy(h.rest[:], p[len(p)&^15:])
}

// stripes takes in as many whole stripes of 16 bytes as there are.
func (h *xxh32) stripes(p []byte) {
	a, b, c, d := h.lanes[0], h.lanes[1], h.lanes[2], h.lanes[3]
	for len(p) >= 16 {
		a = bits.RotateLeft32(a+binary.LittleEndian.Uint32(p)*xxhPrime2, 13) * xxhPrime1
		b = bits.RotateLeft32(b+binary.LittleEndian.Uint32(p[4:8])*xxhPrime2, 13) * xxhPrime1
		c = bits.RotateLeft32(c+binary.LittleEndian.Uint32(p[8:12])*xxhPrime2, 13) * xxhPrime1
		d = bits.RotateLeft32(d+binary.LittleEndian.Uint32(p[12:16])*xxhPrime2, 13) * xxhPrime1
		p = p[16:]
	}
	h.lanes = [4]uint32{a, b, c, d}
}

func (h *xxh32) sum() uint32 {
	acc := xxhPrime5
	if h.length >= 16 {
		acc = bits.RotateLeft32(h.lanes[0], 1) + bits.RotateLeft32(h.lanes[1], 7) +
			bits.RotateLeft32(h.lanes[2], 12) + bits.RotateLeft32(h.lanes[3], 18)
	}
	acc += uint32(h.length)
	p := h.rest[:h.length%16]
	for ; len(p) >= 4; p = p[4:] {
		acc = bits.RotateLeft32(acc+binary.LittleEndian.Uint32(p)*xxhPrime3, 17) * xxhPrime4
	}
	for _, c := range p {
		acc = bits.RotateLeft32(acc+uint32(c)*xxhPrime5, 11) * xxhPrime1
	}
	acc = (acc ^ acc>>15) * xxhPrime2
	acc = (acc ^ acc>>13) * xxhPrime3
	return acc ^ acc>>16
}
