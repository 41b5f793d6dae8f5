// Package recordtest has the stores that the facades' tests of mutants run over.
package recordtest

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// Resealed is a store whose records come with a new seal, as if each were the first of its
// key. If Damaged is set, the records that are damaged do, and no others.
type Resealed struct {
	cas.Store
	Formats map[string]string // names of formats, by the prefix of the keys
	Damaged bool
}

// Read implements [cas.Store].
func (s Resealed) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	name := ""
	for prefix, format := range s.Formats {
		if strings.HasPrefix(key, prefix) {
			name = format
		}
	}
	if err != nil || !r.Exists() || r.Unchanged || name == "" {
		return r, err
	}
	format := record.Format{Name: name, Corrupt: errors.New("corrupt")}
	body, _, err := format.Open(r.Value)
	if err != nil && s.Damaged {
		_, body, _ = bytes.Cut(r.Value, []byte("\n"))
	} else if err != nil || s.Damaged {
		return r, nil
	}
	r.Value, _, err = format.Seal(body, record.Lineage{})
	return r, err
}
