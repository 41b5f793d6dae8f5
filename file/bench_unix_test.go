//go:build unix

package file_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// BenchmarkWrite writes a small LTX file durably, in turn with the least system
// calls that this can take: most of the time is the disk's, and a disk is never
// twice the same. What counts is the quotient, x-floor.
func BenchmarkWrite(b *testing.B) {
	data := ltxFile(1, 4000)
	c := file.NewReplicaClient(b.TempDir())
	dir := b.TempDir()
	var client, floor time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if _, err := c.WriteLTXFile(b.Context(), 0, 1, 1, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		if err := writeRaw(dir, ltx.FormatName(1, 1), data); err != nil {
			b.Fatal(err)
		}
		client += between.Sub(start)
		floor += time.Since(between)
	}
	b.ReportMetric(float64(client)/float64(b.N), "client-ns/op")
	b.ReportMetric(float64(floor)/float64(b.N), "floor-ns/op")
	b.ReportMetric(float64(client)/float64(floor), "x-floor")
}

func writeRaw(dir, name string, data []byte) error {
	tmp := dir + "/" + name + ".tmp"
	fd, err := unix.Open(tmp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if n, err := unix.Write(fd, data); err != nil || n != len(data) {
		return fmt.Errorf("write %d bytes: %w", n, err)
	}
	t := unix.NsecToTimespec(headerTime(1).UnixNano())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, tmp, []unix.Timespec{t, t}, 0); err != nil {
		return err
	}
	if err := syncClose(fd); err != nil {
		return err
	}
	if err := unix.Rename(tmp, dir+"/"+name); err != nil {
		return err
	}
	d, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return syncClose(d)
}

func syncClose(fd int) error {
	if err := unix.Fsync(fd); err != nil {
		return err
	}
	return unix.Close(fd)
}
