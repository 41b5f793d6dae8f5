package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
)

// Stat implements [blob.Reader].
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := s.check(ctx, key); err != nil {
		return blob.Info{}, wrap("stat", key, err)
	}
	var info blob.Info
	err := s.try(ctx, "stat", key, func(ctx context.Context, _ *watchdog) (err error) {
		info, _, err = s.head(ctx, key)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		if bucketErr := s.checkBucket(ctx); bucketErr != nil {
			return blob.Info{}, wrap("stat", key, bucketErr)
		}
	}
	return info, err
}

// head is one HEAD request. The nonce is that of a write of ours.
func (s *Store) head(ctx context.Context, key string) (info blob.Info, nonce string, err error) {
	in := &awss3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: s.path(key)}
	s.sse.head(in)
	out, err := s.api.HeadObject(ctx, in)
	if err != nil {
		return blob.Info{}, "", err
	}
	if trimETag(out.ETag) == "" && out.LastModified == nil {
		return blob.Info{}, "", transient{fmt.Errorf("%w: it is not an object", errNoAnswer)}
	}
	s.bucketSeen.Store(true)
	info = blob.Info{
		Key:      key,
		Size:     aws.ToInt64(out.ContentLength),
		ModTime:  timeOf(out.LastModified),
		ETag:     trimETag(out.ETag),
		Metadata: maps.Clone(out.Metadata),
	}
	nonce = info.Metadata[nonceName]
	delete(info.Metadata, nonceName)
	return info, nonce, nil
}

// checkBucket tells a missing bucket from a missing object: a HEAD's 404 has no
// body to say which. It asks at most until the bucket was seen once.
func (s *Store) checkBucket(ctx context.Context) error {
	if s.bucketSeen.Load() {
		return nil
	}
	w := watch(ctx, s.cfg.StallTimeout)
	defer w.stop()
	_, err := s.api.HeadBucket(w.ctx, &awss3.HeadBucketInput{Bucket: &s.cfg.Bucket})
	_, status := answer(err)
	if status == http.StatusNotFound {
		return s.noSuchBucket()
	}
	if err == nil || status != 0 { // 403: not ours to look at, but there
		s.bucketSeen.Store(true)
	}
	return nil
}
