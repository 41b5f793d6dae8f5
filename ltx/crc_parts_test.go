package ltx

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestCRCParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		message := make([]byte, rnd.IntN(5000))
		for i := range message {
			message[i] = byte(rnd.Uint32())
		}
		var cuts []int
		for at := 0; at < len(message); at += 1 + rnd.IntN(1000) {
			cuts = append(cuts, at)
		}
		cuts = append(cuts, len(message))
		got := uint64(0)
		for i := range len(cuts) - 1 {
			part := message[cuts[i]:cuts[i+1]]
			got = crcAppend(got, remainderOf(part), int64(len(part)))
		}
		want := crc64.Checksum(message, crcTable)
		if got != want {
			t.Errorf("%d bytes in %d parts: got %016x, want %016x", len(message), len(cuts)-1, got, want)
		}
	}
}

func remainderOf(part []byte) uint64 { return crcRemainder(crcUpdate(^uint64(0), part)) }

// Positions in a file of many terabytes are no problem.
func TestCRCShift(t *testing.T) {
	const v uint64 = 0x123456789abcdef0
	for _, n := range []int64{0, 1, 4106, 1<<40 + 12345, 1<<61 + 1} {
		if got, want := crcShift(crcShift(v, n), n+1), crcShift(v, 2*n+1); got != want {
			t.Errorf("by %d and %d: got %016x, want %016x", n, n+1, got, want)
		}
	}
	if got, want := crcShift(v, 1), crc64.Update(^v, crcTable, []byte{0}); got != ^want {
		t.Errorf("by a byte: got %016x, want %016x", got, ^want)
	}
}
