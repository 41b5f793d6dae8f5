//go:build realtools

package interop

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// replctl is our command, newly built.
type replctl string

func buildReplctl(t *testing.T) replctl {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "replctl")
	run(t, "go", "build", "-o", binary, "github.com/replctl/replicate/cmd/replctl")
	return replctl(binary)
}

// json runs a command with --json, which has to find no damage. It leaves the url
// out of the document.
func (r replctl) json(t *testing.T, url, command string, args ...string) any {
	t.Helper()
	doc := decoded(t, run(t, string(r), append([]string{command, "--json", url}, args...)...))
	if o, ok := doc.(record); ok {
		delete(o, "url")
	}
	return doc
}

// record is an object of JSON.
type record = map[string]any

func decoded(t *testing.T, doc []byte) (v any) {
	t.Helper()
	must(t, json.Unmarshal(doc, &v))
	return v
}
