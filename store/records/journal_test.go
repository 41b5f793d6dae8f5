package records

import (
	"errors"
	"testing"
)

// FuzzDecode: whatever is stored, it is a manifest or a part of a journal that can be used, or
// an error that is ErrCorrupt.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"source":"s3://b","prefixes":["kv/"],"state":"copying","at":"2026-11-29T00:00:00Z"}`))
	f.Add([]byte(`{"kv/record/a":"00ff","kv/floor":""}`))
	f.Add([]byte(`{"Bad Key":""}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := decodeManifest(body); err == nil && (m.Source == "" || len(m.Prefixes) == 0) ||
			err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("manifest: %+v, %v", m, err)
		}
		p, err := decodePart(body)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("part: %v", err)
			}
			return
		}
		j := &journal{sums: map[string][]string{}}
		j.note(p)
		for key, sum := range p {
			if err := j.check(map[string]version{key: {"1", sum}}); err != nil {
				t.Error(err)
			}
		}
	})
}
