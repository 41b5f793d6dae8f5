package s3_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/s3"
)

// Elect one leader among any number of processes that know the same bucket, and shut down
// cleanly: the leader releases the lease, and the next one need not wait for its end.
func Example_election() {
	bucket, closeBucket := exampleBucket() // only for this example: a bucket in memory
	defer closeBucket()
	candidate := func(owner string) *s3.Leaser {
		l := s3.NewLeaser()
		l.Bucket, l.Path, l.Owner = bucket.Bucket, "election", owner
		l.Endpoint, l.Region = bucket.URL, "us-east-1"
		l.AccessKeyID, l.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
		return l
	}
	for _, owner := range []string{"host-1", "host-2"} {
		// In a program: signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM).
		ctx, shutDown := context.WithCancel(context.Background())
		err := lease.Run(ctx, candidate(owner), lease.Options{}, func(ctx context.Context, s *lease.Session) error {
			fmt.Println(s.Lease().Owner, "leads, generation", s.Generation())
			shutDown()
			<-ctx.Done() // the work, until the signal, or until the lease is lost
			return context.Cause(ctx)
		})
		if !errors.Is(err, context.Canceled) {
			fmt.Println(err) // the lease was lost, or could not be released
		}
	}
	// Output:
	// host-1 leads, generation 1
	// host-2 leads, generation 2
}

// exampleTB is the test that a fake server asks for: an example has none.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (*exampleTB) Helper()             {}
func (tb *exampleTB) Cleanup(f func()) { tb.cleanups = append(tb.cleanups, f) }

func exampleBucket() (srv *fakes3.Server, closeServer func()) {
	tb := &exampleTB{}
	srv = fakes3.New(tb)
	return srv, func() {
		for _, f := range tb.cleanups {
			f()
		}
	}
}
