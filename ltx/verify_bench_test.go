package ltx

import (
	"bytes"
	"testing"

	sltx "github.com/superfly/ltx"
)

// BenchmarkVerify is in bytes of database, not of file: it is pages that are
// decompressed and summed.
func BenchmarkVerify(b *testing.B) {
	tracked := snapshotSpec(4096, 4000, 1, 0)
	untracked := snapshotSpec(4096, 4000, 1, HeaderFlagNoChecksum)
	noise := untracked
	noise.noise = true
	small := deltaSpec(4096, 2, 2, 1, 5)
	for _, tt := range []struct {
		name string
		file []byte
		size int
	}{
		{"untracked", untracked.encode(b), 4000 * 4096},
		{"tracked", tracked.encode(b), 4000 * 4096},
		{"noise", noise.encode(b), 4000 * 4096},
		{"lz4frames", untracked.write(b, lz4Frame), 4000 * 4096},
		{"twopages", small.encode(b), 2 * 4096},
	} {
		b.Run(tt.name+"/ours", func(b *testing.B) { benchmarkVerify(b, tt.file, tt.size, verifyOurs) })
		b.Run(tt.name+"/superfly", func(b *testing.B) { benchmarkVerify(b, tt.file, tt.size, verifySuperfly) })
	}
}

func verifyOurs(file []byte) error {
	_, err := Verify(bytes.NewReader(file))
	return err
}

func verifySuperfly(file []byte) error {
	dec := sltx.NewDecoder(bytes.NewReader(file))
	dec.SetRetainPageIndex(false)
	return dec.Verify()
}

func benchmarkVerify(b *testing.B, file []byte, size int, verify func([]byte) error) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := verify(file); err != nil {
			b.Fatal(err)
		}
	}
}
