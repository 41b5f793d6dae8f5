package s3

import (
	"cmp"
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

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/place"
	"github.com/replctl/replicate/s3/internal/transport"
)

// Store is a bucket and a prefix as a blob.Store. It is safe for concurrent use.
type Store struct {
	c       *transport.Conn
	cfg     Config
	prefix  string       // "" or ends in "/"
	buffers sync.Pool    // of *[]byte, Config.PartSize long
	wide    atomic.Int32 // readers that read ahead
	slow    float64      // bytes/s of a connection that are worth a second one

	completeStall time.Duration // the stall timeout for putting parts together

	bucketSeen atomic.Bool // the bucket is known to exist
	noETags    atomic.Bool // PUT is answered without an ETag
	unordered  atomic.Bool // listings are not in key order
	noBatches  atomic.Bool // the store has no DeleteObjects
	maxBarren  int         // see the constant
}

var _ blob.Store = (*Store)(nil)

// Open validates cfg, finds credentials and region, and returns the store. It
// makes no request to the bucket, but for one if AWS has to be asked where a
// bucket is. Bucket and prefix need not be readable; the first verb finds out.
func Open(ctx context.Context, cfg Config) (*Store, error) { return openStore(ctx, cfg, new(logger)) }

func openStore(ctx context.Context, cfg Config, log *logger) (*Store, error) {
	s, err := open(ctx, cfg, log, nil)
	if err != nil {
		return nil, fmt.Errorf("open s3 store: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config, log *logger, tune func(*http.Transport)) (*Store, error) {
	cfg.Endpoint = place.EndpointFromEnvironment(cfg.Endpoint)
	cfg, p, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	opts, err := cfg.transport(p)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, completeStall: completeFactor * cfg.StallTimeout, slow: slowPace, maxBarren: maxBarren}
	if cfg.Path != "" {
		s.prefix = cfg.Path + "/"
	}
	s.buffers.New = func() any { b := make([]byte, cfg.PartSize); return &b }
	s.unordered.Store(p.Unordered || strings.HasSuffix(cfg.Bucket, expressSuffix))
	opts.Tune, opts.Log = tune, func() *slog.Logger { return cmp.Or(log.Load(), cfg.Logger, slog.Default()) }
	s.c, err = transport.Open(ctx, opts)
	return s, err
}

// logger is one that a client may change while its store is in use.
type logger struct{ atomic.Pointer[slog.Logger] }

func (l *logger) set(to *slog.Logger) {
	if to != nil {
		to = to.WithGroup(ReplicaClientType)
	}
	l.Store(to)
}

// path is the object's full key, for the wire and for messages.
func (s *Store) path(key string) *string { return aws.String(s.prefix + key) }

// expressSuffix is of the name of an S3 Express directory bucket, which lists in no
// order.
const expressSuffix = "--x-s3"

// check is what every operation on a key begins with.
func (s *Store) check(ctx context.Context, key string) error {
	if s == nil || s.c == nil {
		return errNotOpen
	}
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

var errNotOpen = errors.New("the store is not open: s3.Open and s3.OpenRecords make one that is")

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
