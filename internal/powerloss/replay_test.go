//go:build powerloss && linux

package powerloss

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const sector = 512 // what a disk writes whole

// unit is a part of an operation that a power loss takes or leaves whole.
type unit struct {
	op       int // index in the recording
	kind     kind
	from, to int // write: of the data
	size     int64
	durable  int // index of the fsync after which it stays
}

const never = 1 << 30

// units splits a recording. The fsync with the index removed has not happened.
func (r *recording) units(removed int) (units []unit) {
	for i, o := range r.ops {
		if o.kind == fsync || o.kind == said {
			continue
		}
		durable := never
		for j := i + 1; j < len(r.ops); j++ {
			if r.ops[j].kind == fsync && r.ops[j].on == o.on && r.ops[j].from > i && j != removed {
				durable = j
				break
			}
		}
		if o.kind != write {
			units = append(units, unit{op: i, kind: o.kind, size: o.size, durable: durable})
			continue
		}
		if o.size >= 0 {
			units = append(units, unit{op: i, kind: truncate, size: o.size, durable: durable})
		}
		for from := 0; from < len(o.data); {
			to := min(len(o.data), from+sector-int(o.off+int64(from))%sector)
			units = append(units, unit{op: i, kind: write, from: from, to: to, durable: durable})
			from = to
		}
	}
	return units
}

// image is what is on the disk after a power loss.
type image struct {
	nodes []content // by id
	stale byte      // what unwritten sectors hold
}

type content struct {
	entries map[string]*node
	data    []byte
	written int64 // size
	time    time.Time
	attrs   map[string]string
}

// image applies some units in their order.
func (r *recording) image(units []unit, keep func(i int) bool, stale byte) *image {
	m := &image{nodes: make([]content, len(r.nodes)), stale: stale}
	for i, n := range r.nodes {
		m.nodes[i] = content{entries: n.before, data: n.content, written: int64(len(n.content))}
	}
	own := make([]bool, len(r.nodes))
	for i, u := range units {
		if !keep(i) {
			continue
		}
		o := r.ops[u.op]
		c := &m.nodes[o.on.id]
		if !own[o.on.id] {
			own[o.on.id] = true
			c.entries, c.data, c.attrs = maps.Clone(c.entries), slices.Clone(c.data), map[string]string{}
		}
		switch u.kind {
		case entry:
			maps.Copy(c.entries, o.to)
		case truncate:
			if c.written = u.size; o.kind == truncate {
				c.data = c.data[:min(int64(len(c.data)), u.size)]
			}
		case write:
			c.grow(o.off+int64(u.to), stale)
			copy(c.data[o.off+int64(u.from):], o.data[u.from:u.to])
		case modTime:
			c.time = o.time
		case attribute:
			c.attrs[o.text] = string(o.data)
		}
	}
	return m
}

func (c *content) grow(size int64, stale byte) {
	for int64(len(c.data)) < size {
		c.data = append(c.data, stale)
	}
}

var seed = maphash.MakeSeed()

// walk visits what is reachable, in order, and returns a hash of it.
func (m *image) walk(n *node, path string, h *maphash.Hash, visit func(n *node, path string, c *content)) {
	c := &m.nodes[n.id]
	fmt.Fprintf(h, "%s %v %v %v ", path, n.dir, c.time.UnixNano(), c.attrs)
	if !n.dir {
		c.grow(c.written, m.stale)
		c.data = c.data[:c.written]
		fmt.Fprintf(h, "%d ", len(c.data))
		_, _ = h.Write(c.data)
	}
	if visit != nil {
		visit(n, path, c)
	}
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		if sub := c.entries[name]; sub != nil {
			m.walk(sub, filepath.Join(path, name), h, visit)
		}
	}
}

func (r *recording) hash(m *image) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	m.walk(r.top, "", &h, nil)
	return h.Sum64()
}

// materialise makes the tree on a real filesystem.
func (r *recording) materialise(m *image, dir string) (err error) {
	var h maphash.Hash
	m.walk(r.top, dir, &h, func(n *node, path string, c *content) {
		switch {
		case err != nil:
			return
		case n.dir:
			err = os.Mkdir(path, 0o700)
			return
		}
		if err = os.WriteFile(path, c.data, 0o600); err != nil {
			return
		}
		for name, value := range c.attrs {
			if err = unix.Setxattr(path, name, []byte(value), 0); err != nil {
				return
			}
		}
		if !c.time.IsZero() {
			err = os.Chtimes(path, c.time, c.time)
		}
	})
	return err
}

