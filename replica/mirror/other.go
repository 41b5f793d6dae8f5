package mirror

import (
	"context"
	"fmt"
	"slices"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// checkSame refuses a destination that has a replica and shares no object's name with
// the source: it is another database's, or an earlier copy of which the source has
// nothing left, and what is copied would become its latest state.
func (c *copier) checkSame(ctx context.Context, files, there []*ltx.FileInfo) error {
	if c.opts.Force {
		return nil
	}
	generations, err := c.dst.Backup().Generations(ctx)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	if len(there)+len(generations) == 0 {
		return nil
	}
	ours, err := c.src.Backup().Generations(ctx)
	shared := func(id string) bool { return slices.Contains(generations, id) }
	if err != nil || sharesFile(files, there) || slices.ContainsFunc(ours, shared) {
		return err
	}
	const why = "the destination has a replica that shares no object with the source: " +
		"another database's, or a copy that is too old to be continued"
	return &ConflictError{anyKey(files, ours), anyKey(there, generations), why, true}
}

func sharesFile(a, b []*ltx.FileInfo) bool {
	names := make(map[ltx.FileID]bool, len(a))
	for _, f := range a {
		names[ltx.IDOf(f)] = true
	}
	return slices.ContainsFunc(b, func(f *ltx.FileInfo) bool { return names[ltx.IDOf(f)] })
}

// anyKey names something that is in a replica.
func anyKey(files []*ltx.FileInfo, generations []string) string {
	switch {
	case len(files) > 0:
		f := files[len(files)-1]
		return fmt.Sprintf("level %d file %s", f.Level, ltx.FormatName(f.MinTXID, f.MaxTXID))
	case len(generations) > 0:
		return v3compat.GenerationPrefix(generations[0])
	}
	return "nothing"
}
