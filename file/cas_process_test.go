package file_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/durable"
)

// childCount adds one to the counter, args[0] times or for ever if that is
// zero, and says so each time.
func childCount(dir string, args []int) error {
	s := file.NewRecords(dir, file.Options{})
	ctx := context.Background()
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	for i := 0; i < args[0] || args[0] == 0; {
		rec, err := s.Read(ctx, "counter", "")
		if err != nil {
			return err
		}
		n, err := count(rec)
		if err != nil {
			return err
		}
		value := fmt.Sprintf("%d by process %d", n+1, os.Getpid())
		if _, err := s.Write(ctx, "counter", []byte(value), rec.Token); errors.Is(err, cas.ErrConflict) {
			continue
		} else if err != nil {
			return err
		}
		fmt.Println("counted")
		i++
	}
	return nil
}

func count(rec cas.Record) (int, error) {
	if !rec.Exists() {
		return 0, nil
	}
	n, _, ok := strings.Cut(string(rec.Value), " by process ")
	if !ok {
		return 0, fmt.Errorf("torn record: %q", rec.Value)
	}
	return strconv.Atoi(n)
}

// TestCountersKilled: of 32 processes that count in one record, every fourth is
// killed at a random moment. Each increment that was reported counts, and beside
// them at most one of each killed process; the others go on and finish.
func TestCountersKilled(t *testing.T) {
	const processes, each = 32, 20
	dir := t.TempDir()
	var all []*child
	for i := range processes {
		n := each
		if i%4 == 0 {
			n = 0
		}
		c := startChild(t, "count", dir, n)
		c.want("ready")
		all = append(all, c)
	}
	var mu sync.Mutex
	reported := 0
	var wg sync.WaitGroup
	stuck := time.AfterFunc(5*time.Minute, func() {
		t.Error("some process waits for a dead one")
		for _, c := range all {
			_ = c.cmd.Process.Kill()
		}
	})
	defer stuck.Stop()
	for i, c := range all {
		c.say("")
		wg.Go(func() {
			lines := 0
			for c.out.Scan() {
				if c.out.Text() != "counted" {
					t.Errorf("process %d: %s", i, c.out.Text())
					break
				}
				if lines++; i%4 == 0 && lines == 1+i/4 {
					time.Sleep(rand.N(10 * time.Millisecond)) // the moment does not matter
					_ = c.cmd.Process.Kill()                  // it still may have lines to read
				}
			}
			if err := c.cmd.Wait(); (err != nil) != (i%4 == 0) {
				t.Errorf("process %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			reported += lines
		})
	}
	wg.Wait()
	rec, err := file.NewRecords(dir, file.Options{}).Read(t.Context(), "counter", "")
	must(t, err)
	got, err := count(rec)
	must(t, err)
	const killed = processes / 4
	if got < reported || got > reported+killed {
		t.Errorf("the counter is %d, %d increments were reported by processes of which %d were killed", got, reported, killed)
	}
	t.Logf("%d increments, %d reported", got, reported)
}

// childLock holds the lock of the record "k" until it gets a line.
func childLock(dir string, _ []int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	lock, err := durable.AcquireLock(context.Background(), root, durable.LockName("k"), 0o600)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	fmt.Println("locked")
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

// TestDeadProcessHoldsNoLock: a write waits for a live process until its context
// ends, and has then not happened; it does not wait for a dead one.
func TestDeadProcessHoldsNoLock(t *testing.T) {
	dir := t.TempDir()
	s := file.NewRecords(dir, file.Options{})
	written, err := s.Write(t.Context(), "k", []byte("old"), "")
	must(t, err)
	holder := startChild(t, "lock", dir)
	holder.want("locked")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Write(ctx, "k", []byte("new"), written.Token)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("Write while another process is writing: got error %v, want the context's", err)
	}
	if _, err := s.Write(t.Context(), "k", []byte("new"), "stale"); !errors.Is(err, cas.ErrConflict) {
		t.Errorf("Write with a stale token while another process is writing: got error %v, want a conflict", err)
	}
	if rec, err := s.Read(t.Context(), "k", ""); err != nil || string(rec.Value) != "old" {
		t.Errorf("Read while another process is writing: %q, %v", rec.Value, err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), "k", []byte("new"), written.Token)
		waiting <- err
	}()
	holder.kill()
	select {
	case err := <-waiting:
		must(t, err)
	case <-time.After(5 * time.Minute):
		t.Fatal("a write waits for a process that is dead")
	}
}

// TestKilledRecordWriter: a temporary file of a killed process is no record, and
// goes with the next process's first write.
func TestKilledRecordWriter(t *testing.T) {
	dir := t.TempDir()
	live := startChild(t, "hold", dir, 1) // in ltx/0, with a temporary file
	live.want("holding")
	live.kill()
	if len(temps(t, dir)) != 1 {
		t.Fatal("no temporary file is left")
	}
	s := file.NewRecords(dir+"/ltx/0", file.Options{})
	_, err := s.Write(t.Context(), "k", []byte("v"), "")
	must(t, err)
	wantNoTemps(t, dir)
}
