package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/sqlite"
)

// restore makes a database in a directory of its own, from a snapshot that Litestream wrote.
func restore() (path string, drop func(), err error) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		return "", nil, err
	}
	drop = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, "app.db")
	db, err := os.Create(path)
	if err != nil {
		return path, drop, err
	}
	defer db.Close()
	name := "../testdata/v0.5/replica/ltx/9/0000000000000001-000000000000003a.ltx"
	info, err := os.Stat(name)
	if err != nil {
		return path, drop, err
	}
	files := []*ltx.FileInfo{{Level: ltx.SnapshotLevel, MinTXID: 1, MaxTXID: 0x3a, Size: info.Size()}}
	open := func(context.Context, *ltx.FileInfo, int64, int64) (io.ReadCloser, error) { return os.Open(name) }
	_, err = ltx.Apply(context.Background(), files, open, db, ltx.ApplyOptions{})
	return path, drop, err
}

// Take a snapshot of a database, as an LTX file, while others may write to it.
func ExampleOpen() {
	ctx := context.Background()
	path, drop, err := restore()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer drop()
	im, err := sqlite.Open(ctx, path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	file, err := os.Create(filepath.Join(filepath.Dir(path), ltx.FormatName(1, 77)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	opts := ltx.SnapshotOptions{TXID: 77, Time: time.Now(), PageSize: im.PageSize(), Commit: im.Pages()}
	result, err := ltx.WriteSnapshot(file, opts, im.ReadPage)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d pages of %d bytes\n", filepath.Base(file.Name()), result.Header.Commit, result.Header.PageSize)
	// Output: 0000000000000001-000000000000004d.ltx: 12 pages of 4096 bytes
}

// Ask SQLite whether a restored database is sound.
func ExampleCheck() {
	ctx := context.Background()
	path, drop, err := restore()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer drop()
	fmt.Println(sqlite.Check(ctx, path, sqlite.CheckFull))

	db, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if _, err := db.WriteAt(make([]byte, 4096), 2*4096); err != nil { // page 3 is gone
		fmt.Println(err)
		return
	}
	err = sqlite.Check(ctx, path, sqlite.CheckFull)
	var damaged *sqlite.CheckError
	if errors.As(err, &damaged) {
		fmt.Println(damaged.Messages[0])
	}
	// Output:
	// <nil>
	// Tree 3 page 3: btreeInitPage() returns error code 11
}
