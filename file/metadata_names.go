//go:build linux || darwin

package file

import "strings"

// ourNames picks from a list of names that end in a zero byte.
func ourNames(list []byte) (names []string) {
	for full := range strings.SplitSeq(string(list), "\x00") {
		if name, ours := strings.CutPrefix(full, metadataPrefix); ours {
			names = append(names, name)
		}
	}
	return names
}
