package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// inMemory makes leasers of one lease, in the place of file.NewLeaser or
// s3.NewLeaser, one for each process that wants it.
func inMemory() func(owner string) replicate.Leaser {
	store := new(cas.Memory)
	return func(owner string) replicate.Leaser {
		return lease.NewLeaser("memory",
			func() lease.Config { return lease.Config{Owner: owner} },
			func(context.Context) (cas.Store, error) { return store, nil })
	}
}

// Hold the lease for as long as the program runs, and stop when it is lost.
func ExampleAcquire() {
	ctx, leaser := context.Background(), inMemory()("host-1")

	session, err := lease.Acquire(ctx, leaser, lease.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	session.Go(func(ctx context.Context) {
		<-ctx.Done() // the work; it stops when the lease is lost or released
		fmt.Println("stopped:", context.Cause(ctx))
	})
	fmt.Println("generation", session.Generation())

	// Release waits for what was started with Go. It works with a context that
	// is over, too, as a signal's often is by now.
	if err := session.Release(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// generation 1
	// stopped: lease session released
}

// Fail at once if somebody else holds the lease, and say who it is.
func ExampleTryAcquire() {
	ctx, leaserOf := context.Background(), inMemory()
	first, err := lease.TryAcquire(ctx, leaserOf("host-1"), lease.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Release(ctx)

	_, err = lease.TryAcquire(ctx, leaserOf("host-2"), lease.Options{})
	var held *replicate.LeaseExistsError
	if errors.As(err, &held) {
		fmt.Println("held by", held.Owner)
	}
	// Output: held by host-1
}

// Do something under the lease, and let go of it afterwards.
func ExampleRun() {
	ctx, leaserOf := context.Background(), inMemory()
	for _, owner := range []string{"host-1", "host-2"} {
		err := lease.Run(ctx, leaserOf(owner), lease.Options{}, func(_ context.Context, s *lease.Session) error {
			fmt.Println(s.Lease().Owner, "writes with generation", s.Generation())
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// host-1 writes with generation 1
	// host-2 writes with generation 2
}

// Ask before each step that must not happen twice. The answer does not depend on a
// timer that has fired: after a machine was suspended it is right at once.
func ExampleSession_Valid() {
	ctx := context.Background()
	err := lease.Run(ctx, inMemory()("host-1"), lease.Options{}, func(_ context.Context, s *lease.Session) error {
		for step := range 3 {
			if !s.Valid() {
				return s.Err()
			}
			fmt.Println("step", step)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// step 0
	// step 1
	// step 2
	// <nil>
}

// Log and count what happens to the lease.
func ExampleOptions_events() {
	ctx, leaser := context.Background(), inMemory()("host-1")
	opts := lease.Options{
		RenewEvery: 5 * time.Second,
		Guard:      5 * time.Second,
		OnEvent:    func(e lease.Event) { fmt.Println(e.Kind, e.Lease.Generation) },
	}
	session, err := lease.Acquire(ctx, leaser, opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := session.Release(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// acquired 1
	// released 1
}
