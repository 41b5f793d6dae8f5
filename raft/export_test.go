package raft

import hraft "github.com/hashicorp/raft"

// SlowDisk has a node call wait before each write of its log.
func SlowDisk(c *Config, wait func()) {
	c.disk = func(log hraft.LogStore) hraft.LogStore { return slowLog{log, wait} }
}

type slowLog struct {
	hraft.LogStore
	wait func()
}

// StoreLog implements [hraft.LogStore].
func (l slowLog) StoreLog(entry *hraft.Log) error { return l.StoreLogs([]*hraft.Log{entry}) }

// StoreLogs implements [hraft.LogStore].
func (l slowLog) StoreLogs(entries []*hraft.Log) error {
	l.wait()
	return l.LogStore.StoreLogs(entries)
}
