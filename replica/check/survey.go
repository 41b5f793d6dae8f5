package check

import (
	"context"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// maxForeign is how many foreign objects an inspection names, in each place.
const maxForeign = 20

// facades are the prefixes of what else may be kept in the same place, by the
// packages under store/, and the record of drills.
var facades = []string{"config/", "drill/", "kv/", "logstate/", "resource/"}

// survey lists the replica: its LTX files of both layouts, whether there are a
// lease and generations, and what does not belong. It looks into nothing but the
// directories of a replica's levels: what is below other names may be large, closed to
// this reader, or lead anywhere. Generations are left to package v3compat.
func (in *inspector) survey(ctx context.Context) error {
	s := &survey{in: in, layouts: map[ltx.Layout]*layoutFiles{ltx.LayoutFile: {}, ltx.LayoutS3: {}}}
	levels, err := s.root(ctx)
	if err != nil {
		return err
	}
	for l, err := range ordered.Map(ctx, replica.HeaderReads, ordered.Slice(levels), s.list) {
		if err != nil {
			return err
		}
		s.add(l)
	}
	s.report()
	return nil
}

type survey struct {
	in      *inspector
	foreign foreignNames // in the root
	layouts map[ltx.Layout]*layoutFiles
}

type layoutFiles struct {
	files   []*ltx.FileInfo
	foreign foreignNames
}

// levelList is one level of one layout, and what is in it.
type levelList struct {
	layout  ltx.Layout
	level   int
	files   []*ltx.FileInfo
	foreign []string
}

// levelAt is the level with a prefix.
func levelAt(prefix string) (*levelList, bool) {
	for _, layout := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
			if layout.LevelPrefix(level) == prefix {
				return &levelList{layout: layout, level: level}, true
			}
		}
	}
	return nil, false
}

// root lists the root, and finds the levels.
func (s *survey) root(ctx context.Context) (levels []*levelList, err error) {
	for info, err := range s.in.Store.List(ctx, "", blob.ListOptions{Delimited: true}) {
		if err != nil {
			return nil, err
		}
		belongs, err := replica.IsDirectory(ctx, s.in.Store, info, replica.IsFormatRoot)
		level, isLevel := levelAt(info.Key)
		switch {
		case err != nil:
			return nil, err
		case info.Key == lease.DefaultFile:
			s.in.Lease = &replica.LeaseRecord{}
		case slices.Contains(facades, info.Key):
		case !belongs:
			s.foreign.add(info.Key)
		case info.Key == v3compat.GenerationsPrefix:
			s.in.v3 = v3compat.New(s.in.Store)
		case isLevel:
			levels = append(levels, level)
		default:
			found, err := s.levelsIn(ctx, info.Key)
			if err != nil {
				return nil, err
			}
			levels = append(levels, found...)
		}
	}
	return levels, nil
}

// levelsIn finds the levels in the directory that LayoutFile has for them.
func (s *survey) levelsIn(ctx context.Context, dir string) (levels []*levelList, err error) {
	for info, err := range s.in.Store.List(ctx, dir, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return nil, err
		}
		belongs, err := replica.IsDirectory(ctx, s.in.Store, info, func(prefix string) bool {
			_, ok := levelAt(prefix)
			return ok
		})
		if err != nil {
			return nil, err
		}
		if level, ok := levelAt(info.Key); ok && belongs {
			levels = append(levels, level)
		} else {
			s.layouts[ltx.LayoutFile].foreign.add(info.Key)
		}
	}
	return levels, nil
}

// list lists a level.
func (s *survey) list(ctx context.Context, l *levelList) (*levelList, error) {
	prefix := l.layout.LevelPrefix(l.level)
	for info, err := range s.in.Store.List(ctx, prefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return nil, err
		}
		if f, ok := replica.LevelFile(l.level, prefix, info); ok {
			l.files = append(l.files, f)
		} else {
			l.foreign = append(l.foreign, info.Key)
		}
	}
	return l, nil
}

func (s *survey) add(l *levelList) {
	to := s.layouts[l.layout]
	to.files = append(to.files, l.files...)
	for _, key := range l.foreign {
		to.foreign.add(key)
	}
}

// report hands over the files of the layout that the client uses.
func (s *survey) report() {
	s.foreign.report(s.in, "")
	for _, layout := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		l := s.layouts[layout]
		l.foreign.report(s.in, rootOf(layout))
		switch {
		case len(l.files) == 0:
		case layout == s.in.Layout:
			s.in.files = l.files
			s.in.LTX = &LTXInspection{Layout: layout}
		default:
			s.in.problem(replica.SeverityWarning, rootOf(layout), "%d LTX files in the %v layout "+
				"beside those in the %v layout: "+
				"two replicas in one place; only the latter is used", len(l.files), layout, s.in.Layout)
		}
	}
	s.in.Objects += len(s.in.files)
	for _, f := range s.in.files {
		s.in.Bytes += f.Size
	}
}

// rootOf is a prefix to name a layout's files by.
func rootOf(layout ltx.Layout) string {
	if layout == ltx.LayoutFile {
		return "ltx/"
	}
	return layout.LevelPrefix(ltx.MinLevel)
}

// foreignNames collects what is in a place and does not belong there.
type foreignNames struct {
	names []string
	count int
}

func (f *foreignNames) add(key string) {
	if f.count++; f.count <= maxForeign {
		f.names = append(f.names, key)
	}
}

func (f *foreignNames) report(in *inspector, place string) {
	for _, key := range f.names {
		if strings.HasSuffix(key, ".tmp") {
			in.problem(replica.SeverityWarning, key, "leftover of an interrupted write; no reader uses it")
			continue
		}
		in.problem(replica.SeverityWarning, key, "not part of a replica; no reader uses it")
	}
	if more := f.count - len(f.names); more > 0 {
		in.problem(replica.SeverityWarning, place, "%d more objects that are not part of a replica", more)
	}
}
