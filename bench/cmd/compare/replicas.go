package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/benbjohnson/litestream"
	lsfile "github.com/benbjohnson/litestream/file"
	"github.com/pierrec/lz4/v4" //nolint:depguard // makes a backup without our own code
)

// changes is how many transactions, and in a v0.3.x backup WAL files, come after
// the snapshot; each changes a share of the rows.
const (
	changes = 10
	share   = 80
)

// made returns a directory below dir that fill fills, once.
func made(dir, name string, fill func(dir string) error) (string, error) {
	done := filepath.Join(dir, name)
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	unfinished := done + ".new"
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return "", err
	}
	if err := fill(unfinished); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	return done, os.Rename(unfinished, done)
}

// fromDatabase makes a replica of a new database of about size bytes.
func fromDatabase(ctx context.Context, replica string, size int64, replicate func(db *database) error) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(replica), "source-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := newDatabase(ctx, dir, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.conn.Close()) }()
	return replicate(db)
}

// makeLTX has Litestream replicate a database: a snapshot, and transactions.
func makeLTX(ctx context.Context, replica string, db *database) (err error) {
	source := litestream.NewDB(db.path)
	source.MonitorInterval = 0
	source.Logger = silent
	source.Replica = litestream.NewReplicaWithClient(source, lsfile.NewReplicaClient(replica))
	source.Replica.MonitorEnabled = false
	if err := source.Open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close(context.WithoutCancel(ctx))) }()
	if err := replicateOnce(ctx, source); err != nil {
		return err
	}
	if _, err := source.Snapshot(ctx); err != nil {
		return err
	}
	for i := range changes {
		if err := errors.Join(db.change(ctx, i, share), replicateOnce(ctx, source)); err != nil {
			return err
		}
	}
	return nil
}

func replicateOnce(ctx context.Context, db *litestream.DB) error {
	return errors.Join(db.Sync(ctx), db.Replica.Sync(ctx))
}

// makeV3 does what Litestream v0.3.x does: the database as an LZ4 frame, and then
// the WAL in pieces, as they are.
func makeV3(ctx context.Context, replica string, db *database) error {
	base := filepath.Join(replica, "generations", generation)
	if err := compress(filepath.Join(base, "snapshots", "00000000.snapshot.lz4"), db.path, 0, math.MaxInt64); err != nil {
		return err
	}
	for i := range changes {
		wal := filepath.Join(base, "wal")
		err := errors.Join(db.change(ctx, i, share), cutWAL(wal, i, db.path+"-wal"), db.checkpoint(ctx))
		if err != nil {
			return err
		}
	}
	return nil
}

// A WAL has a header and then frames, of a page and a header each.
const (
	walHeader  = 32
	walFrame   = 24 + 4096
	walSegment = 256 * walFrame
)

// cutWAL stores a WAL file in segments.
func cutWAL(dir string, index int, path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	for from := int64(0); from < fi.Size(); {
		to := min(from+walSegment, fi.Size())
		if from == 0 {
			to = min(walHeader+walSegment, fi.Size())
		}
		if err := compress(filepath.Join(dir, fmt.Sprintf("%08x_%08x.wal.lz4", index, from)), path, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// compress stores a part of a file as an LZ4 frame.
func compress(name, path string, from, to int64) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zw := lz4.NewWriter(out)
	if _, err := io.Copy(zw, io.NewSectionReader(in, from, to-from)); err != nil {
		return err
	}
	return zw.Close()
}

// eachFile calls fn for the files below dir, with their names relative to it.
func eachFile(dir string, fn func(name string) error) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return fn(name)
	})
}
