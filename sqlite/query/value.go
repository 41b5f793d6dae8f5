package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns a value as text: an integer in decimal, a real so that it reads back as the same
// real (1.0, 1e+300, Infinity), a string as it is, a blob as X'0AFF', and NULL as nothing.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return realText(v)
	case string:
		return v
	case []byte:
		return fmt.Sprintf("X'%X'", v)
	}
	return fmt.Sprint(v)
}

// realText has a point or an exponent, unless v is infinite.
func realText(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case math.IsNaN(v):
		return "NaN"
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

const exactIntegers = 1 << 53 // integers up to this size are exact in every reader of JSON

// AppendJSON appends a value as JSON. What JSON has no exact form for is an object:
//
//	{"blob":"base64"}            a blob
//	{"integer":"9007199254740993"}  an integer beyond 2^53
//	{"real":"Infinity"}, {"real":"-Infinity"}
//	{"text":"base64"}            text that is not valid UTF-8
//
// A real has a point or an exponent (1.0), an integer has none.
func AppendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case int64:
		if v > exactIntegers || v < -exactIntegers {
			return fmt.Appendf(b, `{"integer":"%d"}`, v)
		}
		return strconv.AppendInt(b, v, 10)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return fmt.Appendf(b, `{"real":"%s"}`, realText(v))
		}
		return append(b, realText(v)...)
	case string:
		if !utf8.ValidString(v) {
			return fmt.Appendf(b, `{"text":"%s"}`, base64.StdEncoding.EncodeToString([]byte(v)))
		}
		return appendString(b, v)
	case []byte:
		return fmt.Appendf(b, `{"blob":"%s"}`, base64.StdEncoding.EncodeToString(v))
	}
	return appendString(b, fmt.Sprint(v))
}

// appendString appends a string of JSON. Invalid UTF-8 is replaced.
func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // of a string into memory
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// AppendLiteral appends a value as an SQL expression that gives the same value. It is on one line
// as far as carriage returns and NUL bytes go, which the sqlite3 shell would lose.
func AppendLiteral(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "NULL"...)
	case float64:
		return appendRealLiteral(b, v)
	case string:
		return appendTextLiteral(b, v)
	}
	return append(b, Text(v)...)
}

// appendRealLiteral writes decimal digits, from which SQLite gets the same real unless it is extreme.
// SQLite may read such digits as a neighbour of the real. So an extreme one is written as an integer
// times or over powers of two, which every step computes exactly.
func appendRealLiteral(b []byte, v float64) []byte {
	switch size := math.Abs(v); {
	case math.IsInf(v, 0):
		return append(b, strings.Replace(realText(v), "Infinity", "1e999", 1)...)
	case size == 0 || size > 1e-200 && size < 1e200:
		return append(b, realText(v)...)
	}
	fraction, exponent := math.Frexp(v)
	b = fmt.Appendf(b, "%d.0", int64(fraction*(1<<53)))
	operator := '*'
	if exponent -= 53; exponent < 0 {
		operator, exponent = '/', -exponent
	}
	const step = 62
	b = fmt.Appendf(b, "%c%d.0", operator, int64(1)<<(exponent%step))
	for range exponent / step {
		b = fmt.Appendf(b, "%c%d.0", operator, int64(1)<<step)
	}
	return b
}

func appendTextLiteral(b []byte, s string) []byte {
	calls := ""
	for i, char := range []string{"\r", "\x00"} {
		mark := []string{`\r`, `\0`}[i]
		if !strings.Contains(s, char) {
			continue
		}
		for strings.Contains(s, mark) {
			mark += "~"
		}
		s = strings.ReplaceAll(s, char, mark)
		calls += fmt.Sprintf(",'%s',char(%d))", mark, char[0])
		b = append(b, "replace("...)
	}
	b = append(b, '\'')
	b = append(b, strings.ReplaceAll(s, "'", "''")...)
	b = append(b, '\'')
	return append(b, calls...)
}

// Identifier returns a name as SQL takes it anywhere, in double quotes.
func Identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
