package file

import "strings"

// ourNames picks from a list in which each name follows its length, a byte. The
// kernel leaves the namespace, "user.", away.
func ourNames(list []byte) (names []string) {
	for len(list) > 0 && int(list[0]) < len(list) {
		n := int(list[0])
		if name, ours := strings.CutPrefix("user."+string(list[1:1+n]), metadataPrefix); ours {
			names = append(names, name)
		}
		list = list[1+n:]
	}
	return names
}
