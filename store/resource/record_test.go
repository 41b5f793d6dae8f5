package resource

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

func TestRecords(t *testing.T) {
	owner := idOf("owner")
	full := &Resource{
		ID: idOf("x"), Owner: &owner, Version: "7", Generation: "g", Status: map[string]Status{"c": fullStatus()},
		Metadata: map[string]string{"k": "v"}, Data: []byte{0, 255},
	}
	full.ID.UID, full.ID.Tenancy = "u", Tenancy{"p", "n", "peer"}
	log := &logRecord{Changes: []change{{Put: full}, {Delete: &owner}}}
	value, err := log.encode(5, checksum(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeLog(value)
	if diff := cmp.Diff(log, got); err != nil || diff != "" {
		t.Errorf("log record: %v (-want +got):\n%s", err, diff)
	}
	head := &headRecord{LogRecords: 64, Manifest: manifest{
		Generation: 2, Position: 3, Revision: 4, Chunks: []chunkRef{{7, checksum(nil)}}, Last: checksum(nil),
	}}
	if value, err = head.encode(); err != nil {
		t.Fatal(err)
	}
	gotHead, err := decodeHead(value)
	if diff := cmp.Diff(head, gotHead); err != nil || diff != "" {
		t.Errorf("head: %v (-want +got):\n%s", err, diff)
	}
	var payloads [][]byte
	if err := cut([]*Resource{full}, func(p []byte) { payloads = append(payloads, p) }); err != nil || len(payloads) != 1 {
		t.Fatalf("cut: %d chunks, %v", len(payloads), err)
	}
	if value, err = encodeChunk(9, payloads[0]); err != nil {
		t.Fatal(err)
	}
	generation, payload, err := decodeChunk(value)
	if err != nil || generation != 9 || !bytes.Equal(payload, payloads[0]) {
		t.Errorf("chunk: generation %d, %q, %v", generation, payload, err)
	}
	list, err := decodeResources(payload)
	if diff := cmp.Diff([]*Resource{full}, list); err != nil || diff != "" {
		t.Errorf("resources: %v (-want +got):\n%s", err, diff)
	}
}

// fullStatus has every field.
func fullStatus() Status {
	about := Reference{typ, Tenancy{"p", "n", "peer"}, "y", "spec"}
	return Status{
		ObservedGeneration: "g", UpdatedAt: time.Date(2026, 5, 4, 3, 2, 1, 7, time.UTC),
		Conditions: []Condition{{"Accepted", StateTrue, "Found", "it is there", &about}, {Type: "Bound"}},
	}
}

const aSum = "00000000000000000000000000000000"

// badLogs are bodies of log records that no handle writes.
var badLogs = []string{
	``, `null`, `[]`, `{}`,
	`{"position":1}`,
	`{"position":0,"changes":[{"delete":{"type":{"kind":"k"},"name":"n"}}]}`,
	`{"position":1,"prev":"` + aSum + `","changes":[{"delete":{"type":{"kind":"k"},"name":"n"}}]}`,
	`{"position":2,"changes":[{"delete":{"type":{"kind":"k"},"name":"n"}}]}`,
	`{"position":2,"prev":"x","changes":[{"delete":{"type":{"kind":"k"},"name":"n"}}]}`,
	`{"position":1,"changes":[{}]}`,
	`{"position":1,"changes":[{"delete":{"type":{"kind":"k"},"name":""}}]}`,
	`{"position":1,"changes":[{"put":{"id":{"type":{"kind":"k"},"name":"n"}}}]}`,
	`{"position":1,"manifest":{"generation":1,"position":2,"last":"` + aSum + `"}}`,
	`{"position":1,"manifest":{"generation":1,"position":1,"last":"` + aSum + `"}}`,
	`{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":1,"restored":true}}`,
	`{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":2,"restored":true,"last":"` + aSum + `"}}`,
	`{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":1}}`,
	`{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":1,"last":"` + aSum +
		`","offset":1,"revision":1}}`,
	`{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":1,"last":"` + aSum +
		`","chunks":[{"slot":1,"sum":"x"}]}}`,
}

const goodLog = `{"position":2,"prev":"` + aSum + `","manifest":{"generation":1,"position":1,"last":"` + aSum + `"}}`

var badHeads = []string{
	``, `null`, `{}`, `{"log_records":63}`, `{"log_records":65537}`,
	`{"log_records":64,"manifest":{"position":18446744073709551615}}`,
	`{"log_records":64,"manifest":{"generation":1,"position":1}}`,
	`{"log_records":64,"manifest":{"chunks":[{"slot":16777216,"sum":"` + aSum + `"}]}}`,
}

func TestBadRecords(t *testing.T) {
	for _, body := range badLogs {
		_, err := decodeLog(sealedOrFatal(t, logFormat, body))
		wantIs(t, body, err, ErrCorrupt)
	}
	if _, err := decodeLog(sealedOrFatal(t, logFormat, goodLog)); err != nil {
		t.Errorf("%s: %v", goodLog, err)
	}
	for _, body := range badHeads {
		_, err := decodeHead(sealedOrFatal(t, headFormat, body))
		wantIs(t, body, err, ErrCorrupt)
	}
	for _, payload := range []string{``, `{}`, `[null]`, `[{}]`} {
		_, err := decodeResources([]byte(payload))
		wantIs(t, payload, err, ErrCorrupt)
	}
	// What was written before there were seals, or will be after them, is named.
	_, _, err := decodeChunk([]byte("{\"format\":1}\n[]"))
	wantIs(t, "a chunk of format 1", err, ErrCorrupt)
	_, err = decodeLog(sealedOrFatal(t, record.Format{Name: "resource-log/3"}, goodLog))
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), `format "resource-log/3"`) {
		t.Errorf("a record of a later format: %v", err)
	}
}

