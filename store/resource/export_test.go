package resource

// IgnorePredecessors has handles read the log whatever its records follow.
func IgnorePredecessors() { follows = func(*view, *logRecord) error { return nil } }

// KeepVersions has restores count versions from 1.
func KeepVersions() { offset = func(uint64, uint64) uint64 { return 0 } }
