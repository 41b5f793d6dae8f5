package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // makes the database

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

const (
	pageSize = 4096
	rowSize  = 328 // of a row of users, about
)

// made is a database, and its replica in a directory with the layout of a bucket.
type made struct {
	path, dir string
	rows      int
	files     []*ltx.FileInfo // the snapshot first
	sums      []uint64        // of the pages, as they are in the replica
	began     time.Time
}

var seed = maphash.MakeSeed()

// makeReplica makes a database of a size, and its replica of a snapshot and deltas, each of which changes
// other pages. A third of the deltas are in level 2, a third in level 1, the last in level 0.
func makeReplica(ctx context.Context, dir string, size int64, deltas int) (*made, error) {
	m := &made{path: filepath.Join(dir, "made.db"), dir: filepath.Join(dir, "replica"), rows: int(size / rowSize)}
	m.began = time.Now().Add(-time.Hour).Truncate(time.Second)
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(m.path)+
		"?_pragma=synchronous(0)&_pragma=cache_size(-200000)&_pragma=journal_mode(memory)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, fmt.Sprintf(`PRAGMA page_size = %d;
		CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, note TEXT);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < %d)
		INSERT INTO users SELECT i, 'user ' || i, hex(randomblob(150)) FROM c`, pageSize, m.rows))
	if err == nil {
		err = m.write(ltx.SnapshotLevel, 1)
	}
	for i := 0; i < deltas && err == nil; i++ {
		_, err = db.ExecContext(ctx, `UPDATE users SET note = hex(randomblob(150)) WHERE id % ?1 = ?2 * (?1 / ?3);
			INSERT INTO users(name, note) VALUES ('new ' || ?2, hex(randomblob(2500)))`, max(1, m.rows/200), i, deltas)
		if err == nil {
			err = m.write(2-3*i/deltas, ltx.TXID(i+2))
		}
	}
	return m, err
}

// write adds a file with what has changed since the last one.
func (m *made) write(level int, txid ltx.TXID) (err error) {
	in, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer in.Close()
	changed, err := m.sum(in)
	if err != nil {
		return err
	}
	key := ltx.LayoutS3.Key(level, txid, txid)
	path := filepath.Join(m.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	opts := ltx.SnapshotOptions{MinTXID: txid, TXID: txid, Time: m.time(txid), PageSize: pageSize,
		Commit: uint32(len(m.sums))}
	page := func(pgno uint32, buf []byte) error {
		_, err := in.ReadAt(buf, int64(pgno-1)*pageSize)
		return err
	}
	if txid == 1 {
		_, err = ltx.WriteSnapshot(out, opts, page)
	} else {
		_, err = ltx.WriteDelta(out, opts, changed, page)
	}
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err == nil {
		m.files = append(m.files, &ltx.FileInfo{Level: level, MinTXID: txid, MaxTXID: txid, Size: info.Size()})
	}
	return err
}

func (m *made) time(txid ltx.TXID) time.Time { return m.began.Add(time.Duration(txid) * time.Second) }

// sum notes the pages' sums, and returns which have changed.
func (m *made) sum(in io.Reader) (changed []uint32, err error) {
	page := make([]byte, pageSize)
	for pgno := uint32(1); ; pgno++ {
		if _, err := io.ReadFull(in, page); err == io.EOF {
			return changed, nil
		} else if err != nil {
			return nil, err
		}
		sum := maphash.Bytes(seed, page)
		if int(pgno) > len(m.sums) {
			m.sums = append(m.sums, sum)
		} else if m.sums[pgno-1] == sum {
			continue
		}
		m.sums[pgno-1] = sum
		changed = append(changed, pgno)
	}
}

// upload writes the replica to a store.
func (m *made) upload(ctx context.Context, store blob.Store) error {
	for _, f := range m.files {
		key := ltx.LayoutS3.Key(f.Level, f.MinTXID, f.MaxTXID)
		in, err := os.Open(filepath.Join(m.dir, filepath.FromSlash(key)))
		if err != nil {
			return err
		}
		at := m.time(f.MaxTXID)
		_, err = store.Write(ctx, key, in, blob.WriteOptions{ModTime: at,
			Metadata: map[string]string{replica.MetadataTimestamp: at.UTC().Format(time.RFC3339Nano)}})
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// tablePages is how many pages the table has, how many bytes their frames take in the
// replica, and how long one processor needs to decode them.
func (m *made) tablePages(ctx context.Context) (pages, frames int64, decode time.Duration, err error) {
	located, err := ltx.NewPageMap(m.files)
	if err != nil {
		return 0, 0, 0, err
	}
	content := make([][]byte, len(m.files))
	for i := len(m.files) - 1; i >= 0; i-- {
		f := m.files[i]
		key := ltx.LayoutS3.Key(f.Level, f.MinTXID, f.MaxTXID)
		if content[i], err = os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(key))); err != nil {
			return 0, 0, 0, err
		}
		o, err := ltx.ReadOutline(ctx, f.Size, func(_ context.Context, off, n int64) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(bytes.NewReader(content[i]), off, n)), nil
		})
		if err == nil {
			err = located.Add(o)
		}
		if err != nil {
			return 0, 0, 0, err
		}
	}
	numbers, err := m.tableNumbers(ctx)
	began, page := time.Now(), make([]byte, pageSize)
	for _, pgno := range numbers {
		i, off, n, ok := located.Find(pgno)
		if !ok {
			return 0, 0, 0, fmt.Errorf("page %d is in no file", pgno)
		}
		if err := ltx.DecodePage(page, content[i][off:off+n], pgno); err != nil {
			return 0, 0, 0, err
		}
		frames += n
	}
	return int64(len(numbers)), frames, time.Since(began), err
}

func (m *made) tableNumbers(ctx context.Context) (numbers []uint32, err error) {
	db, err := sql.Open("sqlite", m.path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT pageno FROM dbstat WHERE name = 'users'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var pgno uint32
		if err := rows.Scan(&pgno); err != nil {
			return nil, err
		}
		numbers = append(numbers, pgno)
	}
	return numbers, rows.Err()
}
