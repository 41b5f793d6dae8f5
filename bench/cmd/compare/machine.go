package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// machine is where and when a run took place.
type machine struct {
	OS         string    `json:"os"`
	Arch       string    `json:"arch"`
	CPUs       int       `json:"cpus"`
	CPU        string    `json:"cpu,omitempty"`
	Filesystem string    `json:"filesystem,omitempty"`
	Go         string    `json:"go"`
	Litestream string    `json:"litestream"`
	Time       time.Time `json:"time"`
}

func thisMachine(dir string) machine {
	return machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0), CPU: cpuModel(), Filesystem: filesystemOf(dir),
		Go: runtime.Version(), Litestream: versionOf("github.com/benbjohnson/litestream"), Time: time.Now().UTC().Truncate(time.Second),
	}
}

// String is one sentence.
func (m machine) String() string {
	parts := []string{fmt.Sprintf("%s/%s", m.OS, m.Arch), fmt.Sprintf("%d CPUs", m.CPUs)}
	for _, s := range []string{m.CPU, m.Filesystem} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return fmt.Sprintf("%s. %s, Litestream %s, %s.", strings.Join(parts, ", "), m.Go, m.Litestream, m.Time.Format(time.DateOnly))
}

func versionOf(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "unknown"
}
