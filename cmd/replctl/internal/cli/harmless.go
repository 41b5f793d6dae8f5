package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safe is text of this program's own, which is printed as it is: it may have colours
// and several lines.
type safe string

// harmless is text on one line without anything that a terminal obeys or that changes
// the order of what is read: control characters, invalid UTF-8, and Unicode's controls
// of direction. Names, errors and owners come from the store, and whoever may write
// there chooses them. White space is a space; the rest is shown as Go escapes it.
func harmless(s string) string {
	if !strings.ContainsFunc(s, harmful) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !harmful(r), r == utf8.RuneError && strings.HasPrefix(s[i:], string(utf8.RuneError)):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// harmful reports whether a terminal obeys r, or a reader is misled by it.
func harmful(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) ||
		r == '\u2028' || r == '\u2029'
}

// harmlessLines is harmless for each line of a text, and keeps its tabs.
func harmlessLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for k, cell := range cells {
			cells[k] = harmless(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

// harmlessArgs are the arguments of a format, with text made harmless.
func harmlessArgs(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case safe:
			out[i] = string(v)
		case string:
			out[i] = harmless(v)
		case error:
			out[i] = harmless(v.Error())
		case fmt.Stringer:
			out[i] = harmless(v.String())
		default:
			out[i] = arg
		}
	}
	return out
}

// harmlessJSON escapes in a JSON document what JSON allows in a string and a terminal
// obeys. It has no such character outside of strings.
func harmlessJSON(doc []byte) []byte {
	var b []byte
	for _, r := range string(doc) {
		if r != '\n' && r != utf8.RuneError && harmful(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
