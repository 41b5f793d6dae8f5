package file_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/ltx"
)

// TestKilledWriter kills a writer at random moments until 500 files are
// written and a kill has hit a write. None that is visible is ever incomplete; what a killed process left
// is hidden, and gone after the first write of the next.
func TestKilledWriter(t *testing.T) {
	t.Run("Replace", func(t *testing.T) { testKilledWriter(t, "write", 500) })
	t.Run("Create", func(t *testing.T) { testKilledWriter(t, "create", 150) })
}

func testKilledWriter(t *testing.T, verb string, total int) {
	dir := scratch(t)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	kills, found := 0, 0
	for visible := 0; visible < total; {
		before := temps(t, dir)
		c := startChild(t, verb, dir, max(visible, 1), total)
		line := ""
		for range 2 + rng.IntN(15) { // the second line: its first write is done
			line = c.line()
		}
		if aim := rng.IntN(2) == 0; aim {
			for line != "" && !isLarge(lastNumber(line)) {
				line = c.line()
			}
		}
		time.Sleep(time.Duration(rng.Int64N(int64(time.Millisecond)))) // any moment will do
		c.kill()
		kills++
		for _, path := range before {
			if exists(t, path) {
				t.Errorf("%s outlived the first write of the next process", path)
			}
		}
		visible = wantWholeFiles(t, dir, visible)
		found += len(temps(t, dir))
		if visible >= total && found == 0 && kills < 300 {
			total += 50 // on a busy machine a kill is late, and can miss all writes
		}
	}
	t.Logf("seed %d: %d kills, %d temporary files left by them", seed, kills, found)
	if found == 0 {
		t.Error("no kill hit a write")
	}

	wantWholeFiles(t, dir, 1)
	write(t, file.NewReplicaClient(dir), 0, ltx.TXID(total+1), 10)
	wantNoTemps(t, dir)
}

func lastNumber(line string) int {
	n, _ := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
	return n
}

// wantWholeFiles checks that the directory and the listing hold the files from 1
// to some n, complete and with their true times from the given one on, and
// beside them only temporary files. It returns n.
func wantWholeFiles(t *testing.T, dir string, from int) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "ltx", "0"))
	must(t, err)
	n := 0
	for _, e := range entries {
		if durable.IsTempName(e.Name()) {
			continue
		}
		n++
		txid := ltx.TXID(n)
		if e.Name() != ltx.FormatName(txid, txid) {
			t.Fatalf("%q is neither file %d nor a temporary file", e.Name(), n)
		}
		if n >= from {
			wantWhole(t, filepath.Join(dir, "ltx", "0", e.Name()), txid, bodySize(n))
		}
	}
	infos, err := list(t, file.NewReplicaClient(dir), 0, 0)
	must(t, err)
	if len(infos) != n || infos[n-1].MaxTXID != ltx.TXID(n) || infos[n-1].Size != int64(ltx.HeaderSize+bodySize(n)) {
		t.Errorf("%d files are listed, want %d", len(infos), n)
	}
	return n
}

func wantWhole(t *testing.T, path string, txid ltx.TXID, n int) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(data, ltxFile(txid, n)) {
		t.Errorf("%s is visible but not whole: %d bytes, want %d", path, len(data), ltx.HeaderSize+n)
	}
	fi, err := os.Stat(path)
	must(t, err)
	if !fi.ModTime().Equal(headerTime(txid)) {
		t.Errorf("%s: modified %v, want the header's %v", path, fi.ModTime(), headerTime(txid))
	}
}

// TestLiveWriter: what another process is writing just now is not swept; when
// that process dies, it is.
func TestLiveWriter(t *testing.T) {
	dir := t.TempDir()
	live := startChild(t, "hold", dir, 1)
	live.want("holding")
	doomed := startChild(t, "hold", dir, 2)
	doomed.want("holding")

	write(t, file.NewReplicaClient(dir), 0, 3, 10)
	if got := len(temps(t, dir)); got != 2 {
		t.Fatalf("%d temporary files of 2 live writers after another's write", got)
	}
	if infos, err := list(t, file.NewReplicaClient(dir), 0, 0); err != nil || len(infos) != 1 {
		t.Errorf("listed: %v, %v; want file 3 alone", infos, err)
	}
	doomed.kill()
	write(t, file.NewReplicaClient(dir), 0, 4, 10)
	if got := len(temps(t, dir)); got != 1 {
		t.Errorf("%d temporary files, want the live writer's alone", got)
	}
	live.say("")
	live.finish()
	wantWhole(t, filepath.Join(dir, "ltx", "0", ltx.FormatName(1, 1)), 1, 300_000)
	wantNoTemps(t, dir)
}

// TestDeleteAllSweeps: leftovers go with the replica, a live writer's file
// stays, even in a level that has nothing else.
func TestDeleteAllSweeps(t *testing.T) {
	dir := t.TempDir()
	live := startChild(t, "hold", dir, 1)
	live.want("holding")
	doomed := startChild(t, "hold", dir, 2)
	doomed.want("holding")
	doomed.kill()
	must(t, file.NewReplicaClient(dir).DeleteAll(t.Context()))
	if got := len(temps(t, dir)); got != 1 {
		t.Errorf("%d temporary files, want the live writer's alone", got)
	}
	live.say("")
	live.finish()
	wantNoTemps(t, dir)
}
