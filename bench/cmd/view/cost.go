package main

import (
	"slices"
	"time"

	"github.com/replctl/replicate/bench/internal/proxy"
)

// cost is what some requests were.
type cost struct {
	lists, reads int
	bytes        int64
	depth        int // the longest chain of requests that begin after the one before has ended
}

func costOf(seen []proxy.Request) (c cost) {
	slices.SortFunc(seen, func(a, b proxy.Request) int { return a.End.Compare(b.End) })
	var last time.Time
	for _, r := range seen {
		if r.Kind == "LIST" {
			c.lists++
		} else {
			c.reads++
			c.bytes += r.Bytes
		}
		if r.Begin.After(last) { // the one that ends first leaves most room for others
			c.depth++
			last = r.End
		}
	}
	return c
}

// take returns the cost of the requests since it was last called.
func (b *bench) take() cost { return costOf(b.proxy.Take()) }
