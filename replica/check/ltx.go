package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/flow"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// verifiers is how many LTX files an inspection reads at a time.
const verifiers = 4

// depth is how much of an LTX file is read.
type depth int

const (
	byName    depth = iota
	byHeader        // the time, and whether it is what its name says
	byOutline       // also whether it is as long as it should be
	byContent       // everything
)

// depths says how much of each file to read.
func (in *inspector) depths() func(*ltx.FileInfo) depth {
	switch {
	case in.wants != nil && !in.reads():
		return func(f *ltx.FileInfo) depth {
			if in.wants(in.Key(f)) {
				return byContent
			}
			return byOutline
		}
	case in.reads():
		return func(*ltx.FileInfo) depth { return byContent }
	case in.opts.Read == ReadOutlines, in.opts.large == ReadOutlines:
		return func(*ltx.FileInfo) depth { return byOutline }
	}
	edges := in.edgesOf(in.files)
	return func(f *ltx.FileInfo) depth {
		if edges[f] {
			return byHeader
		}
		return byName
	}
}

// edgesOf are the first and the last file of each level, of files by level: their
// headers tell the level's span of time.
func (in *inspector) edgesOf(files []*ltx.FileInfo) map[*ltx.FileInfo]bool {
	edges := make(map[*ltx.FileInfo]bool)
	for i, f := range files {
		if i == 0 || i == len(files)-1 || files[i-1].Level != f.Level || files[i+1].Level != f.Level {
			edges[f] = true
		}
	}
	return edges
}

// verifyLTX reads what is to be read, drops what is damaged, and sees what the
// rest adds up to.
func (in *inspector) verifyLTX(ctx context.Context) error {
	if in.LTX == nil {
		return nil
	}
	if in.visit == nil && in.reads() && in.wants == nil {
		in.visit = in.lineage().add
	}
	depths, n := in.depths(), replica.HeaderReads
	if in.wants != nil || in.reads() {
		n = verifiers
	}
	var all []*ltx.FileInfo
	var writers []*checked // the files that can be used
	var gone []*ltx.FileInfo
	verify := func(ctx context.Context, f *ltx.FileInfo) (*checked, error) { return in.verifyFile(ctx, f, depths(f)) }
	for f, err := range ordered.Map(ctx, n, ordered.Slice(in.sequence()), verify) {
		switch {
		case err != nil:
			return err
		case f.gone:
			gone = append(gone, &f.info)
			continue
		case f.damage != nil:
			in.problem(replica.SeverityError, in.Key(&f.info), "%v; the file cannot be used", f.damage)
		default:
			in.sound = append(in.sound, &f.info)
			writers = append(writers, f)
		}
		if f.depth == byContent && !f.refused {
			in.Verified++
		}
		if in.visit != nil && f.sums != nil {
			in.visit(f.sums)
		}
		all = append(all, &f.info)
	}
	slices.SortStableFunc(in.sound, func(a, b *ltx.FileInfo) int { // as they were listed
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.MinTXID, b.MinTXID), cmp.Compare(a.MaxTXID, b.MaxTXID))
	})
	if err := in.reportGone(ctx, gone); err != nil {
		return err
	}
	in.compareWriters(writers)
	in.summarize(ltx.NewChain(all))
	in.assess(ltx.NewChain(in.sound))
	return nil
}

// reportGone names the files that are still listed and cannot be found. The others were
// deleted since the listing, as Litestream deletes what it has compacted.
func (in *inspector) reportGone(ctx context.Context, gone []*ltx.FileInfo) error {
	for _, f := range gone {
		for again, err := range in.List(ctx, f.Level, f.MinTXID) {
			if err != nil {
				return err
			}
			if again.MinTXID > f.MinTXID {
				break
			}
			if again.MaxTXID == f.MaxTXID {
				in.problem(replica.SeverityError, in.Key(f), "the store lists it, and says that it does not exist")
			}
		}
	}
	return nil
}

// checked is a file after it was looked at.
type checked struct {
	info   ltx.FileInfo
	depth  depth
	damage error
	sums   *contentSums // if they are wanted, and all of it was read

	gone       bool         // it did not exist any more
	refused    bool         // damage says why it could not be read
	header     *ltx.Header  // as far as it was read
	post       ltx.Checksum // of the trailer; zero if that was not read
	generation int64        // of the lease that it was written under; 0 if that is not known
}

// sequence is the files; if in.visit follows their content, in an order in which each comes
// after those that it is applied to, and the finest come first.
func (in *inspector) sequence() []*ltx.FileInfo {
	files := slices.Clone(in.files)
	if in.visit != nil {
		slices.SortStableFunc(files, func(a, b *ltx.FileInfo) int {
			return cmp.Or(cmp.Compare(a.MaxTXID, b.MaxTXID), cmp.Compare(b.MinTXID, a.MinTXID), cmp.Compare(a.Level, b.Level))
		})
	}
	return files
}

