package replicate

import (
	"context"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// maxForeign is how many foreign objects an inspection names, in each place.
const maxForeign = 20

// facades are the prefixes of what else may be kept in the same place, by the
// packages under store/.
var facades = []string{"config/", "kv/", "logstate/", "resource/"}

// survey lists the replica: its LTX files of both layouts, whether there are a
// lease and generations, and what does not belong. It is one listing, a request for
// a thousand objects. Generations are passed over, since package v3compat lists
// them; so is what is below a name that does not belong, at a request each, up to
// the point where that costs more than looking at the root first.
func (in *inspector) survey(ctx context.Context) error {
	s := &survey{in: in, layouts: map[ltx.Layout]*layoutFiles{ltx.LayoutFile: {}, ltx.LayoutS3: {}}}
	for after, more := "", true; more; {
		var err error
		if after, more, err = s.list(ctx, after); err != nil {
			return err
		}
		if s.skips > maxForeign {
			if err := s.listKnown(ctx, after); err != nil {
				return err
			}
			break
		}
	}
	s.report()
	return nil
}

type survey struct {
	in      *inspector
	foreign foreignNames // in the root
	layouts map[ltx.Layout]*layoutFiles
	skips   int
}

type layoutFiles struct {
	files   []*ltx.FileInfo
	foreign foreignNames
}

// list goes on after a key, and says after which to go on where something is to be
// passed over.
func (s *survey) list(ctx context.Context, after string) (next string, more bool, err error) {
	for info, err := range s.in.store.List(ctx, "", blob.ListOptions{After: after}) {
		if err != nil {
			return "", false, err
		}
		top, _, below := strings.Cut(info.Key, "/")
		if below {
			top += "/"
		}
		switch {
		case s.add(top, info):
		case top == v3compat.GenerationsPrefix:
			s.in.v3 = v3compat.New(s.in.store)
			return pastPrefix(top), true, nil
		case slices.Contains(facades, top):
			return pastPrefix(top), true, nil
		case below:
			s.foreign.add(top)
			s.skips++
			return pastPrefix(top), true, nil
		default:
			s.foreign.add(top)
		}
	}
	return "", false, nil
}

// pastPrefix is a key after all that start with a prefix: "0" follows "/".
func pastPrefix(prefix string) string { return strings.TrimSuffix(prefix, "/") + "0" }

// add takes what belongs to an LTX replica; top is the first part of the key.
func (s *survey) add(top string, info blob.Info) bool {
	if top == DefaultLeaseFile {
		s.in.Lease = &LeaseInspection{}
		return true
	}
	found := ltx.DetectLayout([]string{top})
	if len(found) == 0 {
		return false
	}
	layout, level, minTXID, maxTXID, err := ltx.ParseKey(info.Key)
	if err != nil {
		s.layouts[found[0]].foreign.add(info.Key)
		return true
	}
	l := s.layouts[layout]
	l.files = append(l.files, fileInfo(level, minTXID, maxTXID, info.Size, info.ModTime))
	return true
}

// listKnown is for a root with much that does not belong, such as that of a bucket:
// after a key it lists the names there, and then what is below those that belong.
func (s *survey) listKnown(ctx context.Context, after string) error {
	var known []string
	for info, err := range s.in.store.List(ctx, "", blob.ListOptions{After: after, Delimited: true}) {
		switch {
		case err != nil:
			return err
		case info.Key == v3compat.GenerationsPrefix:
			s.in.v3 = v3compat.New(s.in.store)
		case len(ltx.DetectLayout([]string{info.Key})) > 0:
			known = append(known, info.Key)
		case !s.add(info.Key, info) && !slices.Contains(facades, info.Key):
			s.foreign.add(info.Key)
		}
	}
	for _, prefix := range known {
		for info, err := range s.in.store.List(ctx, prefix, blob.ListOptions{}) {
			if err != nil {
				return err
			}
			s.add(prefix, info)
		}
	}
	return nil
}

// report hands over the files of the layout that the client uses.
func (s *survey) report() {
	s.foreign.report(s.in, "")
	for _, layout := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		l := s.layouts[layout]
		l.foreign.report(s.in, rootOf(layout))
		switch {
		case len(l.files) == 0:
		case layout == s.in.layout:
			s.in.files = l.files
			s.in.LTX = &LTXInspection{Layout: layout}
		default:
			s.in.problem(SeverityWarning, rootOf(layout), "%d LTX files in the %v layout beside those in the %v layout: two replicas in one place; only the latter is used",
				len(l.files), layout, s.in.layout)
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
			in.problem(SeverityWarning, key, "leftover of an interrupted write; no reader uses it")
			continue
		}
		in.problem(SeverityWarning, key, "not part of a replica; no reader uses it")
	}
	if more := f.count - len(f.names); more > 0 {
		in.problem(SeverityWarning, place, "%d more objects that are not part of a replica", more)
	}
}
