package v3compat

import (
	"cmp"
	"fmt"
	"strings"
)

// Pos is a position in a generation: a byte of the uncompressed log of an
// index. Positions of one generation are ordered by index, then offset.
type Pos struct {
	Generation string
	Index      int
	Offset     int64
}

// IsZero reports whether p is the zero value, which is no position.
func (p Pos) IsZero() bool { return p == Pos{} }

// Compare orders positions of one generation: by index, then offset.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Index, q.Index), cmp.Compare(p.Offset, q.Offset))
}

// String returns "<generation>/<index>:<offset>", both numbers in at least 8
// hex digits, which [ParsePos] takes; and "" for the zero value, which it does
// not.
func (p Pos) String() string {
	if p.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s/%08x:%08x", p.Generation, p.Index, p.Offset)
}

// ParsePos parses a position: 16 lower-case hex digits, "/", 8 of them, ":", 8
// to 16 of them. Nothing else passes. Offsets may have leading zeros beyond 8
// digits, because Litestream 0.5 prints 16.
func ParsePos(s string) (Pos, error) {
	generation, rest, _ := strings.Cut(s, "/")
	index, offset, _ := strings.Cut(rest, ":")
	if !IsGenerationID(generation) {
		return Pos{}, fmt.Errorf("parse position %q: %w: want 16 lower-case hex digits", s, ErrInvalidGeneration)
	}
	p := Pos{Generation: generation}
	var ok bool
	if p.Index, ok = parseIndex(index); !ok {
		return Pos{}, fmt.Errorf("parse position %q: index %q: want 8 lower-case hex digits", s, index)
	}
	if p.Offset, ok = parseOffset(offset); !ok {
		return Pos{}, fmt.Errorf("parse position %q: offset %q: want 8 to 16 lower-case hex digits", s, offset)
	}
	return p, nil
}
