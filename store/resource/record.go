package resource

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// The keys of the store. A log record is found by its position modulo the number
// of them.
const (
	headKey   = "resource/head"
	logPrefix = "resource/log/"
)

func logKey(slot uint64) string   { return fmt.Sprintf(logPrefix+"%04x", slot) }
func chunkKey(slot uint32) string { return fmt.Sprintf("resource/state/%06x", slot) }

// format is that of all records, in each of them.
const format = 1

// maxRevision bounds the numbers in a store. Versions that are restored are at most
// half of it, so that there is room to count on.
const maxRevision = 1 << 62

// headRecord is where a new handle begins.
type headRecord struct {
	Format     int      `json:"format"`
	Nonce      string   `json:"nonce"`
	LogRecords uint64   `json:"log_records"`
	Manifest   manifest `json:"manifest"`
}

// manifest is a checkpoint, or what a restore makes of everything. Generations
// count both; that of an empty store is 0.
type manifest struct {
	Generation uint64     `json:"generation"`
	Position   uint64     `json:"position"` // of the last record whose changes it has
	Revision   uint64     `json:"revision"` // number of changes, and the last version given
	Restored   bool       `json:"restored,omitempty"`
	Chunks     []chunkRef `json:"chunks,omitempty"`
}

type chunkRef struct {
	Slot uint32 `json:"slot"`
	Sum  string `json:"sum"` // of the resources in it
}

// logRecord is one position of the log: changes, or a manifest.
type logRecord struct {
	Format   int       `json:"format"`
	Nonce    string    `json:"nonce"`
	Position uint64    `json:"position"`
	Changes  []change  `json:"changes,omitempty"`
	Manifest *manifest `json:"manifest,omitempty"`
}

// change has one of the two. Each is one revision, and a written resource's
// version is its number.
type change struct {
	Put    *Resource `json:"put,omitempty"`
	Delete *ID       `json:"delete,omitempty"`
}

// chunkHeader is the first line of a chunk; the rest is a JSON array of resources.
// A chunk is for the manifest of that generation, if that came to be.
type chunkHeader struct {
	Format     int    `json:"format"`
	Nonce      string `json:"nonce"`
	Generation uint64 `json:"generation"`
}

// encode gives the record a nonce of its own, and returns it as stored.
func (h *headRecord) encode() ([]byte, error) {
	h.Nonce = rand.Text()
	return json.Marshal(h)
}

func decodeHead(value []byte) (*headRecord, error) {
	h := new(headRecord)
	if err := decode(value, h, &h.Format); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if err := checkLogRecords(h.LogRecords); err != nil {
		return nil, fmt.Errorf("head: %w: %w", ErrCorrupt, err)
	}
	if err := h.Manifest.check(); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	return h, nil
}

// encode sets what a record needs to be unlike any other.
func (r *logRecord) encode(position uint64) ([]byte, error) {
	r.Format, r.Nonce, r.Position = format, rand.Text(), position
	return json.Marshal(r)
}

