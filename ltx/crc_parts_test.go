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
		var parts crcParts
		appended := uint64(0)
		for _, i := range rnd.Perm(len(cuts) - 1) {
			parts.add(remainderOf(message[cuts[i]:cuts[i+1]]), int64(cuts[i+1]))
		}
		for i := range len(cuts) - 1 {
			part := message[cuts[i]:cuts[i+1]]
			appended = crcAppend(appended, remainderOf(part), int64(len(part)))
		}
		want := crc64.Checksum(message, crcTable)
		if got := parts.crc(int64(len(message))); got != want || appended != want {
			t.Errorf("%d bytes in %d parts: got %016x, appended %016x, want %016x", len(message), len(cuts)-1, got, appended, want)
		}
	}
}

func remainderOf(part []byte) uint64 { return crcRemainder(crcUpdate(^uint64(0), part)) }

// Positions in a file of many terabytes are no problem.
func TestCRCShiftInverse(t *testing.T) {
	for _, n := range []int64{0, 1, 4106, 1<<40 + 12345, 1<<62 + 1} {
		const v = 0x123456789abcdef0
		if got := crcShift(crcShift(v, n), -n); got != v {
			t.Errorf("by %d and back: got %016x, want %016x", n, got, uint64(v))
		}
	}
}
