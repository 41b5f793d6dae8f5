package restore

import "os"

// likeFile has nothing to do where a directory's rights are inherited.
func likeFile(*os.File, os.FileInfo) error { return nil }
