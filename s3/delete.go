package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

// deleteBatch is the most keys that one DeleteObjects takes.
const deleteBatch = 1000

// deleteParallel bounds the requests of one Delete that run at a time: what they ask
// for may be a thousand times what a store wants to do in a second.
const deleteParallel = 8

var (
	errUnmentioned = errors.New("the store's answer does not mention it")
	errKept        = errors.New("the store says deleted, and still has it")
)

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, keys []string) error {
	failed := make([]error, len(keys)) // per key, in the order given
	pending := make([]int, 0, len(keys))
	for i, key := range keys {
		if err := s.check(ctx, key); err != nil {
			failed[i] = err
		} else {
			pending = append(pending, i)
		}
	}
	var g errgroup.Group
	g.SetLimit(min(deleteParallel, 2*s.cfg.Concurrency)) // they hold no part of an object in memory
	for batch := range slices.Chunk(pending, deleteBatch) {
		g.Go(func() error {
			s.deleteBatch(ctx, keys, batch, failed)
			return nil
		})
	}
	_ = g.Wait()
	if !s.cfg.TrustDeletes {
		s.verifyDeleted(ctx, keys, pending, failed)
	}
	var errs []error
	for i, err := range failed {
		if err != nil {
			errs = append(errs, &blob.DeleteError{Key: keys[i], Err: answer.Describe(err)})
		}
	}
	return errors.Join(errs...)
}

// deleteBatch deletes keys[i] for each i in batch, and sets failed[i] for those
// that may still be there. Keys that failed in passing are tried again.
func (s *Store) deleteBatch(ctx context.Context, keys []string, batch []int, failed []error) {
	err := s.c.Try(ctx, "delete", keys[batch[0]], func(ctx context.Context, _ *transport.Watchdog) error {
		results, err := s.deleteObjects(ctx, keys, batch)
		if err != nil {
			return err
		}
		var again []int
		for _, i := range batch {
			failed[i] = results[s.prefix+keys[i]]
			if failed[i] != nil && answer.Retryable(failed[i]) {
				again = append(again, i)
			}
		}
		if batch = again; len(again) > 0 {
			return answer.Transient(failed[again[0]])
		}
		return nil
	})
	if err != nil {
		for _, i := range batch {
			failed[i] = errors.Unwrap(err) // without operation and first key
		}
	}
}

// deleteObjects is one request. In its result is a nil for each key that is
// deleted and an error for each that is not. Not quiet: in that mode a key that
// is not mentioned is meant to be deleted, and was not (litestream#976, #981).
func (s *Store) deleteObjects(ctx context.Context, keys []string, batch []int) (map[string]error, error) {
	if s.noBatches.Load() {
		return s.deleteEach(ctx, keys, batch), nil
	}
	ids := make([]types.ObjectIdentifier, 0, len(batch))
	results := make(map[string]error, len(batch))
	for _, i := range batch {
		if key := s.path(keys[i]); results[*key] == nil {
			results[*key] = errUnmentioned
			ids = append(ids, types.ObjectIdentifier{Key: key})
		}
	}
	in := &awss3.DeleteObjectsInput{Bucket: &s.cfg.Bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(false)}}
	known := s.c.NeedsMD5()
	out, err := s.c.API.DeleteObjects(ctx, in, s.c.DeleteOptions)
	switch code, status := answer.Of(err); {
	case s.c.LearnMD5(known, err):
		return nil, answer.Transient(err)
	case status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed || code == "NotImplemented":
		s.noBatches.Store(true)
		return s.deleteEach(ctx, keys, batch), nil
	case err != nil:
		return nil, err
	}
	s.bucketSeen.Store(true)
	for _, d := range out.Deleted {
		results[aws.ToString(d.Key)] = nil
	}
	for _, e := range out.Errors {
		if code := aws.ToString(e.Code); code != "NoSuchKey" {
			results[aws.ToString(e.Key)] = answer.OfKey(code, aws.ToString(e.Message))
		} else {
			results[aws.ToString(e.Key)] = nil
		}
	}
	return results, nil
}

// deleteEach is deleteObjects for stores that do not have it.
func (s *Store) deleteEach(ctx context.Context, keys []string, batch []int) map[string]error {
	results := make(map[string]error, len(batch))
	for _, i := range batch {
		err := s.c.Try(ctx, "delete", keys[i], func(ctx context.Context, _ *transport.Watchdog) error {
			_, err := s.c.API.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.cfg.Bucket, Key: s.path(keys[i])})
			if code, _ := answer.Of(err); code == "NoSuchKey" {
				return nil
			}
			return err
		})
		if err != nil {
			err = answer.Permanent(errors.Unwrap(err)) // it was tried long enough
		}
		results[*s.path(keys[i])] = err
	}
	return results
}
