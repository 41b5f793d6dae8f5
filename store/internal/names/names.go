// Package names turns any string into part of a record's key, and back, keeping
// their order. cas.CheckKey allows what means the same on every engine, which is
// little; and listings are in the order of keys.
package names

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/replctl/replicate/cas"
)

// MaxLen is the longest name, in bytes, that Encode takes: encoded it fits into a
// key with some room for a prefix, however many of its bytes need an escape.
const MaxLen = 128

// segmentLen is how much of an encoded name is in one segment of the key. It leaves
// room for the mark of a segment that goes on in the next one.
const segmentLen = 180

// more ends a segment that goes on in the next one. Without it a name of exactly
// one segment would be the directory of a longer one. It is below everything that
// may follow in a name.
const more = "."

// Encode returns the key's part for a name: the digits and the letters a to y as
// they are, z as "z-", any other byte as two hex digits after a mark that keeps
// the order: "-" below the digits, "=" between digits and letters, "z" above. A
// long name goes over several segments.
//
// Names compare as their encodings do, and no encoding continues another one.
func Encode(name string) (string, error) {
	if name == "" || len(name) > MaxLen {
		return "", fmt.Errorf("name of %d bytes: want 1 to %d", len(name), MaxLen)
	}
	var b strings.Builder
	for i := range len(name) {
		escape(&b, name[i])
	}
	return split(b.String()), nil
}

func escape(b *strings.Builder, c byte) {
	switch {
	case '0' <= c && c <= '9', 'a' <= c && c < 'z':
		b.WriteByte(c)
	case c == 'z':
		b.WriteString("z-")
	case c < '0':
		b.WriteString("-" + hex.EncodeToString([]byte{c}))
	case c < 'a':
		b.WriteString("=" + hex.EncodeToString([]byte{c}))
	default:
		b.WriteString("z" + hex.EncodeToString([]byte{c}))
	}
}

func split(s string) string {
	var b strings.Builder
	for ; len(s) > segmentLen; s = s[segmentLen:] {
		b.WriteString(s[:segmentLen] + more + "/")
	}
	b.WriteString(s)
	return b.String()
}

// Decode is the name whose encoding is key. Nothing but what Encode returns passes,
// so that there is one key for each name.
func Decode(key string) (string, error) {
	var name []byte
	for rest := strings.ReplaceAll(key, more+"/", ""); rest != ""; {
		c, n, ok := unescape(rest)
		if !ok {
			return "", fmt.Errorf("%w %q: not an encoded name", cas.ErrInvalidKey, key)
		}
		name, rest = append(name, c), rest[n:]
	}
	if again, err := Encode(string(name)); err != nil || again != key {
		return "", fmt.Errorf("%w %q: not an encoded name", cas.ErrInvalidKey, key)
	}
	return string(name), nil
}

// unescape reads the first byte of a name, and tells how long its encoding is.
// What is not in its one right form is found by encoding it again.
func unescape(s string) (c byte, n int, ok bool) {
	if strings.HasPrefix(s, "z-") {
		return 'z', 2, true
	}
	if !strings.ContainsRune("-=z", rune(s[0])) {
		return s[0], 1, true
	}
	if len(s) < 3 {
		return 0, 0, false
	}
	b, err := hex.DecodeString(s[1:3])
	if err != nil {
		return 0, 0, false
	}
	return b[0], 3, true
}
