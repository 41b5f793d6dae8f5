package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// machine says where and when a run takes place, in one sentence.
func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs. %s, Litestream %s, %s.", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0),
		runtime.Version(), versionOf("github.com/benbjohnson/litestream"), time.Now().UTC().Format(time.DateOnly))
}

func versionOf(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return dep.Version
			}
		}
	}
	return "unknown"
}
