package ltx

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestCRCUpdate(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{1})
	p := make([]byte, 2000)
	_, _ = rnd.Read(p)
	for n := range p {
		start := rnd.Uint64()
		if n%3 == 0 {
			start = 0
		}
		got, want := crcUpdate(start, p[:n]), crc64.Update(start, crc64.MakeTable(crc64.ISO), p[:n])
		if got != want {
			t.Fatalf("%d bytes from %016x: got %016x, want %016x", n, start, got, want)
		}
	}
}

func FuzzCRC(f *testing.F) {
	f.Add(uint64(0), make([]byte, 512))
	f.Fuzz(func(t *testing.T, start uint64, p []byte) {
		got, want := crcUpdate(start, p), crc64.Update(start, crc64.MakeTable(crc64.ISO), p)
		if got != want {
			t.Fatalf("got %016x, want %016x", got, want)
		}
	})
}

func BenchmarkCRC(b *testing.B) {
	page := make([]byte, 4096)
	table := crc64.MakeTable(crc64.ISO)
	var crc uint64
	for name, update := range map[string]func(uint64, []byte) uint64{
		"ours":   crcUpdate,
		"stdlib": func(crc uint64, p []byte) uint64 { return crc64.Update(crc, table, p) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				crc = update(crc, page)
			}
		})
	}
}