// TestBadRecordIsNamed: an error of a record that was cut short names it.
func TestBadRecordIsNamed(t *testing.T) {
	for _, key := range []string{headKey, logKey(1)} {
		memory := new(cas.Memory)
		s, err := Open(memory, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &Resource{ID: ID{Type: Type{"g", "v1", "k"}, Name: "a", UID: "u"}, Data: []byte("1")}
		if _, err := s.WriteCAS(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rec, err := memory.Read(t.Context(), key, "")
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, memory, key, string(rec.Value[:len(rec.Value)-1]))
		if s, err = Open(memory, Options{}); err == nil {
			_, err = s.List(t.Context(), Strong, r.ID.Type.Unversioned(), Tenancy{}, "")
		}
		wantIs(t, key, err, ErrCorrupt)
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is cut short, and the error is %v", key, err)
		}
	}
}

func sealedOrFatal(t testing.TB, f record.Format, body string) []byte {
	t.Helper()
	value, err := sealed(f, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// FuzzLog: what is decoded can be applied, and is encoded as it was.
func FuzzLog(f *testing.F) {
	for _, body := range badLogs {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"position":1,"changes":[{"put":{"id":{"type":{"kind":"k"},"name":"n"},"version":"1","data":"AA=="}},` +
		`{"delete":{"type":{"kind":"k"},"name":"n"}}]}`))
	f.Add([]byte(goodLog))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeLog(sealedOrFatal(t, logFormat, string(body)))
		if err != nil {
			return
		}
		v := newView(10)
		v.adopt(&headRecord{LogRecords: 64}, "token")
		v.apply(found{token: "token", record: r})
		encoded, err := r.encode(r.Position, r.Prev)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeLog(encoded)
		if err != nil || again.Position != r.Position || len(again.Changes) != len(r.Changes) {
			t.Errorf("%q is encoded as %q: %v", body, encoded, err)
		}
	})
}

func FuzzHead(f *testing.F) {
	for _, body := range badHeads {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"log_records":64,"manifest":{"generation":1,"position":1,"last":"` + aSum +
		`","chunks":[{"slot":1,"sum":"` + aSum + `"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := decodeHead(sealedOrFatal(t, headFormat, string(body)))
		if err == nil && (h.LogRecords < minLogRecords || h.LogRecords > maxLogRecords) {
			t.Errorf("%d log records", h.LogRecords)
		}
	})
}

// FuzzChunk: what is decoded can be cut again, into chunks that can be stored.
func FuzzChunk(f *testing.F) {
	f.Add([]byte("{\"generation\":3}\n[]"))
	f.Add([]byte("{}\n" + `[{"id":{"type":{"kind":"k"},"name":"n"},"version":"1"}]`))
	f.Fuzz(func(t *testing.T, value []byte) {
		_, payload, err := decodeChunk(sealedOrFatal(t, chunkFormat, string(value)))
		if err != nil {
			return
		}
		list, err := decodeResources(payload)
		if err != nil {
			return
		}
		n := 0
		err = cut(list, func(payload []byte) {
			again, err := decodeResources(payload)
			if err != nil {
				t.Errorf("%q is cut to %q: %v", value, payload, err)
			}
			n += len(again)
		})
		if err != nil || n != len(list) {
			t.Errorf("%d of %d resources are in chunks: %v", n, len(list), err)
		}
	})
}

// TestCutSizes: chunks have room in a record, whatever the resources.
func TestCutSizes(t *testing.T) {
	var list []*Resource
	for i := range 40 {
		data := bytes.Repeat([]byte("x"), (i%7)*90<<10)
		list = append(list, &Resource{ID: idOf(strings.Repeat("n", i+1)), Version: "1", Data: data})
	}
	n := 0
	if err := cut(list, func(payload []byte) {
		if len(payload) > maxChunk {
			t.Errorf("a chunk of %d bytes", len(payload))
		}
		again, err := decodeResources(payload)
		if err != nil {
			t.Error(err)
		}
		n += len(again)
	}); err != nil || n != len(list) {
		t.Errorf("%d of %d resources are in chunks: %v", n, len(list), err)
	}
}
