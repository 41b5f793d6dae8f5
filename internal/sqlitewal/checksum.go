package sqlitewal

import (
	"encoding/binary"
	"math/bits"
)

// Checksum is the state of SQLite's cumulative checksum. The zero value is the
// start.
type Checksum [2]uint32

// Update returns the checksum continued over data, whose length must be a
// multiple of 8.
//
// SQLite adds each word to the sum of both halves so far, one after the other:
// a chain in which nothing can be done at the same time. Two steps at once,
// written out, have a chain that is half as long.
func (c Checksum) Update(bigEndian bool, data []byte) Checksum {
	if bigEndian {
		return c.updateBig(data)
	}
	a, b := c[0], c[1]
	for len(data) >= 32 {
		a, b = four(a, b, binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:16]))
		a, b = four(a, b, binary.LittleEndian.Uint64(data[16:24]), binary.LittleEndian.Uint64(data[24:32]))
		data = data[32:]
	}
	for ; len(data) >= 8; data = data[8:] {
		a += binary.LittleEndian.Uint32(data) + b
		b += binary.LittleEndian.Uint32(data[4:8]) + a
	}
	return Checksum{a, b}
}

func (c Checksum) updateBig(data []byte) Checksum {
	a, b := c[0], c[1]
	for len(data) >= 32 {
		// As big-endian words, the first of a pair is in the upper half.
		x, y := binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:16])
		a, b = four(a, b, bits.RotateLeft64(x, 32), bits.RotateLeft64(y, 32))
		x, y = binary.BigEndian.Uint64(data[16:24]), binary.BigEndian.Uint64(data[24:32])
		a, b = four(a, b, bits.RotateLeft64(x, 32), bits.RotateLeft64(y, 32))
		data = data[32:]
	}
	for ; len(data) >= 8; data = data[8:] {
		a += binary.BigEndian.Uint32(data) + b
		b += binary.BigEndian.Uint32(data[4:8]) + a
	}
	return Checksum{a, b}
}

// four takes in four words, two in each number, the lower half first. With
// words p, q, r, s the steps are a += p+b, b += q+a, a += r+b, b += s+a.
func four(a, b uint32, x, y uint64) (uint32, uint32) {
	p, q, r, s := uint32(x), uint32(x>>32), uint32(y), uint32(y>>32)
	m := 2*p + q + r       // what the words add to a
	n := 3*p + 2*q + r + s // and to b
	return 2*a + 3*b + m, 3*a + 5*b + n
}

func (c Checksum) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, c[0]), c[1])
}
