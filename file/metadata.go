package file

import (
	"os"

	"github.com/replctl/replicate/blob"
)

// metadataPrefix begins the names of the extended attributes in which a file has
// its blob metadata. Linux lets any owner of a file set those of "user.".
const metadataPrefix = "user.replicate."

// readMetadata returns the metadata of an open file, less what no Write of ours
// can have put there.
func readMetadata(f *os.File) map[string]string {
	m := make(map[string]string)
	for _, name := range attributes(f) {
		value, ok := attribute(f, name)
		if !ok || blob.CheckMetadata(map[string]string{name: value}) != nil {
			continue
		}
		if m[name] = value; blob.CheckMetadata(m) != nil {
			delete(m, name) // the next one may be small enough
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}
