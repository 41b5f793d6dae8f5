package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/litestream"
	lss3 "github.com/benbjohnson/litestream/s3"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

const leasePath = "some/replica"

// leaser is either side, as far as they are alike.
type leaser interface {
	acquire(ctx context.Context) (generation int64, err error)
	renew(ctx context.Context) error
	release(ctx context.Context) error
}

// leasers make one of each side, with its own client, on one object.
var leasers = map[string]func(srv *fakes3.Server, ttl time.Duration) leaser{
	"ours":       func(srv *fakes3.Server, ttl time.Duration) leaser { return newOurs(srv, ttl) },
	"litestream": func(srv *fakes3.Server, ttl time.Duration) leaser { return newTheirs(srv, ttl) },
}

type ours struct {
	*s3.Leaser
	lease *replicate.Lease
}

func newOurs(srv *fakes3.Server, ttl time.Duration) *ours {
	l := s3.NewLeaser()
	l.Bucket, l.Path, l.Endpoint, l.Owner, l.TTL = srv.Bucket, leasePath, srv.URL, "ours", ttl
	l.AccessKeyID, l.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	return &ours{Leaser: l}
}

func (o *ours) acquire(ctx context.Context) (int64, error) {
	lease, err := o.AcquireLease(ctx)
	if err != nil {
		return 0, err
	}
	o.lease = lease
	return lease.Generation, nil
}

func (o *ours) renew(ctx context.Context) error {
	lease, err := o.RenewLease(ctx, o.lease)
	if err == nil {
		o.lease = lease
	}
	return err
}

func (o *ours) release(ctx context.Context) error { return o.ReleaseLease(ctx, o.lease) }

type theirs struct {
	*lss3.Leaser
	lease *litestream.Lease
}

// newTheirs makes the SDK's client by hand: the one that Litestream makes fails
// where AWS_CA_BUNDLE is set.
func newTheirs(srv *fakes3.Server, ttl time.Duration) *theirs {
	l := lss3.NewLeaser()
	l.Bucket, l.Path, l.Owner, l.TTL = srv.Bucket, leasePath, "theirs", ttl
	l.SetClient(awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &srv.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(fakes3.AccessKeyID, fakes3.SecretAccessKey, ""),
	}))
	return &theirs{Leaser: l}
}

func (o *theirs) acquire(ctx context.Context) (int64, error) {
	lease, err := o.AcquireLease(ctx)
	if err != nil {
		return 0, err
	}
	o.lease = lease
	return lease.Generation, nil
}

func (o *theirs) renew(ctx context.Context) error {
	lease, err := o.RenewLease(ctx, o.lease)
	if err == nil {
		o.lease = lease
	}
	return err
}

func (o *theirs) release(ctx context.Context) error { return o.ReleaseLease(ctx, o.lease) }

// heldBy is the owner that an error of either side names; empty for others.
func heldBy(err error) string {
	var ours *replicate.LeaseExistsError
	var theirs *litestream.LeaseExistsError
	switch {
	case errors.As(err, &ours):
		return ours.Owner
	case errors.As(err, &theirs):
		return theirs.Owner
	}
	return ""
}

func notHeld(err error) bool {
	return errors.Is(err, replicate.ErrLeaseNotHeld) || errors.Is(err, litestream.ErrLeaseNotHeld)
}

func mustAcquire(t testing.TB, l leaser, want int64) {
	t.Helper()
	if got, err := l.acquire(t.Context()); err != nil || got != want {
		t.Fatalf("acquire: got generation %d, %v, want %d", got, err, want)
	}
}

// eachWay runs a test with the roles both ways.
func eachWay(t *testing.T, test func(t *testing.T, first, second func(ttl time.Duration) leaser)) {
	for _, names := range [][2]string{{"ours", "litestream"}, {"litestream", "ours"}} {
		t.Run(names[0]+" first", func(t *testing.T) {
			srv := fakes3.New(t)
			test(t,
				func(ttl time.Duration) leaser { return leasers[names[0]](srv, ttl) },
				func(ttl time.Duration) leaser { return leasers[names[1]](srv, ttl) })
		})
	}
}

const long = 30 * time.Second

// TestLeaseHeld: neither takes what the other holds, and it says who holds it.
func TestLeaseHeld(t *testing.T) {
	eachWay(t, func(t *testing.T, newFirst, newSecond func(time.Duration) leaser) {
		first, second := newFirst(long), newSecond(long)
		owner := "theirs"
		if _, ok := first.(*ours); ok {
			owner = "ours"
		}
		mustAcquire(t, first, 1)
		for range 3 {
			if _, err := second.acquire(t.Context()); heldBy(err) != owner {
				t.Errorf("got error %v, want it to name %s", err, owner)
			}
			if err := first.renew(t.Context()); err != nil {
				t.Errorf("renew: %v", err)
			}
		}
	})
}

