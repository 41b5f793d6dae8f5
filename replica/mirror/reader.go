package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica"
)

// copyReader is an object on its way from one replica to another. It verifies what
// it hands on, as it goes. Its io.EOF says that everything was read, that all of it is
// fine, and that the object may become visible: a writer makes it visible only then.
// So an object that is held back waits here, with nothing in flight that could time out.
type copyReader struct {
	ctx    context.Context
	job    *copyJob
	src    io.Reader
	closer io.Closer // of src
	meter  *copyMeter
	n      int64
	ended  bool  // src is at its end
	err    error // final
	failed error // err, unless it is io.EOF

	check   *io.PipeWriter // nil once the result is known
	result  chan error
	verdict error
}

var errUnread = errors.New("not read to its end")

func newCopyReader(ctx context.Context, rc io.ReadCloser, j *copyJob, m *copyMeter) *copyReader {
	pr, pw := io.Pipe()
	src := blob.ContextReader(ctx, rc)
	r := &copyReader{ctx: ctx, job: j, src: src, closer: rc, meter: m, check: pw, result: make(chan error, 1)}
	go func() {
		_, err := replica.VerifyObject(pr, j.file, nil)
		_ = pr.CloseWithError(io.ErrClosedPipe) // a verdict before the end
		r.result <- err
	}()
	return r
}

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	if r.err == nil && r.ended {
		r.fail(r.end())
	}
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.n += int64(n)
	r.meter.add(int64(n))
	r.ended = err == io.EOF //nolint:errorlint // a wrapped one is not the end
	if err != nil && !r.ended {
		_ = r.settle(err)
		if err = fmt.Errorf("source: read %s: %w", r.job.key, err); blob.IsObjects(err) {
			err = &damageError{err}
		}
		r.fail(err)
		return 0, r.err
	}
	if r.check != nil && n > 0 {
		if _, err := r.check.Write(p[:n]); err != nil && r.settle(nil) != nil {
			r.fail(&damageError{r.verdict})
			return 0, r.err
		}
	}
	return n, nil
}

// settle ends the check, with what the source ended with, and waits for the
// verdict.
func (r *copyReader) settle(err error) error {
	if r.check != nil {
		_ = r.check.CloseWithError(err)
		r.verdict, r.check = <-r.result, nil
	}
	return r.verdict
}

func (r *copyReader) fail(err error) {
	if r.err = err; err == nil {
		r.err = io.EOF
	} else {
		r.failed = err
	}
}

func (r *copyReader) end() error {
	if err := r.settle(nil); err != nil {
		return &damageError{err}
	}
	if r.n != r.job.size {
		return fmt.Errorf("%s: %w: %d bytes, listed with %d", r.job.key, errVanished, r.n, r.job.size)
	}
	if r.job.gate != nil {
		if err := r.job.gate(r.ctx); err != nil {
			return err
		}
	}
	r.job.clear()
	return nil
}

// close ends the check of what nobody reads to its end.
func (r *copyReader) close() {
	_ = r.settle(errUnread)
	_ = r.closer.Close()
}

// copyMeter adds up the progress of all jobs.
type copyMeter struct {
	mu          sync.Mutex
	notify      func(done, total int64)
	done, total int64
}

func (m *copyMeter) grow(jobs []*copyJob) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total = m.done
	for _, j := range jobs {
		m.total += j.size
	}
}

func (m *copyMeter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if m.notify != nil && n > 0 {
		m.notify(min(m.done, m.total), m.total)
	}
}
