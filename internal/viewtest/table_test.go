package viewtest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/sqlite"
)

// tablePages is how many pages a table has, and how many bytes their frames in the replica.
func tablePages(t testing.TB, d *dataset, table string) (pages, frames int) {
	t.Helper()
	var files []*ltx.FileInfo
	for _, key := range d.sorted() {
		_, level, min, max, err := ltx.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, &ltx.FileInfo{Level: level, MinTXID: min, MaxTXID: max, Size: int64(len(d.objects[key]))})
	}
	files = append(files[len(files)-1:], files[:len(files)-1]...) // the snapshot is first
	m, err := ltx.NewPageMap(files)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		f := files[len(files)-1-i]
		content := d.objects[ltx.LayoutS3.Key(f.Level, f.MinTXID, f.MaxTXID)]
		o, err := ltx.ReadOutline(t.Context(), f.Size, func(_ context.Context, off, n int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[off : off+n])), nil
		})
		if err == nil {
			err = m.Add(o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.OpenView(bytes.NewReader(d.db))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT pageno FROM dbstat WHERE name = ?", table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pgno uint32
		if err := rows.Scan(&pgno); err != nil {
			t.Fatal(err)
		}
		_, _, size, ok := m.Find(pgno)
		if !ok {
			t.Fatalf("page %d is in no file", pgno)
		}
		pages++
		frames += int(size)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return pages, frames
}