// verifyFile reads as much of a file as is wanted, and sets the true time. A file
// that is not read has none.
func (in *inspector) verifyFile(ctx context.Context, f *ltx.FileInfo, depth depth) (*checked, error) {
	c := &checked{info: *f, depth: depth}
	c.info.CreatedAt = time.Time{}
	h, err := in.readFile(ctx, c)
	if err == nil && depth > byName {
		c.info.CreatedAt, c.header = ltx.Time(h), &h
		err = ltx.CheckInfo(&c.info, h)
	}
	c.refused = blob.IsObjects(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.gone = true
		return c, nil
	case c.refused, errors.Is(err, ltx.ErrTruncated), errors.Is(err, ltx.ErrCorrupt):
		c.damage, c.sums = err, nil
	case err != nil:
		return c, err
	}
	if c.refused {
		in.refusals.Add(0, err)
	} else if depth > byName {
		in.refusals.Add(1, nil)
	}
	return c, nil
}

func (in *inspector) readFile(ctx context.Context, c *checked) (ltx.Header, error) {
	if c.info.Size < ltx.HeaderSize+ltx.TrailerSize {
		if err := replica.WhyEmpty(ctx, in.Store, in.Key(&c.info), c.info.Size); err != nil {
			return ltx.Header{}, err
		}
		return ltx.Header{}, fmt.Errorf("%w: %d bytes are less than a header and a trailer", ltx.ErrTruncated, c.info.Size)
	}
	key := in.Key(&c.info)
	switch c.depth {
	case byHeader:
		return in.headerOf(ctx, key, c)
	case byOutline:
		o, err := ltx.ReadOutline(ctx, c.info.Size, func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			return in.open(ctx, key, offset, length, c)
		})
		in.progress(c.info.Size)
		c.post = o.Trailer.PostApplyChecksum
		return o.Header, err
	case byContent:
		return in.contentOf(ctx, key, c)
	}
	return ltx.Header{}, nil
}

// open opens a file, and notes what its metadata tell.
func (in *inspector) open(ctx context.Context, key string, offset, length int64, c *checked) (io.ReadCloser, error) {
	rc, err := in.Store.Open(ctx, key, offset, length)
	if d, ok := rc.(blob.Describer); ok && err == nil {
		if info, ok := d.Describe(); ok {
			c.generation = replica.VersionOf(info).Generation
		}
	}
	return rc, err
}

func (in *inspector) headerOf(ctx context.Context, key string, c *checked) (ltx.Header, error) {
	rc, err := in.open(ctx, key, 0, ltx.HeaderSize, c)
	if err != nil {
		return ltx.Header{}, err
	}
	defer rc.Close()
	return ltx.ReadHeader(rc)
}

func (in *inspector) contentOf(ctx context.Context, key string, c *checked) (ltx.Header, error) {
	rc, err := in.open(ctx, key, 0, 0, c)
	if err != nil {
		return ltx.Header{}, err
	}
	defer rc.Close()
	r := flow.Count(rc, in.progress)
	if in.visit != nil {
		c.sums = &contentSums{info: &c.info}
		h, err := c.sums.read(r)
		c.post = c.sums.trailer.PostApplyChecksum
		return h, err
	}
	summary, err := ltx.Verify(r)
	c.post = summary.Trailer.PostApplyChecksum
	return summary.Header, err
}

// summarize tells what is there.
func (in *inspector) summarize(chain *ltx.Chain) {
	in.LTX.Levels = chain.Levels()
	in.LTX.MaxTXID = chain.MaxTXID()
	for _, level := range in.LTX.Levels {
		for _, gap := range level.Gaps {
			prefix := in.Layout.LevelPrefix(level.Level)
			in.problem(replica.SeverityWarning, prefix, "%s missing from this level", transactions(gap.Missing()))
		}
	}
}

// assess tells what can be restored from the sound files.
func (in *inspector) assess(chain *ltx.Chain) {
	target := in.LTX.MaxTXID
	path, err := chain.Reach(target)
	var unreachable *ltx.UnreachableError
	if errors.As(err, &unreachable) {
		in.problem(replica.SeverityError, rootOf(in.Layout),
			"the latest transaction, %s, cannot be restored: %s", target, unreachable.Reason)
		if target = unreachable.Below; target != 0 {
			path, err = chain.Reach(target)
		}
	}
	if err == nil && target != 0 {
		in.LTX.RestorableTXID, in.LTX.RestorableTime = target, path.Time()
	}
}

// transactions says which, as the subject of a sentence.
func transactions(r ltx.Range) string {
	if r.Min == r.Max {
		return fmt.Sprintf("transaction %s is", r.Min)
	}
	return fmt.Sprintf("transactions %s to %s are", r.Min, r.Max)
}
