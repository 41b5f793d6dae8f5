package leasesim

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// dataStore is a bucket far away, as a holder sees it. A write whose sender has given
// up may arrive later all the same, until almost a guard after.
type dataStore struct {
	*blob.Memory
	p *process
}

// Write implements blob.Store, for the one name that all holders write.
func (s dataStore) Write(ctx context.Context, key string, r io.Reader, _ blob.WriteOptions) (blob.Info, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return blob.Info{}, err
	}
	generation := int64(binary.BigEndian.Uint64(body[len(body)-8:]))
	chance := s.p.w.draw(s.p.machine.id, "data")
	arrives := time.NewTimer(rand2(chance, time.Millisecond, 2*time.Second))
	defer arrives.Stop()
	select {
	case <-arrives.C:
		s.p.w.replaceData(s.p, generation)
		return blob.Info{Key: key, Size: int64(len(body))}, nil
	case <-ctx.Done():
	case <-s.p.gone:
	}
	time.AfterFunc(rand2(chance, 0, guard-100*time.Millisecond), func() { s.p.w.replaceData(s.p, generation) })
	return blob.Info{}, context.Canceled
}

// replaceData is the instant at which a write is applied.
func (w *world) replaceData(p *process, generation int64) {
	w.mu.Lock()
	before := w.content
	w.content = generation
	w.mu.Unlock()
	if generation < before {
		w.violate("a late write of generation %d by %s replaces what generation %d wrote", generation, p.name, before)
	}
}

// put writes data under a session, for a while that may be too short.
func (p *process) put(t *tracked) {
	session := t.Session
	client := replica.NewClient("simulated", ltx.LayoutS3,
		func(context.Context) (blob.Store, error) { return dataStore{blob.NewMemory(), p}, nil })
	write := client.WriteLTXFile
	if !p.w.uncounted {
		fenced := replica.NewFencedClient(client, session)
		fenced.CreateOnly = false
		write = fenced.WriteLTXFile
	}
	if session.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(session.Context(), rand2(p.rand, time.Millisecond, 3*time.Second))
	defer cancel()
	_, _ = write(ctx, 0, 3, 3, bytes.NewReader(dataOf(session.Generation())))
}

// dataOf is a file that ends in the generation that wrote it.
func dataOf(generation int64) []byte {
	h := ltx.Header{Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: 3, MaxTXID: 3}
	b, err := h.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return binary.BigEndian.AppendUint64(b, uint64(generation))
}
