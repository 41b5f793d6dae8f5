package ltx

import "hash/crc64"

// crcRemainder is what crcUpdate does to bytes without its inversions: with a
// crc begun at ^0, it is the remainder of the bytes alone. So parts of a file can
// be summed up by any number of goroutines, and put together with crcAppend.
func crcRemainder(crc uint64) uint64 { return ^crc }

// crcAppend is the CRC of a message and a part after it, of n bytes: the message
// counts for x^8n times its remainder.
func crcAppend(crc, remainder uint64, n int64) uint64 {
	return ^(crcShift(^crc, n) ^ remainder)
}

// crcPowers has x^(8*2^i).
var crcPowers = func() (powers [64]uint64) {
	powers[0] = 1 << (63 - 8)
	for i := 1; i < 64; i++ {
		powers[i] = crcTimes(powers[i-1], powers[i-1])
	}
	return powers
}()

// crcShift is v times x^8n, modulo the polynomial.
func crcShift(v uint64, n int64) uint64 {
	for i := 0; n != 0; i, n = i+1, n>>1 {
		if n&1 == 1 {
			v = crcTimes(crcPowers[i], v)
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
