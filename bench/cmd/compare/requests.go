package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/replctl/replicate/bench/internal/proxy"
)

// requests counts by kind: "GET", "LIST", "PUT", "POST", "HEAD", "DELETE".
type requests map[string]int

func requestsOf(seen []proxy.Request) requests {
	n := make(requests)
	for _, r := range seen {
		n[r.Kind]++
	}
	return n
}

// String is "5 LIST, 1 GET", most first.
func (r requests) String() string {
	kinds := slices.SortedFunc(maps.Keys(r), func(a, b string) int {
		return cmp.Or(r[b]-r[a], strings.Compare(a, b))
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", r[kind], kind)
	}
	return strings.Join(kinds, ", ")
}
