//go:build powerloss && linux

package powerloss

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A recording is what child processes did to the tree below root: each system call that
// changes it, each fsync, and between them what the children said, in order.
type recording struct {
	root  string
	top   *node
	nodes []*node
	ops   []op
	lines []string // of strace, for messages
	fds   map[int]*open
	began int // index of the first operation of the last child
}

// node is a file or a directory. The recording keeps what it is now, and what it was before.
type node struct {
	id      int
	dir     bool
	parent  *node
	entries map[string]*node // now
	data    []byte           // now
	before  map[string]*node // of a directory, before the recording
	content []byte           // of a file, before the recording
}

type open struct {
	*node
	pos int64
}

type kind byte

const (
	entry    kind = iota // names in a directory get new nodes, or none
	write                // data
	truncate             // size
	modTime
	attribute
	fsync
	said
)

type op struct {
	kind kind
	on   *node
	to   map[string]*node // entry
	off  int64            // write
	data []byte           // write
	size int64            // write: the size after it, if it grew; -1 otherwise. truncate: the size
	from int              // fsync: how many operations there were when it began
	time time.Time        // modTime
	text string           // said, or the name of the attribute; its value is data
}

const (
	calls = "openat,mkdirat,renameat,renameat2,linkat,unlinkat,write,pwrite64,ftruncate,fsync,fdatasync,fcntl,lseek," +
		"utimensat,fsetxattr"
	// unknown are calls that change files in ways that the recorder does not follow.
	unknown = "writev,pwritev,pwritev2,copy_file_range,sendfile,splice,fallocate,dup,dup2,dup3,open,creat,mkdir," +
		"rename,link,unlink,rmdir,truncate,setxattr,symlink,symlinkat,sync_file_range,io_uring_setup"
)

// newRecording begins a recording of what is below root, which is durable as it is.
func newRecording(t *testing.T, root string) *recording {
	r := &recording{root: root}
	r.top = r.scan(t, root, nil)
	return r
}

func (r *recording) scan(t *testing.T, path string, parent *node) *node {
	fi, err := os.Stat(path)
	must(t, err)
	n := r.node(fi.IsDir(), parent)
	if !n.dir {
		n.content, err = os.ReadFile(path)
		must(t, err)
		n.data = bytes.Clone(n.content)
		return n
	}
	entries, err := os.ReadDir(path)
	must(t, err)
	for _, e := range entries {
		n.entries[e.Name()] = r.scan(t, filepath.Join(path, e.Name()), n)
		n.before[e.Name()] = n.entries[e.Name()]
	}
	return n
}

func (r *recording) node(dir bool, parent *node) *node {
	n := &node{id: len(r.nodes), dir: dir, parent: parent}
	if dir {
		n.entries, n.before = map[string]*node{}, map[string]*node{}
	}
	r.nodes = append(r.nodes, n)
	return n
}

// run records one more child that runs a scenario. An injection is as strace has it.
func (r *recording) run(t *testing.T, scenario string, seed uint64, inject string) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-qq", "-xx", "-s", "16777216", "-e", "signal=none"}
	args = append(args, "-e", "trace="+calls+","+unknown, "-o", trace)
	if inject != "" {
		args = append(args, "-e", "inject="+inject)
	} else {
		args = append(args, "--seccomp-bpf")
	}
	cmd := exec.CommandContext(t.Context(), "strace", append(args, os.Args[0], r.root, strconv.FormatUint(seed, 10))...)
	cmd.Env = append(os.Environ(), childScenario+"="+scenario, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	killed := strings.Contains(inject, "KILL")
	if err != nil && !killed || bytes.Contains(out, []byte("panic")) {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	log, readErr := os.ReadFile(trace)
	must(t, readErr)
	if killed && err == nil || inject != "" && !killed && !bytes.Contains(log, []byte("INJECTED")) {
		t.Fatalf("%s was not injected", inject)
	}
	r.fds, r.began = map[int]*open{}, len(r.ops)
	unfinished, began := map[string]string{}, map[string]int{}
	for line := range strings.Lines(string(log)) {
		pid, call, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		call = strings.TrimSpace(call)
		if head, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			unfinished[pid], began[pid] = head, len(r.ops)
			continue
		}
		from := len(r.ops)
		if _, rest, ok := strings.Cut(call, " resumed>"); ok && strings.HasPrefix(call, "<...") {
			call, from = unfinished[pid]+rest, began[pid]
		}
		if err := r.add(call, from); err != nil {
			t.Fatalf("recorder: %v in %.300s", err, call)
		}
	}
	r.compare(t)
}

