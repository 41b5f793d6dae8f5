package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/replctl/replicate/store/internal/record"
)

// The keys of the store. A log record is found by its position modulo the number
// of them.
const (
	headKey   = "resource/head"
	logPrefix = "resource/log/"
)

func logKey(slot uint64) string   { return fmt.Sprintf(logPrefix+"%04x", slot) }
func chunkKey(slot uint32) string { return fmt.Sprintf("resource/state/%06x", slot) }

// The forms of the records.
var (
	headFormat  = record.Format{Name: "resource-head/2", Corrupt: ErrCorrupt}
	logFormat   = record.Format{Name: "resource-log/2", Corrupt: ErrCorrupt}
	chunkFormat = record.Format{Name: "resource-chunk/2", Corrupt: ErrCorrupt}
)

// maxRevision bounds the numbers in a store. Versions that are restored are at most
// half of it, so that there is room to count on.
const maxRevision = 1 << 62

// headRecord is where a new handle begins.
type headRecord struct {
	LogRecords uint64   `json:"log_records"`
	Manifest   manifest `json:"manifest"`
}

// manifest is a checkpoint, or what a restore makes of everything. Generations
// count both; an empty store is at 0.
type manifest struct {
	Generation uint64     `json:"generation"`
	Position   uint64     `json:"position"` // of the last record whose changes it has
	Revision   uint64     `json:"revision"` // the last version given
	Restored   bool       `json:"restored,omitempty"`
	Chunks     []chunkRef `json:"chunks,omitempty"`

	// Offset is what the versions in the chunks are counted from. Those that a restore
	// gives are above all that were given before it in this store, which is not known
	// yet when its chunks are written. A checkpoint has 0.
	Offset uint64 `json:"offset,omitempty"`

	// Last is the checksum of the log record at Position. For a restore it is only in the
	// head: a record does not have its own.
	Last string `json:"last,omitempty"`
}

type chunkRef struct {
	Slot uint32 `json:"slot"`
	Sum  string `json:"sum"` // of the resources in it
}

// logRecord is one position of the log: changes, or a manifest.
type logRecord struct {
	Position uint64    `json:"position"`
	Prev     string    `json:"prev,omitempty"` // checksum of the record at the position before
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
	Generation uint64 `json:"generation"`
}

// encode returns the record as stored.
func (h *headRecord) encode() ([]byte, error) { return encode(headFormat, h) }

func encode(f record.Format, r any) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return sealed(f, body)
}

// sealed returns a record that is unlike any other.
func sealed(f record.Format, body []byte) ([]byte, error) {
	value, _, err := f.Seal(body, record.Lineage{})
	return value, err
}

func decodeHead(value []byte) (*headRecord, error) {
	h := new(headRecord)
	if err := decode(headFormat, value, h); err != nil {
		return nil, fmt.Errorf(headKey+": %w", err)
	}
	if err := checkLogRecords(h.LogRecords); err != nil {
		return nil, fmt.Errorf(headKey+": %w: %w", ErrCorrupt, err)
	}
	if err := h.Manifest.check(h.Manifest.Position > 0); err != nil {
		return nil, fmt.Errorf(headKey+": %w", err)
	}
	return h, nil
}

// encode returns the record as stored, at a position behind a record with the checksum
// prev.
func (r *logRecord) encode(position uint64, prev string) ([]byte, error) {
	r.Position, r.Prev = position, prev
	return encode(logFormat, r)
}

