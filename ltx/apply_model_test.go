package ltx

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApplyModel(t *testing.T) {
	for seed := range uint64(64) {
		pageSize := pageSizes[seed%uint64(len(pageSizes))]
		h := newHistory(seed, pageSize, uint32(seed/8%2)*HeaderFlagNoChecksum, 1+int(seed%17))
		files, replica := h.chain(t)
		var db memDB
		got, err := Apply(t.Context(), files, replica.open, &db, ApplyOptions{Concurrency: int(seed % 4)})
		if err == nil {
			err = h.check(db.data, got)
		}
		if err != nil {
			t.Errorf("apply, seed %d, %v: %v", seed, names(files), err)
		}
		var out bytes.Buffer
		got, err = Stream(t.Context(), files, replica.open, &out, ApplyOptions{})
		if err == nil {
			err = h.check(out.Bytes(), got)
		}
		if err != nil {
			t.Errorf("stream, seed %d, %v: %v", seed, names(files), err)
		}
	}
}

// check compares a restored database with the last state.
func (h *history) check(db []byte, r ApplyResult) error {
	want := h.database(h.last())
	if !bytes.Equal(db, want) {
		return fmt.Errorf("wrong database of %d bytes, want %d", len(db), len(want))
	}
	wantResult := h.result(h.last())
	wantResult.BytesRead, wantResult.BytesWritten = r.BytesRead, int64(len(want))
	if diff := cmp.Diff(wantResult, r); diff != "" {
		return fmt.Errorf("result (-want +got)\n%s", diff)
	}
	return nil
}