func decodeLog(value []byte) (*logRecord, error) {
	r := new(logRecord)
	if err := decode(value, r, &r.Format); err != nil {
		return nil, fmt.Errorf("log record: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("log record %d: %w", r.Position, err)
	}
	return r, nil
}

func (r *logRecord) check() error {
	if r.Position == 0 || r.Position > maxRevision || (r.Manifest == nil) == (len(r.Changes) == 0) {
		return fmt.Errorf("%w: %d changes, manifest %v", ErrCorrupt, len(r.Changes), r.Manifest != nil)
	}
	for i, c := range r.Changes {
		if err := c.check(); err != nil {
			return fmt.Errorf("change %d: %w: %w", i, ErrCorrupt, err)
		}
	}
	if r.Manifest == nil {
		return nil
	}
	if r.Manifest.Generation == 0 || r.Manifest.Restored != (r.Manifest.Position == r.Position) || r.Manifest.Position > r.Position {
		return fmt.Errorf("%w: manifest of position %d", ErrCorrupt, r.Manifest.Position)
	}
	return r.Manifest.check()
}

func (c change) check() error {
	switch {
	case (c.Put == nil) == (c.Delete == nil):
		return fmt.Errorf("%w: want a put or a delete", ErrInvalid)
	case c.Delete != nil:
		return checkID(*c.Delete)
	}
	return checkStored(c.Put)
}

func (m manifest) check() error {
	if m.Generation > maxRevision || m.Position > maxRevision || m.Revision > maxRevision {
		return fmt.Errorf("%w: manifest: numbers out of range", ErrCorrupt)
	}
	slots := make(map[uint32]bool, len(m.Chunks))
	for _, c := range m.Chunks {
		if slots[c.Slot] || c.Slot > maxChunkSlot || len(c.Sum) != 2*sumSize {
			return fmt.Errorf("%w: manifest: chunk %d", ErrCorrupt, c.Slot)
		}
		slots[c.Slot] = true
	}
	return nil
}

// encodeChunk returns the record of a chunk with those resources.
func encodeChunk(generation uint64, payload []byte) ([]byte, error) {
	header, err := json.Marshal(chunkHeader{format, rand.Text(), generation})
	if err != nil {
		return nil, err
	}
	return append(append(header, '\n'), payload...), nil
}

// decodeChunk returns the generation and the encoded resources, unchecked.
func decodeChunk(value []byte) (generation uint64, payload []byte, err error) {
	line, payload, _ := bytes.Cut(value, []byte{'\n'})
	var h chunkHeader
	if err := decode(line, &h, &h.Format); err != nil {
		return 0, nil, fmt.Errorf("chunk: %w", err)
	}
	return h.Generation, payload, nil
}

func decodeResources(payload []byte) ([]*Resource, error) {
	var list []*Resource
	if err := json.Unmarshal(payload, &list); err != nil {
		return nil, fmt.Errorf("chunk: %w: %w", ErrCorrupt, err)
	}
	for _, r := range list {
		if r == nil {
			return nil, fmt.Errorf("chunk: %w: null", ErrCorrupt)
		}
		if err := checkStored(r); err != nil {
			return nil, fmt.Errorf("chunk: %w: %w", ErrCorrupt, err)
		}
	}
	return list, nil
}

func decode(value []byte, into any, gotFormat *int) error {
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if *gotFormat != format {
		return fmt.Errorf("%w: format %d, want %d", ErrCorrupt, *gotFormat, format)
	}
	return nil
}

// sumSize is half a SHA-256, in bytes.
const sumSize = 16

func checksum(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:sumSize])
}

// checkStored checks a resource that is, or was, in a store.
func checkStored(r *Resource) error {
	if r.Version == "" {
		return fmt.Errorf("%w resource %s: no version", ErrInvalid, r.ID)
	}
	return checkResource(r)
}

func checkResource(r *Resource) error {
	if err := checkID(r.ID); err != nil {
		return err
	}
	texts := []string{r.Version, r.Generation}
	if r.Owner != nil {
		texts = append(texts, r.Owner.texts()...)
	}
	for k, v := range r.Metadata {
		texts = append(texts, k, v)
	}
	return checkTexts(r.ID, texts)
}

// checkID refuses what names no single resource.
func checkID(id ID) error {
	switch {
	case id.Type.Kind == "" || id.Name == "":
		return fmt.Errorf("%w resource %s: kind and name must not be empty", ErrInvalid, id)
	case id.Tenancy.Partition == Wildcard || id.Tenancy.Namespace == Wildcard:
		return fmt.Errorf("%w resource %s: a wildcard names no single one", ErrInvalid, id)
	}
	return checkTexts(id, id.texts())
}

func (id ID) texts() []string {
	return []string{id.Type.Group, id.Type.GroupVersion, id.Type.Kind, id.Tenancy.Partition, id.Tenancy.Namespace, id.Name, id.UID}
}

// checkTexts: what is not UTF-8 would come out of JSON as something else.
func checkTexts(id ID, texts []string) error {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%w resource %s: %.40q is not utf-8", ErrInvalid, id, s)
		}
	}
	return nil
}
