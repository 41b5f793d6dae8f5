package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
)

// verifiers is how many LTX files an inspection reads at a time.
const verifiers = 4

// surveyLTX lists the LTX files of the layout that the client uses, and reports
// those of the other.
func (in *inspector) surveyLTX(ctx context.Context) error {
	for _, layout := range in.layouts {
		files, foreign, err := in.listLayout(ctx, layout)
		if err != nil {
			return err
		}
		foreign.report(in, rootOf(layout))
		switch {
		case len(files) == 0:
		case layout == in.layout:
			in.files = files
			in.LTX = &LTXInspection{Layout: layout}
		default:
			in.problem(SeverityWarning, rootOf(layout), "%d LTX files in the %v layout beside those in the %v layout: two replicas in one place; only the latter is used",
				len(files), layout, in.layout)
		}
	}
	in.Objects += len(in.files)
	for _, f := range in.files {
		in.Bytes += f.Size
	}
	return nil
}

// rootOf is a prefix to name a layout's files by.
func rootOf(layout ltx.Layout) string {
	if layout == ltx.LayoutFile {
		return "ltx/"
	}
	return layout.LevelPrefix(ltx.MinLevel)
}

func (in *inspector) listLayout(ctx context.Context, layout ltx.Layout) (files []*ltx.FileInfo, foreign foreignNames, err error) {
	prefixes := []string{rootOf(layout)}
	for level := ltx.MinLevel + 1; layout == ltx.LayoutS3 && level <= ltx.MaxLevel; level++ {
		prefixes = append(prefixes, layout.LevelPrefix(level))
	}
	for _, prefix := range prefixes {
		for info, err := range in.store.List(ctx, prefix, blob.ListOptions{}) {
			if err != nil {
				return nil, foreign, err
			}
			_, level, minTXID, maxTXID, err := ltx.ParseKey(info.Key)
			if err != nil {
				foreign.add(info.Key)
				continue
			}
			files = append(files, fileInfo(level, minTXID, maxTXID, info.Size, info.ModTime))
		}
	}
	return files, foreign, nil
}

// verifyLTX reads what is to be read, drops what is damaged, and sees what the
// rest adds up to.
func (in *inspector) verifyLTX(ctx context.Context) error {
	if in.LTX == nil {
		return nil
	}
	read := in.edges()
	if in.reads() {
		read = nil // all
		in.Verified += len(in.files)
	}
	all, sound := in.files[:0:0], in.files[:0:0]
	for f, err := range ordered.Map(ctx, verifiers, in.sequence(), func(ctx context.Context, f *ltx.FileInfo) (checked, error) {
		return in.verifyFile(ctx, *f, read)
	}) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // deleted since the listing
		case err != nil:
			return err
		case f.damage != nil:
			in.problem(SeverityError, in.key(&f.info), "%v; the file cannot be used", f.damage)
		default:
			sound = append(sound, &f.info)
		}
		all = append(all, &f.info)
	}
	in.summarize(ltx.NewChain(all))
	in.assess(ltx.NewChain(sound))
	return nil
}

type checked struct {
	info   ltx.FileInfo
	damage error
}

func (in *inspector) key(f *ltx.FileInfo) string {
	return in.LTX.Layout.Key(f.Level, f.MinTXID, f.MaxTXID)
}

func (in *inspector) sequence() iter.Seq2[*ltx.FileInfo, error] {
	return func(yield func(*ltx.FileInfo, error) bool) {
		for _, f := range in.files {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// edges are the first and the last file of each level: their headers tell the
// level's span of time.
func (in *inspector) edges() map[ltx.FileInfo]bool {
	edges := make(map[ltx.FileInfo]bool)
	for i, f := range in.files {
		if i == 0 || i == len(in.files)-1 || in.files[i-1].Level != f.Level || in.files[i+1].Level != f.Level {
			edges[*f] = true
		}
	}
	return edges
}

// verifyFile reads a file, or the header of one of the edges, and sets the true
// time. A file that is not read has none.
func (in *inspector) verifyFile(ctx context.Context, f ltx.FileInfo, edges map[ltx.FileInfo]bool) (checked, error) {
	wanted := edges == nil || edges[f]
	f.CreatedAt = time.Time{}
	c := checked{info: f}
	if f.Size < ltx.HeaderSize+ltx.TrailerSize {
		c.damage = fmt.Errorf("%w: %d bytes are less than a header and a trailer", ltx.ErrTruncated, f.Size)
		return c, nil
	}
	if !wanted {
		return c, nil
	}
	length := int64(0)
	if edges != nil {
		length = ltx.HeaderSize
	}
	rc, err := in.store.Open(ctx, in.key(&f), 0, length)
	if err != nil {
		return c, err
	}
	defer rc.Close()
	h, err := in.verifyContent(rc, length == 0)
	if err == nil {
		err = ltx.CheckInfo(&f, h)
	}
	if errors.Is(err, ltx.ErrTruncated) || errors.Is(err, ltx.ErrCorrupt) {
		c.damage = err
		return c, nil
	}
	c.info.CreatedAt = ltx.Time(h)
	return c, err
}

func (in *inspector) verifyContent(r io.Reader, whole bool) (ltx.Header, error) {
	if !whole {
		return ltx.ReadHeader(r)
	}
	summary, err := ltx.Verify(&countingReader{r: r, in: in})
	return summary.Header, err
}

type countingReader struct {
	r  io.Reader
	in *inspector
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.in.progress(int64(n))
	return n, err
}

// summarize tells what is there.
func (in *inspector) summarize(chain *ltx.Chain) {
	in.LTX.Levels = chain.Levels()
	in.LTX.MaxTXID = chain.MaxTXID()
	for _, level := range in.LTX.Levels {
		for _, gap := range level.Gaps {
			in.problem(SeverityWarning, in.LTX.Layout.LevelPrefix(level.Level), "%s missing from this level", transactions(gap.Missing()))
		}
	}
}

// assess tells what can be restored from the sound files.
func (in *inspector) assess(chain *ltx.Chain) {
	target := in.LTX.MaxTXID
	path, err := chain.Reach(target)
	var unreachable *ltx.UnreachableError
	if errors.As(err, &unreachable) {
		in.problem(SeverityError, rootOf(in.LTX.Layout), "the latest transaction, %s, cannot be restored: %s", target, unreachable.Reason)
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
