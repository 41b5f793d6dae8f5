package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

// Write implements [blob.Store].
func (s *Store) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	if err := s.checkWrite(ctx, key, opts); err != nil {
		return blob.Info{}, answer.Wrap("write", key, err)
	}
	w := &write{s: s, key: key, opts: opts, metadata: maps.Clone(opts.Metadata)}
	src, sized := sourceOf(r)
	if !sized {
		return w.stream(ctx, blob.ContextReader(ctx, r))
	}
	if src.size <= s.cfg.PartSize {
		return w.put(ctx, src.section(0, src.size), src.size)
	}
	if !src.parallel {
		return w.stream(ctx, blob.ContextReader(ctx, src.section(0, src.size)))
	}
	return w.upload(ctx, src.size, src.parts(s.partSize(src.size)))
}

func (s *Store) checkWrite(ctx context.Context, key string, opts blob.WriteOptions) error {
	if err := s.check(ctx, key); err != nil {
		return err
	}
	if opts.IfAbsent && s.c.Provider.NoCreate != "" {
		return fmt.Errorf("create-only: %w: %s", errors.ErrUnsupported, s.c.Provider.NoCreate)
	}
	return checkMetadata(opts.Metadata)
}

// write is one call of Write.
type write struct {
	s        *Store
	key      string
	opts     blob.WriteOptions
	metadata map[string]string
	nonce    string
	tried    bool // to make the object visible: an attempt has been let pass
}

// guarded asks opts.Guard whether to send what makes the object visible.
func (w *write) guarded() error {
	if w.opts.Guard != nil {
		if err := w.opts.Guard(); err != nil && w.tried {
			return answer.Permanent(fmt.Errorf("%w: %w", ErrOutcomeUnknown, err))
		} else if err != nil {
			return answer.Permanent(err)
		}
	}
	w.tried = true
	return nil
}

// unsure marks the error of a last step that was given up: it may have been taken.
func unsure(err error) error {
	if answer.IsGaveUp(err) {
		return indeterminate{err}
	}
	return err
}

// indeterminate is blob.ErrIndeterminate, without its words.
type indeterminate struct{ error }

func (e indeterminate) Unwrap() []error { return []error{e.error, blob.ErrIndeterminate} }

// stream writes a reader of unknown length: one PUT if it ends within the first
// part.
func (w *write) stream(ctx context.Context, r io.Reader) (blob.Info, error) {
	bufs := w.s.newBuffers()
	defer bufs.close()
	buf := bufs.get(w.s.cfg.PartSize)
	n, err := io.ReadFull(r, *buf)
	if err == nil {
		return w.upload(ctx, -1, w.s.streamParts(buf, bufs, r))
	}
	defer bufs.put(buf)
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return blob.Info{}, answer.Wrap("write", w.key, err)
	}
	return w.put(ctx, bytes.NewReader((*buf)[:n]), int64(n))
}

// put writes the object in one request.
func (w *write) put(ctx context.Context, body io.ReadSeeker, size int64) (info blob.Info, err error) {
	if w.opts.IfAbsent || w.s.noETags.Load() {
		w.mark()
	}
	src := &sourceBody{r: body}
	err = w.s.c.Try(ctx, "write", w.key, func(ctx context.Context, dog *transport.Watchdog) error {
		src.dog = dog
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return answer.Permanent(err)
		}
		if err := w.guarded(); err != nil {
			return err
		}
		in, known := w.putInput(src, size), w.s.c.NeedsMD5()
		out, err := w.s.c.API.PutObject(ctx, in, w.s.c.BodyOptions)
		switch {
		case src.err != nil:
			return answer.Permanent(src.err)
		case err == nil && trimETag(out.ETag) != "":
			info = w.info(size, out.ETag, out.ResultMetadata)
			return nil
		case err == nil:
			info, err = w.confirm(ctx, size)
			return err
		case w.s.c.LearnMD5(known, err):
			return answer.Transient(err)
		}
		info, err = w.refused(ctx, err)
		return err
	})
	return info, unsure(err)
}

func (w *write) putInput(body io.Reader, size int64) *awss3.PutObjectInput {
	in := &awss3.PutObjectInput{
		Bucket:        &w.s.cfg.Bucket,
		Key:           w.s.path(w.key),
		Body:          body,
		ContentLength: &size,
		Metadata:      w.metadata,
		StorageClass:  types.StorageClass(w.s.cfg.StorageClass),
		IfNoneMatch:   w.ifNoneMatch(),
	}
	return in
}

func (w *write) ifNoneMatch() *string {
	if w.opts.IfAbsent {
		return aws.String("*")
	}
	return nil
}

// info describes what was written, as of the answer.
func (w *write) info(size int64, etag *string, answer middleware.Metadata) blob.Info {
	w.s.bucketSeen.Store(true)
	info := blob.Info{Key: w.key, Size: size, ETag: trimETag(etag), Metadata: maps.Clone(w.opts.Metadata)}
	if t, ok := awsmiddleware.GetServerTime(answer); ok {
		info.ModTime = timeOf(&t)
	} else {
		info.ModTime = timeOf(nil)
	}
	return info
}

// confirm is for a success without an ETag: the habit of a store, or the answer
// of something in between. The object has to be there, with our nonce; if it was
// sent without one, it is sent again.
func (w *write) confirm(ctx context.Context, size int64) (blob.Info, error) {
	lost := answer.Transient(fmt.Errorf("%w: no etag, and the object is not there", answer.ErrIncomplete))
	if w.nonce == "" {
		w.s.noETags.Store(true)
		w.mark()
		return blob.Info{}, lost
	}
	info, nonce, err := w.s.head(ctx, w.key)
	if _, status := answer.Of(err); status == 404 || err == nil && (info.Size != size || nonce != w.nonce) {
		return blob.Info{}, lost
	}
	return info, err
}

// refused is what a failed attempt means. A create-only write that is told the
// object exists may have made it: an earlier attempt whose reply was lost, or a
// proxy that sent the request twice. So it looks whose nonce is there.
// (aws-sdk-java-v2#6580, hudi#14373, icechunk#2099, slatedb#766: "412 against
// your own object".)
func (w *write) refused(ctx context.Context, err error) (blob.Info, error) {
	code, status := answer.Of(err)
	conflict := status == 409 && (answer.RetryCode(code) || code == "Conflict" || code == "BlobAlreadyExists")
	if !w.opts.IfAbsent || status != 412 && !conflict {
		return blob.Info{}, err
	}
	info, nonce, headErr := w.s.head(ctx, w.key)
	_, headStatus := answer.Of(headErr)
	switch {
	case headErr == nil && nonce == w.nonce:
		return info, nil
	case headErr == nil:
		return blob.Info{}, fs.ErrExist
	case headStatus == 404: // gone again, or a conflict with a write that failed
		return blob.Info{}, answer.Transient(err)
	case answer.Retryable(headErr):
		return blob.Info{}, headErr
	}
	return blob.Info{}, answer.Permanent(fmt.Errorf("%w: the store says %s, and does not let us look: %w",
		ErrOutcomeUnknown, code, answer.Describe(headErr)))
}
