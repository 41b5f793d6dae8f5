package ltx_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/replctl/replicate/ltx"
)

const replica = "../testdata/v0.5/replica" // that of a directory, written by Litestream

// list lists a replica by its names.
func list() (files []*ltx.FileInfo, err error) {
	err = fs.WalkDir(os.DirFS(replica), ".", func(key string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, level, minTXID, maxTXID, err := ltx.ParseKey(key)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, &ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID, Size: info.Size()})
		return nil
	})
	return files, err
}

func open(_ context.Context, f *ltx.FileInfo, offset, length int64) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(replica, ltx.LayoutFile.Key(f.Level, f.MinTXID, f.MaxTXID)))
	if err != nil {
		return nil, err
	}
	if length == 0 {
		length = f.Size - offset
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, offset, length), file}, nil
}

// Restore the database as it was after its last transaction.
func Example() {
	ctx := context.Background()
	files, err := list()
	if err != nil {
		fmt.Println(err)
		return
	}
	chain := ltx.NewChain(files)
	path, err := chain.Reach(chain.MaxTXID())
	if err != nil {
		fmt.Println(err)
		return
	}
	db, err := os.CreateTemp("", "example-*.db")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(db.Name())
	defer db.Close()
	result, err := ltx.Apply(ctx, path.Files, open, db, ltx.ApplyOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("transaction %d: %d pages of %d bytes, from %d of %d files\n",
		result.TXID, result.Commit, result.PageSize, len(path.Files), len(files))
	// Output: transaction 77: 13 pages of 4096 bytes, from 10 of 70 files
}

func ExampleParseKey() {
	for _, key := range []string{
		"ltx/9/0000000000000001-000000000000003a.ltx",
		"0000/000000000000003b-000000000000003b.ltx",
	} {
		layout, level, minTXID, maxTXID, err := ltx.ParseKey(key)
		fmt.Println(layout, level, uint64(minTXID), uint64(maxTXID), err)
	}
	_, _, _, _, err := ltx.ParseKey("lock.json")
	fmt.Println(err)
	// Output:
	// file 9 1 58 <nil>
	// s3 0 59 59 <nil>
	// invalid LTX file name "lock.json": invalid level in "": want ltx/0/ to ltx/9/ or 0000/ to 0009/
}

// Find out whether a file is whole, and when its last transaction was.
func ExampleVerify() {
	f, err := os.Open(replica + "/ltx/9/0000000000000001-000000000000003a.ltx")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	s, err := ltx.Verify(f)
	fmt.Println(s.Pages, ltx.Time(s.Header), err)
	_, err = ltx.Verify(io.NewSectionReader(f, 0, 1000))
	fmt.Println(err)
	// Output:
	// 12 2026-11-21 04:06:20.001 +0000 UTC <nil>
	// page 3: LTX file is truncated: it ends after 1000 bytes
}
