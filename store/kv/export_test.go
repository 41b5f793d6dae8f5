package kv

// EndSession is what the release of a lease that is kept alive begins with.
var EndSession = &endSession