// replay is one run over the states of a recording.
type replay struct {
	*recording
	judge   func(dir string, said []string) error
	scratch string
	rng     *rand.Rand
	bound   int // states of one moment and model; above it they are drawn
	removed int // index of an fsync that has not happened; -1 if none
	first   bool
	seen    map[uint64]bool
	states  int
	found   []error
}

// run judges the states of all moments from one on.
func (p *replay) run(t *testing.T, from int) {
	units := p.units(p.removed)
	for moment := from; moment <= len(p.ops); moment++ {
		var pending, meta []int // units that this moment's power loss may take
		settled := -1           // the last one that it cannot, and that is no data
		for i, u := range units {
			switch {
			case u.op >= moment:
			case u.durable >= moment:
				if pending = append(pending, i); u.kind != write {
					meta = append(meta, i)
				}
			case u.kind != write:
				settled = i
			}
		}
		for chosen := range p.choices(units, pending, meta, settled) {
			p.state(t, units, moment, chosen)
			if p.first && len(p.found) > 0 || len(p.found) > 20 {
				return
			}
		}
	}
}

// choices yields which of the pending units stay. In the first model any of them do. In
// the second one, as with a journal, names and sizes stay in their order, up to a moment;
// data do as they like.
func (p *replay) choices(units []unit, pending, meta []int, settled int) func(func(map[int]bool) bool) {
	return func(yield func(map[int]bool) bool) {
		pick := func(of []int, keep func(i int) bool) map[int]bool {
			m := map[int]bool{}
			for _, i := range of {
				m[i] = keep(i)
			}
			return m
		}
		each := func(data, names func(i int) bool) map[int]bool {
			return pick(pending, func(i int) bool {
				if units[i].kind == write {
					return data(i)
				}
				return names(i)
			})
		}
		all, none := func(int) bool { return true }, func(int) bool { return false }
		drawn := func() func(int) bool {
			odds := []float64{0.1, 0.5, 0.9}[p.rng.IntN(3)]
			return func(int) bool { return p.rng.Float64() < odds }
		}
		for cut := range len(meta) + 1 { // a journal
			if cut < len(meta) && meta[cut] < settled {
				continue
			}
			kept := func(i int) bool { return cut == len(meta) || i < meta[cut] }
			for _, data := range []func(int) bool{none, all, drawn()} {
				if !yield(each(data, kept)) {
					return
				}
			}
		}
		if len(pending) < 20 && 1<<len(pending) <= p.bound {
			for set := range 1 << len(pending) {
				n := -1
				if !yield(pick(pending, func(int) bool { n++; return set>>n&1 == 1 })) {
					return
				}
			}
			return
		}
		left := p.bound
		for _, special := range [][]int{meta, pending} {
			for _, one := range special[:min(len(special), p.bound/4)] {
				only, but := func(i int) bool { return i == one }, func(i int) bool { return i != one }
				if left -= 2; !yield(pick(pending, but)) || !yield(pick(pending, only)) {
					return
				}
			}
		}
		for range max(left, p.bound/4) {
			if !yield(each(drawn(), drawn())) {
				return
			}
		}
	}
}

// state judges one state, unless it was judged before.
func (p *replay) state(t *testing.T, units []unit, moment int, chosen map[int]bool) {
	keep := func(i int) bool { return units[i].op < moment && (units[i].durable < moment || chosen[i]) }
	m := p.image(units, keep, []byte{0, 0xA5}[p.rng.IntN(2)])
	var told []string
	for _, o := range p.ops[:moment] {
		if o.kind == said {
			told = append(told, o.text)
		}
	}
	key := p.hash(m) ^ uint64(len(told))*0x9E3779B97F4A7C15
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	p.states++
	dir := filepath.Join(p.scratch, "state")
	must(t, p.materialise(m, dir))
	if err := p.judge(dir, told); err != nil {
		p.found = append(p.found, fmt.Errorf("power loss after call %d of %d, %s: %w%s",
			moment, len(p.ops), p.lineBefore(moment), err, p.lost(units, moment, chosen)))
	}
	must(t, os.RemoveAll(dir))
}

func (p *replay) lineBefore(moment int) string {
	if moment == 0 {
		return "the beginning"
	}
	return p.lines[moment-1]
}

// lost tells which calls a power loss has undone.
func (p *replay) lost(units []unit, moment int, chosen map[int]bool) (text string) {
	last := -1
	for i, u := range units {
		if u.op < moment && u.durable >= moment && !chosen[i] && u.op != last {
			text += fmt.Sprintf("\n\tlost: %d %s", u.op, p.lines[u.op])
			last = u.op
		}
	}
	return text
}
