// Package names turns any string into part of a record's key, and back, keeping
// their order. cas.CheckKey allows what means the same on every engine, which is
// little; and listings are in the order of keys.
package names

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/replctl/replicate/cas"
)

// MaxLen is the longest name, in bytes, that Encode takes.
const MaxLen = 512

// MaxEncodedLen is the most bytes that the encoding of a name of n bytes has: 1.6 for
// each, 4 more, and 2 for each segment but the first. For MaxLen that is 832.
func MaxEncodedLen(n int) int {
	encoded := (8*n+4)/5 + slack + 2
	return encoded + 2*((encoded-1)/segmentLen)
}

// segmentLen is how much of an encoded name is in one segment of the key. It leaves
// room for the mark of a segment that goes on in the next one.
const segmentLen = cas.MaxSegmentLen - len(more)

// more ends a segment that goes on in the next one. Without it a name of exactly
// one segment would be the directory of a longer one. It is below everything that
// may follow in a name.
const more = "."

// slack is how far an encoding may be above 1.6 bytes a byte before the rest is packed.
const slack = 2

// packed is base32 in the order of its characters, so that it keeps that of the bytes.
var packed = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Encode returns the key's part for a name: the digits and the letters a to y as
// they are, z as "z-", any other byte as two hex digits after a mark that keeps
// the order: "-" below the digits, "=" between digits and letters, "z" above. Where that
// would take more than 1.6 bytes a byte from the start, the mark is followed by all of the
// rest in base32. A long name goes over several segments.
//
// Names compare as their encodings do, and no encoding continues another one: how a byte
// is encoded depends on it and on what is before it alone. The error for an empty name, or
// one that is too long, is cas.ErrInvalidKey.
func Encode(name string) (string, error) {
	if name == "" || len(name) > MaxLen {
		return "", fmt.Errorf("%w: %d bytes long, want 1 to %d", cas.ErrInvalidKey, len(name), MaxLen)
	}
	b := make([]byte, 0, MaxEncodedLen(len(name)))
	for i := range len(name) {
		c := name[i]
		escape, mark := escapeOf(c)
		if mark != 0 && !affordable(i, len(b)+len(escape)) {
			b = packed.AppendEncode(append(b, mark), []byte(name[i:]))
			break
		}
		b = append(b, escape...)
	}
	return split(b), nil
}

// affordable reports whether the byte at i may end at that place of the encoding.
func affordable(i, end int) bool { return 5*(end-slack) <= 8*(i+1) }

// escapeOf returns what a byte is encoded as, and its mark, unless it stands for itself.
func escapeOf(c byte) (escape string, mark byte) {
	switch {
	case '0' <= c && c <= '9', 'a' <= c && c < 'z':
		return string(rune(c)), 0
	case c == 'z':
		return "z-", 'z'
	case c < '0':
		mark = '-'
	case c < 'a':
		mark = '='
	default:
		mark = 'z'
	}
	return string(rune(mark)) + hex.EncodeToString([]byte{c}), mark
}

func split(s []byte) string {
	var b strings.Builder
	for ; len(s) > segmentLen; s = s[segmentLen:] {
		b.Write(s[:segmentLen])
		b.WriteString(more + "/")
	}
	b.Write(s)
	return b.String()
}

// Decode is the name whose encoding is key. Nothing but what Encode returns passes,
// so that there is one key for each name.
func Decode(key string) (string, error) {
	name := decode(strings.ReplaceAll(key, more+"/", ""))
	if again, err := Encode(name); err != nil || again != key {
		return "", fmt.Errorf("%w %q: not an encoded name", cas.ErrInvalidKey, key)
	}
	return name, nil
}

// decode decodes what Encode returns. Anything else gives a name with another encoding.
func decode(s string) string {
	var name []byte
	for at := 0; at < len(s); {
		end := at + 1
		switch rest := s[at:]; {
		case !strings.ContainsRune("-=z", rune(rest[0])):
			name = append(name, rest[0])
		case strings.HasPrefix(rest, "z-"):
			name, end = append(name, 'z'), at+2
		case len(rest) >= 3 && affordable(len(name), at+3):
			c, err := hex.DecodeString(rest[1:3])
			if err != nil {
				return ""
			}
			name, end = append(name, c...), at+3
		default:
			c, err := packed.DecodeString(rest[1:])
			if err != nil {
				return ""
			}
			return string(append(name, c...))
		}
		at = end
	}
	return string(name)
}
