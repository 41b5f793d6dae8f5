package supervise

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// onlyZombies reports whether all processes that are left in a group are zombies: in many
// containers nobody reaps orphans, and kill(2) still finds them.
func onlyZombies(group int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return false
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has gone
		}
		// "pid (name) state ppid pgrp ...", with anything in the name
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 3 {
			return false
		}
		if pgrp, err := strconv.Atoi(string(fields[2])); err != nil || pgrp == group && !bytes.ContainsAny(fields[0], "ZX") {
			return false
		}
	}
	return true
}
