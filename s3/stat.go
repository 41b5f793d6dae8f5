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
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

// Stat implements [blob.Reader].
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := s.check(ctx, key); err != nil {
		return blob.Info{}, answer.Wrap("stat", key, err)
	}
	var info blob.Info
	err := s.c.Try(ctx, "stat", key, func(ctx context.Context, _ *transport.Watchdog) (err error) {
		info, _, err = s.head(ctx, key)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		if bucketErr := s.checkBucket(ctx); bucketErr != nil {
			return blob.Info{}, answer.Wrap("stat", key, bucketErr)
		}
	}
	return info, err
}

// head is one HEAD request. The nonce is that of a write of ours.
func (s *Store) head(ctx context.Context, key string) (info blob.Info, nonce string, err error) {
	in := &awss3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: s.path(key)}
	out, err := s.c.API.HeadObject(ctx, in)
	if err != nil {
		return blob.Info{}, "", err
	}
	if trimETag(out.ETag) == "" && out.LastModified == nil {
		return blob.Info{}, "", answer.Transient(fmt.Errorf("%w: it is not an object", answer.ErrIncomplete))
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
	ctx, w := transport.Watch(ctx, s.c.Stall)
	defer w.Stop()
	_, err := s.c.API.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: &s.cfg.Bucket})
	_, status := answer.Of(err)
	if status == http.StatusNotFound {
		return answer.NoSuchBucket(s.cfg.Bucket)
	}
	if err == nil || status != 0 { // 403: not ours to look at, but there
		s.bucketSeen.Store(true)
	}
	return nil
}
