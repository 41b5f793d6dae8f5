package logstate

import (
	"bytes"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	for _, checkpoint := range []string{"x", "\n", "log\n5\nroot\n\n- sig\n", strings.Repeat("\n", MaxCheckpointSize)} {
		value := encode([]byte(checkpoint))
		if got, err := decode(value); err != nil || string(got) != checkpoint {
			t.Errorf("%.20q: read back as %.20q, %v", checkpoint, got, err)
		}
		if bytes.Equal(value, encode([]byte(checkpoint))) {
			t.Errorf("%.20q: two records are the same", checkpoint)
		}
		if got, err := decode(value[:len(value)-1]); err == nil {
			t.Errorf("%.20q, cut short: read as %.20q", checkpoint, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode([]byte("log\n5\nroot\n")))
	f.Add([]byte(`{"nonce":"n","size":-1}` + "\n"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		checkpoint, err := decode(value)
		if err == nil && (len(checkpoint) == 0 || !bytes.HasSuffix(value, append([]byte("\n"), checkpoint...))) {
			t.Errorf("%q: read as %q", value, checkpoint)
		}
	})
}