var callLine = regexp.MustCompile(`(?s)^(\w+)\((.*)\)\s+= (-?\w+)`)

// add follows one system call, that began when there were from operations.
func (r *recording) add(call string, from int) error {
	m := callLine.FindStringSubmatch(call)
	if m == nil || strings.HasPrefix(m[3], "-") || m[3] == "?" {
		return nil // it failed: nothing has happened
	}
	ret, err := strconv.ParseInt(m[3], 0, 64)
	if err != nil {
		return err
	}
	name, args := m[1], strings.Split(m[2], ", ")
	before := len(r.ops)
	err = r.follow(name, args, ret)
	for i := before; i < len(r.ops); i++ {
		r.ops[i].from = from
		r.lines = append(r.lines, fmt.Sprintf("%.120s", name+readable(m[2])))
	}
	return err
}

func readable(args string) string {
	return regexp.MustCompile(`"[^"]*"`).ReplaceAllStringFunc(args, func(q string) string {
		return fmt.Sprintf("%.60q", unhex(q))
	})
}

func (r *recording) follow(name string, args []string, ret int64) error {
	at := func(i int) (dir *node, base string, found *node) { return r.resolve(args[i], unhex(args[i+1])) }
	switch name {
	case "openat":
		dir, base, found := at(0)
		if found == nil && dir != nil && strings.Contains(args[2], "O_CREAT") {
			found = r.node(false, dir)
			r.change(dir, map[string]*node{base: found})
		} else if found != nil && strings.Contains(args[2], "O_TRUNC") {
			return errors.New("O_TRUNC is not followed")
		}
		r.fds[int(ret)] = &open{node: found}
		return nil
	case "mkdirat":
		if dir, base, _ := at(0); dir != nil {
			r.change(dir, map[string]*node{base: r.node(true, dir)})
		}
		return nil
	case "unlinkat":
		if dir, base, _ := at(0); dir != nil {
			r.change(dir, map[string]*node{base: nil})
		}
		return nil
	case "linkat", "renameat", "renameat2":
		from, old, found := at(0)
		to, base, _ := at(2)
		if from != to {
			return errors.New("two directories")
		} else if from == nil {
			return nil
		}
		entries := map[string]*node{base: found}
		if name != "linkat" && base != old {
			entries[old] = nil
		}
		r.change(from, entries)
		return nil
	case "utimensat":
		if _, _, found := at(0); found != nil {
			return r.setTime(found, strings.Join(args[2:], ", "))
		}
		return nil
	}
	return r.followFile(name, args, ret)
}

