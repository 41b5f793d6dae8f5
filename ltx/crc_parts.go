package ltx

import "hash/crc64"

// crcParts makes the CRC of a message from those of its parts, which may come in
// any order and from any number of goroutines, one at a time.
//
// A part with n bytes after it counts for x^8n times its remainder. How many
// will follow is not known until the end, but how many came up to its own end
// is, and x has an inverse: so a part is divided by as much, and the sum is
// multiplied by all of it at the end.
type crcParts struct{ sum uint64 }

// add takes the remainder of a part (see crcRemainder) that ends after end bytes
// of the message.
func (c *crcParts) add(remainder uint64, end int64) { c.sum ^= crcShift(remainder, -end) }

// crc is that of the whole message, of length bytes.
func (c *crcParts) crc(length int64) uint64 {
	return ^(crcShift(c.sum, length) ^ crcShift(^uint64(0), length))
}

// crcRemainder is what crcUpdate does to bytes without its inversions: with a
// crc begun at ^0, it is the remainder of the bytes alone.
func crcRemainder(crc uint64) uint64 { return ^crc }

// crcAppend is the CRC of a message and a part after it, of n bytes.
func crcAppend(crc, remainder uint64, n int64) uint64 {
	return ^(crcShift(^crc, n) ^ remainder)
}

// crcPowers has x^(8*2^i), and the inverse of that.
var crcPowers = func() (powers [2][64]uint64) {
	const (
		x8      = 1 << (63 - 8)
		inverse = 1<<0 | 1<<60 | 1<<61 | 1<<63 // of x: x^63 + x^3 + x^2 + 1
	)
	powers[0][0], powers[1][0] = x8, inverse
	for range 3 {
		powers[1][0] = crcTimes(powers[1][0], powers[1][0])
	}
	for sign := range powers {
		for i := 1; i < 64; i++ {
			powers[sign][i] = crcTimes(powers[sign][i-1], powers[sign][i-1])
		}
	}
	return powers
}()

// crcShift is v times x^8n, modulo the polynomial; n may be negative.
func crcShift(v uint64, n int64) uint64 {
	powers := &crcPowers[0]
	if n < 0 {
		powers, n = &crcPowers[1], -n
	}
	for i := 0; n != 0; i, n = i+1, n>>1 {
		if n&1 == 1 {
			v = crcTimes(powers[i], v)
		}
	}
	return v
}

// crcTimes is a times b, modulo the polynomial.
func crcTimes(a, b uint64) (product uint64) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 63)
		b = b>>1 ^ crc64.ISO&-(b&1)
	}
	return product
}
