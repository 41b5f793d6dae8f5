package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/litestream"
	lss3 "github.com/benbjohnson/litestream/s3"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/s3"
)

func leases(s sizes) []operation {
	return []operation{
		{name: "lease-acquire", reps: s.Reps, open: leasing(acquiring, floorAcquire)},
		{name: "lease-contended", reps: s.Reps, open: leasing(contending, floorLook)},
		{name: "lease-renew", reps: s.Reps, open: leasing(renewing, floorReplace)},
		{name: "lease-release", reps: s.Reps, open: leasing(releasing, floorReplace)},
		{name: "lease-handover", reps: min(s.Reps, 5), open: handingOver, uncounted: true},
	}
}

// leasing makes sides of two leasers each on a lease of their own. Litestream has
// none for directories.
func leasing(work func(first, second lessee) side, floor func(*place) func(context.Context) error) func(context.Context, *place) (contest, error) {
	return func(ctx context.Context, p *place) (contest, error) {
		ours := p.at(oursName)
		c := contest{ours: work(ours.ourLessee("first"), ours.ourLessee("second"))}
		if p.backend.kind == kindS3 {
			theirs := p.at(theirsName)
			c.theirs = work(theirs.theirLessee("first"), theirs.theirLessee("second"))
		}
		p = p.at(floorName)
		if err := p.put(ctx, path.Join(p.root, lease.DefaultFile), 1, bytes.NewReader(record)); err != nil {
			return contest{}, err
		}
		c.floor = timed(floor(p))
		return c, nil
	}
}

// lessee is a leaser of either side with the lease that it has.
type lessee interface {
	acquire(ctx context.Context) error
	renew(ctx context.Context) error
	release(ctx context.Context) error
}

// leaserOf is a leaser with its own type of lease.
type leaserOf[L any] interface {
	AcquireLease(ctx context.Context) (*L, error)
	RenewLease(ctx context.Context, lease *L) (*L, error)
	ReleaseLease(ctx context.Context, lease *L) error
}

type lesseeOf[L any] struct {
	leaserOf[L]
	lease *L
}

func (l *lesseeOf[L]) acquire(ctx context.Context) error {
	lease, err := l.AcquireLease(ctx)
	l.lease = lease
	return err
}

func (l *lesseeOf[L]) renew(ctx context.Context) error {
	lease, err := l.RenewLease(ctx, l.lease)
	if err == nil {
		l.lease = lease
	}
	return err
}

func (l *lesseeOf[L]) release(ctx context.Context) error { return l.ReleaseLease(ctx, l.lease) }

func (p *place) ourLessee(owner string) lessee {
	return &lesseeOf[replicate.Lease]{leaserOf: p.ourLeaser(owner)}
}

func (p *place) theirLessee(owner string) lessee {
	return &lesseeOf[litestream.Lease]{leaserOf: p.theirLeaser(owner)}
}

func (p *place) ourLeaser(owner string) replicate.Leaser {
	if p.backend.kind == kindFile {
		l := file.NewLeaser(p.root)
		l.Owner = owner
		l.SetLogger(silent)
		return l
	}
	l := s3.NewLeaser()
	l.Config, l.Owner = p.config(), owner
	l.SetLogger(silent)
	return l
}

func (p *place) theirLeaser(owner string) litestream.Leaser {
	l := lss3.NewLeaser()
	l.Bucket, l.Path, l.Owner = p.backend.bucket.name, p.root, owner
	l.SetClient(p.api)
	l.SetLogger(silent)
	return l
}

// acquiring takes a free lease, one that was held before.
func acquiring(first, _ lessee) side {
	return func(ctx context.Context, w *watch) error {
		if err := timed(first.acquire)(ctx, w); err != nil {
			return err
		}
		return first.release(ctx)
	}
}

// contending asks for a lease that another has.
func contending(first, second lessee) side {
	return holding(first, func(ctx context.Context, w *watch) error {
		if err := timed(second.acquire)(ctx, w); !isHeld(err) {
			return errors.Join(errors.New("the lease is held and was given"), err)
		}
		return first.renew(ctx) // it may not end in a long round
	})
}

func renewing(first, _ lessee) side { return holding(first, timed(first.renew)) }

// holding is a side that works while the lease is held.
func holding(l lessee, work side) side {
	held := false
	return func(ctx context.Context, w *watch) error {
		if !held {
			if err := l.acquire(ctx); err != nil {
				return err
			}
			held = true
		}
		return work(ctx, w)
	}
}

func isHeld(err error) bool {
	var ours *replicate.LeaseExistsError
	var theirs *litestream.LeaseExistsError
	return errors.As(err, &ours) || errors.As(err, &theirs)
}

func releasing(first, _ lessee) side {
	return func(ctx context.Context, w *watch) error {
		if err := first.acquire(ctx); err != nil {
			return err
		}
		return timed(first.release)(ctx, w)
	}
}

// record is about as large as a lease's.
var record = bytes.Repeat([]byte("{}"), 128)

// floorLook reads a record.
func floorLook(p *place) func(context.Context) error {
	key := path.Join(p.root, lease.DefaultFile)
	if p.backend.kind == kindFile {
		return func(context.Context) error {
			_, err := os.ReadFile(key)
			return err
		}
	}
	return func(ctx context.Context) error {
		out, err := p.api.GetObject(ctx, &awss3.GetObjectInput{Bucket: &p.backend.bucket.name, Key: &key})
		if err != nil {
			return err
		}
		_, err = drain(out.Body)
		return errors.Join(err, out.Body.Close())
	}
}

// floorReplace writes one.
func floorReplace(p *place) func(context.Context) error {
	key := path.Join(p.root, lease.DefaultFile)
	if p.backend.kind == kindFile {
		return func(context.Context) error { return replaceFile(key, bytes.NewReader(record)) }
	}
	return func(ctx context.Context) error { return p.putObject(ctx, key, 1, bytes.NewReader(record)) }
}

// floorAcquire does both.
func floorAcquire(p *place) func(context.Context) error {
	look, replace := floorLook(p), floorReplace(p)
	return func(ctx context.Context) error { return errors.Join(look(ctx), replace(ctx)) }
}
