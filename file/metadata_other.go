//go:build !linux && !darwin && !freebsd

package file

import "os"

// There are no extended attributes, or not of this kind: metadata are dropped.
func writeMetadata(*os.File, map[string]string) error { return nil }

func attributes(*os.File) []string { return nil }

func attribute(*os.File, string) (string, bool) { return "", false }
