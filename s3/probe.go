package s3

import (
	"context"
	"fmt"
	"net/http"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/s3/internal/answer"
)

// probePatience bounds retries of what a probe does to objects: that a store does
// not answer is a result too.
const probePatience = 10 * time.Second

// ProbeTarget is the place of the lease as package probe wants it.
func (l *Leaser) ProbeTarget() probe.Target {
	cfg := l.Config
	cfg.RetryTimeout = probePatience
	target := probe.Target{
		Records: func(ctx context.Context) (cas.Store, error) {
			r, err := openRecords(ctx, cfg, &l.logger)
			if err != nil {
				return nil, err
			}
			r.blind = true
			return probed{r}, nil
		},
		Objects: func(ctx context.Context) (blob.Store, error) { return openStore(ctx, cfg, &l.logger) },
	}
	if complete, _, err := cfg.normalize(); err == nil { // or Open will say
		target.PartSize = complete.PartSize
	}
	return target
}

// probed is Records with what only a probe should do.
type probed struct{ *Records }

var (
	_ probe.QuoteChecker  = probed{}
	_ probe.DeleteChecker = probed{}
)

// WriteIfMatch implements [probe.QuoteChecker].
func (r probed) WriteIfMatch(ctx context.Context, key string, value []byte, ifMatch string) (cas.Token, error) {
	if err := r.waitForPace(ctx); err != nil {
		return "", err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	in := (&put{r: r.Records, key: key, value: value, expect: cas.Token(ifMatch)}).input()
	in.IfMatch = &ifMatch
	out, err := r.s.c.API.PutObject(ctx, in, r.s.c.BodyOptions)
	if err != nil {
		r.keepPace(err)
		return "", refusedOr("write", key, causeOf(ctx, err))
	}
	return tokenOf(out.ETag)
}

// DeleteIfMatch implements [probe.DeleteChecker].
func (r probed) DeleteIfMatch(ctx context.Context, key string, token cas.Token) error {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	in := &awss3.DeleteObjectInput{Bucket: &r.s.cfg.Bucket, Key: r.s.path(key), IfMatch: condition(token, r.bare.Load())}
	_, err := r.s.c.API.DeleteObject(ctx, in)
	return refusedOr("delete", key, causeOf(ctx, err))
}

func refusedOr(op, key string, err error) error {
	if _, status := answer.Of(err); status == http.StatusPreconditionFailed {
		return fmt.Errorf("%s %s: %w: %w", op, key, cas.ErrConflict, answer.Describe(err))
	} else if err == nil {
		return nil
	}
	return answer.Wrap(op, key, err)
}