func decodeLog(value []byte) (*logRecord, error) {
	r := new(logRecord)
	if err := decode(logFormat, value, r); err != nil {
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
	if !isSum(r.Prev, r.Position > 1) {
		return fmt.Errorf("%w: predecessor %.40q", ErrCorrupt, r.Prev)
	}
	for i, c := range r.Changes {
		if err := c.check(); err != nil {
			return fmt.Errorf("change %d: %w: %w", i, ErrCorrupt, err)
		}
	}
	if r.Manifest == nil {
		return nil
	}
	m := r.Manifest
	if m.Generation == 0 || m.Restored != (m.Position == r.Position) || m.Position > r.Position {
		return fmt.Errorf("%w: manifest of position %d", ErrCorrupt, m.Position)
	}
	return m.check(!m.Restored)
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

// check checks a manifest, which has the checksum of the last log record or has none.
func (m manifest) check(hasLast bool) error {
	if max(m.Generation, m.Position, m.Revision) > maxRevision || m.Offset > m.Revision || m.Offset > 0 && !m.Restored {
		return fmt.Errorf("%w: manifest: numbers out of range", ErrCorrupt)
	}
	if !isSum(m.Last, hasLast) {
		return fmt.Errorf("%w: manifest: last log record %.40q", ErrCorrupt, m.Last)
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
	header, err := json.Marshal(chunkHeader{generation})
	if err != nil {
		return nil, err
	}
	return sealed(chunkFormat, append(append(header, '\n'), payload...))
}

// decodeChunk returns the generation and the encoded resources, unchecked.
func decodeChunk(value []byte) (generation uint64, payload []byte, err error) {
	body, _, err := chunkFormat.Open(value)
	if err != nil {
		return 0, nil, fmt.Errorf("chunk: %w", err)
	}
	line, payload, _ := bytes.Cut(body, []byte{'\n'})
	var h chunkHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return 0, nil, fmt.Errorf("chunk: %w: %w", ErrCorrupt, err)
	}
	return h.Generation, payload, nil
}

func decodeResources(payload []byte) ([]*Resource, error) {
	var list []*Resource
	if err := json.Unmarshal(payload, &list); err != nil {
		return nil, fmt.Errorf("chunk: %w: %w", ErrCorrupt, err)
	}
	for _, r := range list {
		if err := checkStored(r); err != nil {
			return nil, fmt.Errorf("chunk: %w: %w", ErrCorrupt, err)
		}
	}
	return list, nil
}

func decode(f record.Format, value []byte, into any) error {
	body, _, err := f.Open(value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// sumSize is half a SHA-256, in bytes.
const sumSize = 16

func checksum(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:sumSize])
}

// isSum reports whether s is a checksum, or empty where there is to be none.
func isSum(s string, want bool) bool {
	if !want {
		return s == ""
	}
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sumSize
}

// checkStored checks a resource that is, or was, in a store.
func checkStored(r *Resource) error {
	if r != nil && r.Version == "" {
		return fmt.Errorf("%w resource %s: no version", ErrInvalid, r.ID)
	}
	return checkResource(r)
}

func checkResource(r *Resource) error {
	if r == nil {
		return fmt.Errorf("%w resource: nil", ErrInvalid)
	}
	if err := checkID(r.ID); err != nil {
		return err
	}
	for controller, s := range r.Status {
		if err := s.check(); err != nil {
			return fmt.Errorf("%w resource %s: status of %.40q: %w", ErrInvalid, r.ID, controller, err)
		}
	}
	return checkTexts(r.ID, r.texts())
}

// texts returns all strings of a resource.
func (r *Resource) texts() []string {
	texts := append(r.ID.texts(), r.Version, r.Generation)
	if r.Owner != nil {
		texts = append(texts, r.Owner.texts()...)
	}
	for k, v := range r.Metadata {
		texts = append(texts, k, v)
	}
	for controller, s := range r.Status {
		texts = append(append(texts, controller), s.texts()...)
	}
	return texts
}

// checkID refuses what names no single resource.
func checkID(id ID) error {
	switch {
	case id.Type.Kind == "" || id.Name == "":
		return fmt.Errorf("%w resource %s: kind and name must not be empty", ErrInvalid, id)
	case slices.Contains([]string{id.Tenancy.Partition, id.Tenancy.PeerName, id.Tenancy.Namespace}, Wildcard):
		return fmt.Errorf("%w resource %s: a wildcard names no single one", ErrInvalid, id)
	}
	return checkTexts(id, id.texts())
}

func (id ID) texts() []string {
	return []string{
		id.Type.Group, id.Type.GroupVersion, id.Type.Kind,
		id.Tenancy.Partition, id.Tenancy.Namespace, id.Tenancy.PeerName, id.Name, id.UID,
	}
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
