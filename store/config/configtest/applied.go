package configtest

import (
	"testing"

	"github.com/replctl/replicate/store/config"
)

func logApply(t *testing.T, s config.Storage, instance, version, status string) {
	t.Helper()
	check(t, "LogApply", s.LogApply(t.Context(), instance, fleet, version, status))
}

// testApplyLog: an instance has one status for a version, whoever logged it.
func testApplyLog(t *testing.T, h Harness) {
	open := h.New(t)
	leader, follower := open(), open()
	save(t, leader, "v1", "v2")
	wantApplied(t, leader, "v1", config.Applied)
	logApply(t, follower, "i2", "v1", config.Applied)
	logApply(t, open(), "i1", "v1", config.Applied)
	logApply(t, open(), "i3", "v1", "refused")
	logApply(t, follower, "i2", "v2", "prepared")
	wantApplied(t, leader, "v1", config.Applied, "i1", "i2")
	wantApplied(t, leader, "v1", "refused", "i3")
	wantApplied(t, leader, "v2", config.Applied)
	logApply(t, follower, "i2", "v1", "refused")
	logApply(t, open(), "i3", "v1", config.Applied)
	logApply(t, follower, "i2", "v2", config.Applied)
	wantApplied(t, leader, "v1", config.Applied, "i1", "i3")
	wantApplied(t, leader, "v1", "refused", "i2")
	wantApplied(t, open(), "v2", config.Applied, "i2")
	wantApplied(t, leader, "v2", "prepared")
	logApply(t, open(), "i2", "v1", "by another handle")
	logApply(t, follower, "i2", "v1", config.Applied)
	wantApplied(t, leader, "v1", config.Applied, "i1", "i2", "i3")
}

func testResetApplyLog(t *testing.T, h Harness) {
	open := h.New(t)
	leader, follower := open(), open()
	save(t, leader, "v1", "v2")
	logApply(t, follower, "i1", "v1", config.Applied)
	logApply(t, follower, "i1", "v2", config.Applied)
	wantApplied(t, leader, "v1", config.Applied, "i1")
	check(t, "ResetApplyLog", open().ResetApplyLog(t.Context(), fleet, "v1"))
	wantApplied(t, leader, "v1", config.Applied)
	wantApplied(t, leader, "v2", config.Applied, "i1")
	logApply(t, follower, "i1", "v1", "prepared")
	wantApplied(t, leader, "v1", config.Applied)
	wantApplied(t, leader, "v1", "prepared", "i1")
}

// testDeletedLog: the log of a deleted version goes with it, also if the version is
// saved again.
func testDeletedLog(t *testing.T, h Harness) {
	open := h.New(t)
	leader, follower := open(), open()
	save(t, leader, "v1")
	logApply(t, follower, "i1", "v1", config.Applied)
	wantApplied(t, leader, "v1", config.Applied, "i1")
	wantDeleted(t, open(), soon(), 1)
	wantApplied(t, leader, "v1", config.Applied)
	save(t, leader, "v1")
	wantApplied(t, leader, "v1", config.Applied)
	logApply(t, follower, "i1", "v1", config.Applied)
	wantApplied(t, leader, "v1", config.Applied, "i1")
}