// followFile follows a call on an open file.
func (r *recording) followFile(name string, args []string, ret int64) error {
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	f := r.fds[fd]
	switch {
	case name == "write" && fd == 1:
		for line := range strings.Lines(unhex(args[1])) {
			r.ops = append(r.ops, op{kind: said, text: strings.TrimSpace(line)})
		}
	case name == "fcntl" && strings.HasPrefix(args[1], "F_DUPFD"):
		r.fds[int(ret)] = f
	case name == "fcntl" || f == nil || f.node == nil:
	case name == "lseek":
		f.pos = ret
	case name == "write":
		r.write(f.node, f.pos, unhex(args[1])[:ret])
		f.pos += ret
	case name == "pwrite64":
		off, err := strconv.ParseInt(args[len(args)-1], 10, 64)
		if err != nil {
			return err
		}
		r.write(f.node, off, unhex(args[1])[:ret])
	case name == "ftruncate":
		size, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		f.data = append(f.data, make([]byte, max(0, size-int64(len(f.data))))...)[:size]
		r.ops = append(r.ops, op{kind: truncate, on: f.node, size: size})
	case name == "fsync" || name == "fdatasync":
		r.ops = append(r.ops, op{kind: fsync, on: f.node})
	case name == "fsetxattr":
		r.ops = append(r.ops, op{kind: attribute, on: f.node, text: unhex(args[1]), data: []byte(unhex(args[2]))})
	default:
		return fmt.Errorf("%s is not followed", name)
	}
	return nil
}

func (r *recording) change(dir *node, to map[string]*node) {
	for name, n := range to {
		if dir.entries[name] = n; n == nil {
			delete(dir.entries, name)
		}
	}
	r.ops = append(r.ops, op{kind: entry, on: dir, to: to})
}

func (r *recording) write(f *node, off int64, data string) {
	o := op{kind: write, on: f, off: off, data: []byte(data), size: -1}
	if end := off + int64(len(data)); end > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
		o.size = end
	}
	copy(f.data[off:], data)
	r.ops = append(r.ops, o)
}

var timespec = regexp.MustCompile(`tv_sec=(\d+), tv_nsec=(\d+)`)

func (r *recording) setTime(f *node, args string) error {
	m := timespec.FindAllStringSubmatch(args, -1)
	if len(m) != 2 {
		return errors.New("no two times")
	}
	sec, err1 := strconv.ParseInt(m[1][1], 10, 64)
	nsec, err2 := strconv.ParseInt(m[1][2], 10, 64)
	r.ops = append(r.ops, op{kind: modTime, on: f, time: time.Unix(sec, nsec)})
	return errors.Join(err1, err2)
}

// resolve finds a name in the tree. The directory is nil if it is not in it.
func (r *recording) resolve(fd, name string) (dir *node, base string, found *node) {
	at := r.top
	if path.IsAbs(name) {
		rel, err := filepath.Rel(r.root, name)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, "", nil
		}
		name = rel
	} else if n, err := strconv.Atoi(fd); err != nil || r.fds[n] == nil || r.fds[n].node == nil {
		return nil, "", nil
	} else {
		at = r.fds[n].node
	}
	parts := strings.Split(path.Clean(name), "/")
	for i, part := range parts {
		switch last := i == len(parts)-1; {
		case at == nil || !at.dir:
			return nil, "", nil
		case part == ".":
			return at.parent, "", at
		case part == "..":
			at = at.parent
		case last:
			return at, part, at.entries[part]
		default:
			at = at.entries[part]
		}
	}
	return nil, "", at
}

// unhex is a string as strace -xx prints it.
func unhex(quoted string) string {
	digits := strings.ReplaceAll(strings.Trim(quoted, `"`), `\x`, "")
	b := make([]byte, len(digits)/2)
	for i := range b {
		n, _ := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		b[i] = byte(n)
	}
	return string(b)
}

// compare fails if the tree is not what the recorder believes that it is now.
func (r *recording) compare(t *testing.T) {
	t.Helper()
	var visit func(n *node, path string)
	visit = func(n *node, path string) {
		if !n.dir {
			b, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(b, n.data) {
				t.Fatalf("recorder: %s has %d bytes on disk, %d in the recording (%v)", path, len(b), len(n.data), err)
			}
			return
		}
		entries, err := os.ReadDir(path)
		must(t, err)
		if len(entries) != len(n.entries) {
			t.Fatalf("recorder: %s has %v, and %d entries in the recording", path, entries, len(n.entries))
		}
		for name, sub := range n.entries {
			visit(sub, filepath.Join(path, name))
		}
	}
	visit(r.top, r.root)
}
