package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/replctl/replicate/blob"
)

// A range in a cache is a file of the name "<start>-<end>", in hex. It has a magic number,
// the length of a description in four bytes, the description of the object in JSON, the
// bytes of the range, and SHA-256 of the object's ID, the name and all that.

const (
	entryMagic    = "rvc1"
	entryOverhead = len(entryMagic) + 4 + sha256.Size
	maxInfo       = 64 << 10
	maxEntry      = 64 << 20 // bytes of a range
)

var errEntry = errors.New("not a range of that object")

// cachedRange is bytes of an object that are in a cache.
type cachedRange struct{ start, end int64 }

func (r cachedRange) name() string { return fmt.Sprintf("%x-%x", r.start, r.end) }

// parseRange parses the name of a range.
func parseRange(name string) (cachedRange, error) {
	from, to, _ := strings.Cut(name, "-")
	start, err1 := strconv.ParseUint(from, 16, 63)
	end, err2 := strconv.ParseUint(to, 16, 63)
	r := cachedRange{int64(start), int64(end)}
	if err1 != nil || err2 != nil || end <= start || end-start > maxEntry || r.name() != name {
		return cachedRange{}, fmt.Errorf("%w: name %q", errEntry, name)
	}
	return r, nil
}

// formatEntry is the content of the file of a range.
func formatEntry(id string, r cachedRange, info blob.Info, data []byte) ([]byte, error) {
	description, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	if len(description) > maxInfo || int64(len(data)) != r.end-r.start || len(data) > maxEntry {
		return nil, errEntry
	}
	b := make([]byte, 0, len(description)+len(data)+entryOverhead)
	b = append(b, entryMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(description)))
	b = append(append(b, description...), data...)
	sum := entrySum(id, r, b)
	return append(b, sum[:]...), nil
}

// parseEntry is the inverse of formatEntry. Data is in b.
func parseEntry(id string, r cachedRange, b []byte) (info blob.Info, data []byte, err error) {
	if len(b) < entryOverhead || len(b) > math.MaxInt32 {
		return blob.Info{}, nil, fmt.Errorf("%w: %d bytes", errEntry, len(b))
	}
	b, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := entrySum(id, r, b); !bytes.Equal(sum, want[:]) {
		return blob.Info{}, nil, fmt.Errorf("%w: its checksum does not match", errEntry)
	}
	rest, ok := bytes.CutPrefix(b, []byte(entryMagic))
	if !ok {
		return blob.Info{}, nil, fmt.Errorf("%w: it begins with %q", errEntry, b[:len(entryMagic)])
	}
	n := int64(binary.BigEndian.Uint32(rest))
	if rest = rest[4:]; n > int64(len(rest)) || int64(len(rest))-n != r.end-r.start {
		return blob.Info{}, nil, fmt.Errorf("%w: %d bytes of description and data", errEntry, len(rest))
	}
	if err := json.Unmarshal(rest[:n], &info); err != nil {
		return blob.Info{}, nil, fmt.Errorf("%w: %w", errEntry, err)
	}
	return info, rest[n:], nil
}

func entrySum(id string, r cachedRange, b []byte) [sha256.Size]byte {
	h := sha256.New()
	_, _ = h.Write([]byte(id + "/" + r.name() + "\n")) // never fails
	_, _ = h.Write(b)
	return [sha256.Size]byte(h.Sum(nil))
}
