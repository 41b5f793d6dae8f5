package s3

import (
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

// BenchmarkLease is what a verb costs beyond the network and the store: here both
// are in the same process.
func BenchmarkLease(b *testing.B) {
	b.Run("Renew", func(b *testing.B) {
		l := newLeaser(b, fakes3.New(b), "me")
		lease := acquireLease(b, l)
		for b.Loop() {
			var err error
			if lease, err = l.RenewLease(b.Context(), lease); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("AcquireRelease", func(b *testing.B) {
		l := newLeaser(b, fakes3.New(b), "me")
		for b.Loop() {
			if err := l.ReleaseLease(b.Context(), acquireLease(b, l)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Contended", func(b *testing.B) {
		srv := fakes3.New(b)
		acquireLease(b, newLeaser(b, srv, "holder"))
		l := newLeaser(b, srv, "me")
		for b.Loop() {
			if err := exists(l.AcquireLease(b.Context())); err != nil {
				b.Fatal(err)
			}
		}
	})
}
