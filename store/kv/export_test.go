package kv

import "github.com/replctl/replicate/internal/clock"

// WithClock returns the options with another clock.
func (o Options) WithClock(c clock.Clock) Options {
	o.clock = c
	return o
}
