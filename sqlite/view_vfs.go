package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"modernc.org/libc"
	codes "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vfs"
)

// viewFS has a file for each view and connection, so that a file knows the call that it
// is read for.
type viewFS struct{ of *viewConnector }

func viewPath(conn int64, view int) string { return fmt.Sprintf("/%d/%d", conn, view) }

// Open implements fs.FS. There is no -wal and no -journal.
func (f viewFS) Open(name string) (fs.File, error) {
	var conn int64
	var view int
	if _, err := fmt.Sscanf(name, "/%d/%d", &conn, &view); err != nil || name != viewPath(conn, view) {
		return nil, fs.ErrNotExist
	}
	f.of.mu.Lock()
	c := f.of.conns[conn]
	f.of.mu.Unlock()
	if c == nil || view < 0 || view >= len(f.of.views) {
		return nil, fs.ErrNotExist
	}
	return &viewFile{conn: c, view: f.of.views[view].View}, nil
}

// viewFile is a view, as one connection reads it. It is an io.ReadSeeker, as the VFS
// wants it.
type viewFile struct {
	conn   *viewConn
	view   View
	offset int64
}

// Read implements io.Reader.
func (f *viewFile) Read(p []byte) (n int, err error) {
	if c, ok := f.view.(contextReaderAt); ok {
		n, err = c.ReadAtContext(f.conn.ctx, p, f.offset)
	} else {
		n, err = f.view.ReadAt(p, f.offset)
	}
	if err != nil && err != io.EOF && f.conn.cause == nil { //nolint:errorlint // as an io.ReaderAt returns it
		f.conn.cause = err
	}
	f.hideWAL(p[:n])
	f.offset += int64(n)
	return n, err
}

// hideWAL makes a database in WAL mode one with a rollback journal. SQLite would want a
// log and an index of it.
func (f *viewFile) hideWAL(p []byte) {
	const writeVersion, readVersion, inWAL, legacy = 18, 19, 2, 1
	for _, at := range []int64{writeVersion, readVersion} {
		if i := at - f.offset; 0 <= i && i < int64(len(p)) && p[i] == inWAL {
			p[i] = legacy
		}
	}
}

// Seek implements io.Seeker. SQLite seeks from the start.
func (f *viewFile) Seek(offset int64, _ int) (int64, error) {
	f.offset = offset
	return offset, nil
}

func (f *viewFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *viewFile) Close() error               { return nil }
func (f *viewFile) Name() string               { return "view" }
func (f *viewFile) Size() int64                { return f.view.Size() }
func (f *viewFile) Mode() fs.FileMode          { return 0o400 }
func (f *viewFile) ModTime() time.Time         { return time.Time{} }
func (f *viewFile) IsDir() bool                { return false }
func (f *viewFile) Sys() any                   { return nil }

// viewVFS is the VFS of a handle: the one of package vfs, which shows viewFS to SQLite,
// but for files without a name. Those are SQLite's temporary files, which package vfs
// refuses, and without which a large sort fails. The system's VFS opens them.
type viewVFS struct {
	name    string
	fs      *vfs.FS
	self    uintptr // *Tsqlite3_vfs
	tempDir string
	open    openFunc // of package vfs

	mu    sync.Mutex
	tls   *libc.TLS
	names []uintptr // of temporary files, for as long as SQLite may read them
}

// openFunc is the type of xOpen.
type openFunc func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32

var (
	viewVFSsMu sync.Mutex
	viewVFSs   = map[uintptr]*viewVFS{}
)

func newViewVFS(files fs.FS, tempDir string) (*viewVFS, error) {
	if tempDir != "" {
		if info, err := os.Stat(tempDir); err != nil {
			return nil, fmt.Errorf("directory for temporary files: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("directory for temporary files %s: it is not a directory", tempDir)
		}
	}
	name, registered, err := vfs.New(files)
	if err != nil {
		return nil, err
	}
	v := &viewVFS{name: name, fs: registered, tempDir: tempDir, tls: libc.NewTLS()}
	if err := v.hook(); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// hook puts openView before the VFS's own xOpen.
func (v *viewVFS) hook() error {
	name, err := libc.CString(v.name)
	if err != nil {
		return err
	}
	defer libc.Xfree(v.tls, name)
	v.self = codes.Xsqlite3_vfs_find(v.tls, name)
	system := codes.Xsqlite3_vfs_find(v.tls, 0)
	if v.self == 0 || system == 0 {
		return errors.New("SQLite does not find its VFS")
	}
	self := vfsAt(v.self)
	self.FszOsFile = max(self.FszOsFile, vfsAt(system).FszOsFile)
	v.open = openOf(v.self)
	viewVFSsMu.Lock()
	viewVFSs[v.self] = v
	viewVFSsMu.Unlock()
	self.FxOpen = *(*uintptr)(unsafe.Pointer(&struct{ f openFunc }{openView}))
	return nil
}

// vfsAt is SQLite's structure at an address of its memory, which the garbage collector
// does not move.
func vfsAt(p uintptr) *codes.Tsqlite3_vfs {
	return *(**codes.Tsqlite3_vfs)(unsafe.Pointer(&p))
}

// openOf is the xOpen of a VFS.
func openOf(p uintptr) openFunc {
	return *(*openFunc)(unsafe.Pointer(&struct{ p uintptr }{vfsAt(p).FxOpen}))
}

// openView is the xOpen of all viewVFSs.
func openView(tls *libc.TLS, self, name, file uintptr, flags int32, outFlags uintptr) int32 {
	viewVFSsMu.Lock()
	v := viewVFSs[self]
	viewVFSsMu.Unlock()
	if v == nil {
		return codes.SQLITE_CANTOPEN
	}
	if name != 0 {
		return v.open(tls, self, name, file, flags, outFlags)
	}
	name, ok := v.tempName()
	if !ok {
		return codes.SQLITE_NOMEM
	}
	system := codes.Xsqlite3_vfs_find(tls, 0)
	return openOf(system)(tls, system, name, file, flags, outFlags)
}

// tempName is the name of a new temporary file in the directory for them; 0 lets SQLite
// choose one.
func (v *viewVFS) tempName() (name uintptr, ok bool) {
	if v.tempDir == "" {
		return 0, true
	}
	path, err := filepath.Abs(filepath.Join(v.tempDir, fmt.Sprintf("replicate-%016x.tmp", rand.Uint64())))
	if err != nil {
		return 0, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if name, err = libc.CString(path); err != nil {
		return 0, false
	}
	v.names = append(v.names, name)
	return name, true
}

// close is for when no connection is left.
func (v *viewVFS) close() {
	viewVFSsMu.Lock()
	delete(viewVFSs, v.self)
	viewVFSsMu.Unlock()
	_ = v.fs.Close() // it can only say that files are open
	for _, name := range v.names {
		libc.Xfree(v.tls, name)
	}
	v.names = nil
	v.tls.Close()
}
