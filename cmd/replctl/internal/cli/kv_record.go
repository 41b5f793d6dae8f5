package cli

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/replctl/replicate/store/kv"
)

// recordJSON is a record. Of key and key_base64, and of value and value_base64, it has
// one: text as it is, other bytes in base64.
type recordJSON struct {
	Key         *string `json:"key,omitempty"`
	KeyBase64   *string `json:"key_base64,omitempty"`
	Version     int64   `json:"version,omitempty"`
	Lease       int64   `json:"lease,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

func newRecordJSON(r kv.Record) recordJSON {
	out := recordJSON{Version: int64(r.Version), Lease: int64(r.Lease)}
	out.Key, out.KeyBase64 = textOrBase64(string(r.Key))
	out.Value, out.ValueBase64 = textOrBase64(string(r.Value))
	return out
}

func textOrBase64(s string) (text, encoded *string) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	e := base64.StdEncoding.EncodeToString([]byte(s))
	return nil, &e
}
