package restore

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// noteFormerHolder looks for a file of the path that a former holder of the lease may
// have written late, under a name that retention had freed: one that is alone in what a
// file of a higher level has, without the file of its own level that follows it. That is
// rare, so that only then the metadata of both are asked for.
func (p *ltxPlanner) noteFormerHolder(ctx context.Context, path *ltx.Path) error {
	for _, f := range path.Files {
		over := p.aloneBelow(f)
		if over == nil {
			continue
		}
		version, err := p.of.Writer(ctx, f)
		if err != nil || version.Generation == 0 {
			return err
		}
		later, err := p.of.Writer(ctx, over)
		if err != nil {
			return err
		}
		if version.Generation < later.Generation {
			p.notef("level %d file %s was written under lease generation %d, "+
				"and level %d file %s, which has its transactions too, under %d: "+
				"a former holder's write came late, and the state may be one that never was",
				f.Level, ltx.FormatName(f.MinTXID, f.MaxTXID), version.Generation,
				over.Level, ltx.FormatName(over.MinTXID, over.MaxTXID), later.Generation)
		}
	}
	return nil
}

// aloneBelow is a file of a higher level that has a file's transactions and the next one,
// if no file of its own level has the next one; nil otherwise.
func (p *ltxPlanner) aloneBelow(f *ltx.FileInfo) (over *ltx.FileInfo) {
	if f.Level == ltx.SnapshotLevel {
		return nil
	}
	for _, g := range p.Files {
		switch {
		case g.Level == f.Level && g.MinTXID == f.MaxTXID+1:
			return nil
		case g.Level > f.Level && g.Level != ltx.SnapshotLevel && g.MinTXID <= f.MinTXID && g.MaxTXID > f.MaxTXID:
			over = g
		}
	}
	return over
}

// writers notes under which lease each file was written, as a restore opens it.
type writers struct {
	from *replica.Files
	mu   sync.Mutex
	of   map[*ltx.FileInfo]int64 // generations that are known
}

func (w *writers) open(ctx context.Context, f *ltx.FileInfo, offset, length int64) (io.ReadCloser, error) {
	rc, err := w.from.OpenFile(ctx, f, offset, length)
	if d, ok := rc.(blob.Describer); ok && err == nil {
		if info, ok := d.Describe(); ok {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.of[f] = replica.VersionOf(info).Generation
		}
	}
	return rc, err
}

// tell tells of each file that was written under an earlier lease than one that it was
// applied to.
func (w *writers) tell(files []*ltx.FileInfo, doubt func(error)) {
	var highest *ltx.FileInfo
	for _, f := range files {
		switch n := w.of[f]; {
		case n == 0 || doubt == nil:
		case highest != nil && n < w.of[highest]:
			doubt(&ltx.FileError{File: f, Err: fmt.Errorf("written under lease generation %d, after %s under %d: "+
				"a former holder's write came late", n, ltx.FormatName(highest.MinTXID, highest.MaxTXID), w.of[highest])})
		default:
			highest = f
		}
	}
}
