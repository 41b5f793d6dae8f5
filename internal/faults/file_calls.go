//go:build faults && linux

package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/replctl/replicate/internal/trap"
)

var randomNames = regexp.MustCompile(`\.replicate-[A-Z2-7]{26}\.tmp|replicate-\d+|etilqs_\w+`)

// FileCalls numbers the calls of a run: the second of one name on one path is another call.
type FileCalls map[string]int

// Name is what a call has in tables and logs: "fsync replica/a #2".
func (n FileCalls) Name(c *trap.Call) string {
	name := c.Name + " " + randomNames.ReplaceAllStringFunc(c.Path, func(random string) string {
		return random[:strings.IndexAny(random[1:], "-_")+1] + "-*"
	})
	if n[name]++; n[name] > 1 {
		return fmt.Sprintf("%s #%d", name, n[name])
	}
	return name
}

// FileCall is the parts of the name of a call.
func FileCall(call string) (name, file string, n int) {
	call, number, _ := strings.Cut(call, " #")
	name, file, _ = strings.Cut(call, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1
	}
	return name, file, n
}

// DistinctFileCalls leaves out most of the calls that are made many times on one file: it keeps
// the first, the second, the fourth and so on.
func DistinctFileCalls(calls []string) []string {
	return slices.DeleteFunc(calls, func(call string) bool {
		_, _, n := FileCall(call)
		return n&(n-1) != 0
	})
}

// FilesOf are the names that an error may have to name its object: those of the files and
// directories of an operation.
func FilesOf(calls []string) (names []string) {
	for _, call := range calls {
		_, file, _ := FileCall(call)
		for _, name := range strings.Split(file, "/") {
			name = strings.TrimSuffix(strings.TrimPrefix(name, "."), ".lock")
			if name != "" && !strings.Contains(name, "-*") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// ExemptFile says why a failure of a call is none, or cannot be seen; it is empty for the rest.
// An operation's name begins with its package or type.
func ExemptFile(op string, records bool, k FileKind, call string) string {
	name, file, _ := FileCall(call)
	verb, _, _ := strings.Cut(op, ".")
	isObject := strings.HasSuffix(file, ".ltx") || strings.HasSuffix(file, ".lz4")
	listsFirst := slices.Contains([]string{"restore", "check", "mirror", "prune", "migrate"}, verb)
	switch {
	case k.Name != "ENOENT" || !strings.HasPrefix(file, "replica") && !strings.HasPrefix(file, "out/"):
	case name == "unlink":
		return "what is gone need not be deleted"
	case records, !isObject:
		return "a record or a directory that does not exist is an answer"
	case name != "open" || !listsFirst:
		return "an object that was deleted meanwhile is not listed, and does not exist"
	}
	return ""
}
