package diff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"unicode/utf16"
)

// collation compares two texts, with how the database encodes text.
type collation func(a, b, encoding string) int

const binaryCollation = "BINARY"

// collations are SQLite's own.
var collations = map[string]collation{
	binaryCollation: func(a, b, encoding string) int { return bytes.Compare(encode(a, encoding), encode(b, encoding)) },
	"NOCASE":        func(a, b, _ string) int { return compareFolded(a, b) },
	"RTRIM": func(a, b, _ string) int {
		return strings.Compare(strings.TrimRight(a, " "), strings.TrimRight(b, " "))
	},
}

// compareFolded takes capital letters of ASCII for small ones. Like SQLite's NOCASE, it goes by the
// lengths where it comes to a NUL.
func compareFolded(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := lower(a[i]), lower(b[i])
		if x != y {
			return cmp.Compare(x, y)
		}
		if x == 0 {
			break
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// encode returns the bytes that a database of that encoding stores for a text.
func encode(s, encoding string) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	switch encoding {
	case "UTF-16be":
		order = binary.BigEndian
	case "UTF-16le":
	default:
		return []byte(s)
	}
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// compareKeys compares two keys as the database does.
func compareKeys(a, b []any, key []keyColumn, encoding string) int {
	for i, k := range key {
		c := compareValues(a[i], b[i], k.collation, encoding)
		if k.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareValues compares two values as SQLite does: NULL, numbers, texts, blobs.
func compareValues(a, b any, collation, encoding string) int {
	if c := cmp.Compare(class(a), class(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
		return compareNumbers(a, b)
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
		return compareNumbers(a, b)
	case string:
		return collations[collation](a, b.(string), encoding)
	case []byte:
		return bytes.Compare(a, b.([]byte))
	}
	return 0
}

func class(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, float64:
		return 1
	case string:
		return 2
	}
	return 3
}

// compareNumbers compares an integer with a real exactly.
func compareNumbers(a, b any) int { return exact(a).Cmp(exact(b)) }

func exact(v any) *big.Float {
	if n, ok := v.(int64); ok {
		return new(big.Float).SetInt64(n)
	}
	return new(big.Float).SetFloat64(v.(float64)) // SQLite stores no NaN
}

// SameValue reports whether two values are the same, of the same type.
func SameValue(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	}
	if _, ok := b.([]byte); ok {
		return false
	}
	return a == b
}