// TestLeaseReleased: each takes what the other has released, turn about, and the
// generation grows, though Litestream's release deletes the record: ours
// remembers the highest that it has seen.
func TestLeaseReleased(t *testing.T) {
	srv := fakes3.New(t)
	us, them := newOurs(srv, long), newTheirs(srv, long)
	mustAcquire(t, us, 1)
	if err := us.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, them, 2)
	if _, err := us.acquire(t.Context()); heldBy(err) != "theirs" {
		t.Fatalf("got error %v", err)
	}
	if err := them.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, us, 3)
	if err := us.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, them, 4)
	if err := them.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Of 4 we know nothing; that we go on from the highest that we have seen is
	// all that can be had. Litestream's leaser begins again at 1.
	mustAcquire(t, us, 4)
}

// TestLeaseExpired: each takes what the other let expire, and the former holder
// can neither renew it nor is it told that it holds it.
func TestLeaseExpired(t *testing.T) {
	eachWay(t, func(t *testing.T, newFirst, newSecond func(time.Duration) leaser) {
		first, second := newFirst(3*time.Second), newSecond(long) // time enough for a busy machine to answer
		mustAcquire(t, first, 1)
		generation, err := second.acquire(t.Context())
		for ; heldBy(err) != ""; generation, err = second.acquire(t.Context()) {
		}
		if err != nil {
			t.Fatal(err)
		}
		if generation != 2 {
			t.Errorf("got generation %d, want 2", generation)
		}
		if err := first.renew(t.Context()); !notHeld(err) {
			t.Errorf("the former holder renews: %v", err)
		}
		if err := second.renew(t.Context()); err != nil {
			t.Errorf("the new holder renews: %v", err)
		}
	})
}

// TestLeaseRace: of eight of each side exactly one wins, round after round.
func TestLeaseRace(t *testing.T) {
	srv := fakes3.New(t)
	for round := range 10 {
		type result struct {
			leaser
			err error
		}
		results := make(chan result)
		start := make(chan struct{})
		for _, open := range leasers {
			for range 8 {
				l := open(srv, long)
				go func() {
					<-start
					_, err := l.acquire(t.Context())
					results <- result{l, err}
				}()
			}
		}
		close(start)
		var winner leaser
		for range 16 {
			switch r := <-results; {
			case r.err == nil && winner != nil:
				t.Fatalf("round %d: two winners", round)
			case r.err == nil:
				winner = r.leaser
			case heldBy(r.err) == "":
				t.Errorf("round %d: a loser: %v", round, r.err)
			}
		}
		if winner == nil {
			t.Fatalf("round %d: nobody won", round)
		}
		if err := winner.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLateRelease: a former holder of theirs that releases removes our record,
// because the store ignores the condition on a DELETE. The holder finds out at
// its next renewal, and the generation is not reused. A former holder of ours
// that releases does no harm to theirs.
func TestLateRelease(t *testing.T) {
	srv := fakes3.New(t)
	us, them := newOurs(srv, long), newTheirs(srv, time.Millisecond)
	mustAcquire(t, them, 1)
	for {
		if _, err := us.acquire(t.Context()); err == nil {
			break
		} else if heldBy(err) == "" {
			t.Fatal(err)
		}
	}
	if err := them.release(t.Context()); err != nil {
		t.Fatalf("their late release, which was to be let through: %v", err)
	}
	if err := us.renew(t.Context()); !notHeld(err) {
		t.Errorf("renewing what is gone: %v", err)
	}
	mustAcquire(t, us, 3)

	stale := *us
	if err := us.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	them = newTheirs(srv, long)
	mustAcquire(t, them, 4)
	if err := stale.release(t.Context()); !notHeld(err) {
		t.Errorf("our late release: %v", err)
	}
	if err := them.renew(t.Context()); err != nil {
		t.Errorf("their renewal after it: %v", err)
	}
}

// TestLeaseHandedOver: a lease of theirs goes on as ours, by its ETag.
func TestLeaseHandedOver(t *testing.T) {
	srv := fakes3.New(t)
	us, them := newOurs(srv, long), newTheirs(srv, long)
	mustAcquire(t, them, 1)
	us.Owner = them.Owner
	us.lease = (*replicate.Lease)(them.lease)
	if err := us.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := them.renew(t.Context()); !notHeld(err) {
		t.Errorf("the one it was handed over by renews it: %v", err)
	}
	if err := us.release(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkLease(b *testing.B) {
	for name, open := range leasers {
		b.Run(fmt.Sprintf("AcquireRelease/%s", name), func(b *testing.B) {
			l := open(fakes3.New(b), long)
			for b.Loop() {
				if _, err := l.acquire(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := l.release(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Renew/%s", name), func(b *testing.B) {
			l := open(fakes3.New(b), long)
			mustAcquire(b, l, 1)
			for b.Loop() {
				if err := l.renew(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
