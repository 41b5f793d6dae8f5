package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// fromJSON is the value that a reader of the documented encoding gets.
func fromJSON(t testing.TB, doc []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%.60s: %v", doc, err)
	}
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".e") {
			f, err := v.Float64()
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		n, err := v.Int64()
		if err != nil || n > 1<<53 || n < -1<<53 {
			t.Fatalf("%s (%v)", v, err)
		}
		return n
	case map[string]any:
		for key, text := range v {
			return fromObject(t, key, text.(string))
		}
	}
	return v
}

func fromObject(t testing.TB, key, text string) any {
	t.Helper()
	var v any
	var err error
	switch key {
	case "integer":
		v, err = strconv.ParseInt(text, 10, 64)
	case "real":
		v, err = strconv.ParseFloat(text, 64)
	case "blob":
		v, err = base64.StdEncoding.DecodeString(text)
	case "text":
		var b []byte
		b, err = base64.StdEncoding.DecodeString(text)
		v = string(b)
	default:
		t.Fatalf("an object of %s", key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
