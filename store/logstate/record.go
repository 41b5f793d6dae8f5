package logstate

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// A record is a line of JSON and then the checkpoint, as it is, so that a person
// with nothing but a copy of the store can read it.

// header is the line.
type header struct {
	// Nonce makes each record unlike any other: a checkpoint that is set again is
	// another version, and a writer whose answer was lost can tell its own.
	Nonce string `json:"nonce"`

	Size int `json:"size"` // of the checkpoint; a record that was cut short is none
}

// maxHeader is room for any header.
const maxHeader = 128

func encode(checkpoint []byte) []byte {
	line, err := json.Marshal(header{Nonce: rand.Text(), Size: len(checkpoint)})
	if err != nil {
		panic(err) // a string and a number
	}
	return append(append(line, '\n'), checkpoint...)
}

func decode(value []byte) ([]byte, error) {
	line, checkpoint, ok := bytes.Cut(value, []byte("\n"))
	if !ok || len(line) >= maxHeader {
		return nil, errors.New("no record of a checkpoint")
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("no record of a checkpoint: %w", err)
	}
	if h.Size != len(checkpoint) || h.Size == 0 || h.Nonce == "" {
		return nil, fmt.Errorf("record of a checkpoint of %d bytes has %d", h.Size, len(checkpoint))
	}
	return checkpoint, nil
}
