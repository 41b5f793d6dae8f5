package kv

import "github.com/replctl/replicate/internal/clock"

// EndSession is what the release of a lease that is kept alive begins with.
var EndSession = &endSession

// WithClock returns the options with another clock.
func (o Options) WithClock(c clock.Clock) Options {
	o.clock = c
	return o
}
