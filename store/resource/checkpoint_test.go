package resource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
)

// fill writes n resources with about 30 KiB each.
func fill(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		write(t, s, fmt.Sprintf("r%03d", i), "", strings.Repeat(string(rune('a'+i%26)), 22<<10))
	}
	settle(s)
}

func checkpoint(t *testing.T, s *Store) {
	t.Helper()
	s.turn <- struct{}{}
	defer s.give()
	if err := s.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func stateKeys(t *testing.T, s cas.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), "resource/state/", "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestChunksAreKept: a checkpoint writes the chunks that have changed, and no others.
func TestChunksAreKept(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, Options{Interval: patient.Interval})
	fill(t, a, 200)
	checkpoint(t, a)
	all := len(a.view.manifest.Chunks)
	if all < 12 {
		t.Fatalf("6 MiB in %d chunks", all)
	}
	x, err := a.Read(t.Context(), Strong, idOf("r070"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		x = write(t, a, "r070", x.Version, fmt.Sprint(i))
		s.take()
		checkpoint(t, a)
		if n := strings.Count(strings.Join(s.take(), "\n"), "write resource/state/"); n > all/2 {
			t.Errorf("%d of %d chunks were written for one change", n, all)
		}
	}
	if n := stateKeys(t, s.Store); n > 2*all {
		t.Errorf("%d keys for %d chunks", n, all)
	}
	if got, want := text(t, open(t, s.Store, Options{})), text(t, a); got != want {
		t.Errorf("a new handle: got %s, want %s", got, want)
	}
}

// TestInterruptedCheckpoint: one that dies at any of its writes has changed nothing that
// counts, and the next one makes up for it, without using ever more keys.
func TestInterruptedCheckpoint(t *testing.T) {
	memory := new(cas.Memory)
	a := open(t, memory, Options{Interval: patient.Interval})
	fill(t, a, 20)
	for round := range 3 {
		for n := range 6 {
			x, err := a.Read(t.Context(), Strong, idOf(fmt.Sprintf("r%03d", n)))
			if err != nil {
				t.Fatal(err)
			}
			x.Data[0]++
			if _, err := a.WriteCAS(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			s := &tap{Store: memory}
			dying := open(t, s, Options{})
			text(t, dying)
			s.failFrom(n)
			dying.turn <- struct{}{}
			_ = dying.checkpoint(t.Context())
			dying.give()
			if got, want := text(t, open(t, memory, Options{})), text(t, a); got != want {
				t.Fatalf("round %d, write %d: got %s, want %s", round, n, got, want)
			}
		}
		checkpoint(t, a)
	}
	if n, chunks := stateKeys(t, memory), len(a.view.manifest.Chunks); n > 4*chunks {
		t.Errorf("%d keys for %d chunks", n, chunks)
	}
}

// TestFullLog: a log full of what is in no checkpoint takes no more writes, and all
// that it has is kept.
func TestFullLog(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, patient)
	x := write(t, a, "x", "", "")
	s.mu.Lock()
	s.fail = func(op, key string) error {
		if op == "write" && strings.Contains(key, "state") {
			return errDown
		}
		return nil
	}
	s.mu.Unlock()
	var err error
	n := 1
	for ; err == nil && n < 200; n++ {
		var next *Resource
		if next, err = a.WriteCAS(t.Context(), x); err == nil {
			x = next
		}
	}
	wantIs(t, "a write to a full log", err, ErrInconsistent)
	wantIs(t, "a write to a full log", err, errDown)
	if n < patient.LogRecords/2 || n > patient.LogRecords {
		t.Errorf("a log of %d records was full after %d", patient.LogRecords, n)
	}
	b := open(t, s, patient)
	if got, want := text(t, b), fmt.Sprintf("x=@%s ", x.Version); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.recover()
	write(t, b, "x", x.Version, "")
}

// rewrite writes the resource again, with as much data.
func rewrite(t *testing.T, s *Store, name string) {
	t.Helper()
	x, err := s.Read(t.Context(), Strong, idOf(name))
	if err != nil {
		t.Fatal(err)
	}
	x.Data[0]++
	if _, err := s.WriteCAS(t.Context(), x); err != nil {
		t.Fatal(err)
	}
}

// TestOvertakenReader: between a handle's reads of the head and of a chunk, the
// chunk is replaced, and its key has another one.
func TestOvertakenReader(t *testing.T) {
	memory := new(cas.Memory)
	a := open(t, memory, Options{Interval: patient.Interval})
	fill(t, a, 8)
	checkpoint(t, a)
	if n := len(a.view.manifest.Chunks); n != 1 {
		t.Fatalf("%d chunks", n)
	}
	s := &tap{Store: memory}
	overtaken := false
	s.fail = func(op, key string) error {
		if op != "read" || key != chunkKey(0) || overtaken {
			return nil
		}
		overtaken = true
		rewrite(t, a, "r000")
		checkpoint(t, a) // into another key
		if _, err := a.WriteCAS(t.Context(), &Resource{ID: idOf("z"), Data: make([]byte, 500<<10)}); err != nil {
			return err
		}
		checkpoint(t, a) // into the first key
		return nil
	}
	if got, want := text(t, open(t, s, patient)), text(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !overtaken {
		t.Error("the chunk was not read")
	}
}

// TestRacingCheckpoints: a handle does not write over the chunks of another one, which
// may yet publish them.
func TestRacingCheckpoints(t *testing.T) {
	memory := new(cas.Memory)
	away := Options{Interval: patient.Interval}
	a := open(t, memory, away)
	fill(t, a, 4)
	slow, dying := &tap{Store: memory}, &tap{Store: memory}
	b, c := open(t, slow, away), open(t, dying, away)
	text(t, b)
	raced := false
	slow.fail = func(op, key string) error {
		if op != "write" || !strings.HasPrefix(key, logPrefix) || raced {
			return nil
		}
		raced = true // its chunks are written, and its manifest is not
		rewrite(t, a, "r000")
		text(t, c)
		dying.failFrom(1)
		c.turn <- struct{}{}
		defer c.give()
		if err := c.checkpoint(t.Context()); err == nil {
			t.Error("the other checkpoint has not died")
		}
		return nil
	}
	checkpoint(t, b)
	if generation := b.view.manifest.Generation; generation != 1 || !raced {
		t.Errorf("generation %d, raced: %v", generation, raced)
	}
	if n := stateKeys(t, memory); n != 2 {
		t.Errorf("%d keys, want one of each", n)
	}
	if got, want := text(t, open(t, memory, away)), text(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestCorrupt: what is not what this package wrote is told, and not read past.
func TestCorrupt(t *testing.T) {
	for name, spoil := range map[string]func(m *cas.Memory, next string){
		"no head":              func(m *cas.Memory, _ string) { m.Forget(headKey) },
		"no chunk":             func(m *cas.Memory, _ string) { m.Forget(chunkKey(0)); m.Forget(chunkKey(1)) },
		"no log record":        func(m *cas.Memory, next string) { m.Forget(next) },
		"garbage in the head":  func(m *cas.Memory, _ string) { overwrite(t, m, headKey, "{}") },
		"garbage in the log":   func(m *cas.Memory, next string) { overwrite(t, m, next, "{}") },
		"a changed head":       func(m *cas.Memory, _ string) { flip(t, m, headKey) },
		"changed chunks":       func(m *cas.Memory, _ string) { flip(t, m, chunkKey(0)); flip(t, m, chunkKey(1)) },
		"a changed log record": func(m *cas.Memory, next string) { flip(t, m, next) },
		"another record in the log": func(m *cas.Memory, next string) {
			overwrite(t, m, next, string(sealedOrFatal(t, logFormat, anotherRecord)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(cas.Memory)
			a := open(t, m, patient)
			x := write(t, a, "x", "", "")
			for a.view.position < 100 {
				x = write(t, a, "x", x.Version, "")
				settle(a)
			}
			spoil(m, logKey((a.view.position+1)%64))
			_, err := open(t, m, patient).WriteCAS(t.Context(), x)
			wantIs(t, "a write by a new handle", err, ErrCorrupt)
			wantIs(t, "a write by a new handle", err, ErrInconsistent)
		})
	}
}

const anotherRecord = `{"position":3,"prev":"` + aSum + `","changes":[{"delete":{"type":{"kind":"k"},"name":"n"}}]}`

// flip changes one byte of a record.
func flip(t *testing.T, m *cas.Memory, key string) {
	t.Helper()
	rec, err := m.Read(t.Context(), key, "")
	if err != nil || !rec.Exists() {
		t.Fatalf("%s: %v", key, err)
	}
	rec.Value[len(rec.Value)-5] ^= 1
	overwrite(t, m, key, string(rec.Value))
}

func overwrite(t *testing.T, m *cas.Memory, key, value string) {
	t.Helper()
	rec, err := m.Read(t.Context(), key, "")
	if err == nil {
		_, err = m.Write(t.Context(), key, []byte(value), rec.Token)
	}
	if err != nil {
		t.Fatal(err)
	}
}
