package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
)

// Store is a bucket and a prefix as a blob.Store. It is safe for concurrent use.
type Store struct {
	cfg         Config
	provider    provider
	api         *awss3.Client
	sse         sse
	credentials *checkedCredentials
	prefix      string // "" or ends in "/"
	logger      atomic.Pointer[slog.Logger]
	backoff     backoff
	tune        func(*http.Transport)
	buffers     sync.Pool    // of *[]byte, Config.PartSize long
	wide        atomic.Int32 // readers that read ahead
	slow        float64      // bytes/s of a connection that are worth a second one

	completeStall time.Duration // the stall timeout for putting parts together

	reached    atomic.Bool // the server has answered before
	bucketSeen atomic.Bool // the bucket is known to exist
	noETags    atomic.Bool // PUT is answered without an ETag
	unordered  atomic.Bool // listings are not in key order
	noBatches  atomic.Bool // the store has no DeleteObjects
	needsMD5   atomic.Bool // a body needs a Content-MD5
	maxBarren  int         // see the constant

	notice time.Duration // how long to wait in silence
	told   atomic.Int64  // when a wait was told of, in nanoseconds of Unix time
}

var _ blob.Store = (*Store)(nil)

// Open validates cfg, finds credentials and region, and returns the store. It
// makes no request to the bucket, but for one if AWS has to be asked where a
// bucket is. Bucket and prefix need not be readable; the first verb finds out.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := open(ctx, cfg, func(*http.Transport) {})
	if err != nil {
		return nil, fmt.Errorf("open s3 store: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config, tune func(*http.Transport)) (*Store, error) {
	cfg.Endpoint = endpointFromEnvironment(cfg.Endpoint)
	cfg, p, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	enc, err := newSSE(cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, provider: p, tune: tune, sse: enc, backoff: defaultBackoff, completeStall: completeFactor * cfg.StallTimeout}
	s.SetLogger(cfg.Logger)
	if cfg.Prefix != "" {
		s.prefix = cfg.Prefix + "/"
	}
	s.buffers.New = func() any { b := make([]byte, cfg.PartSize); return &b }
	s.slow, s.maxBarren, s.notice = slowPace, maxBarren, waitNotice
	s.unordered.Store(p.unordered || strings.HasSuffix(cfg.Bucket, expressSuffix))
	if s.api, err = s.connect(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// SetLogger sets where the store reports what is not worth an error.
func (s *Store) SetLogger(logger *slog.Logger) { s.logger.Store(logger) }

func (s *Store) log() *slog.Logger { return s.logger.Load() }

// path is the object's full key, for the wire and for messages.
func (s *Store) path(key string) *string { return aws.String(s.prefix + key) }

// expressSuffix is of the name of an S3 Express directory bucket, which lists in no
// order.
const expressSuffix = "--x-s3"

// check is what every operation on a key begins with.
func (s *Store) check(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if n := len(s.prefix) + len(key); n > blob.MaxKeyLen {
		return fmt.Errorf("%w: %d bytes long with the prefix, at most %d allowed", blob.ErrInvalidKey, n, blob.MaxKeyLen)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// hidden reports whether a key found in the bucket, relative to the prefix, is
// outside the store's names: "folders", empty segments, control characters.
func hidden(key string) bool {
	return blob.CheckKey(strings.TrimSuffix(key, "/")) != nil
}

// timeOf is S3's time of something it just did, else ours.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Now().UTC()
	}
	return t.UTC()
}

var errNoAnswer = errors.New("the store's answer lacks what the protocol requires")
