package trap

import "golang.org/x/sys/unix"

// legacy are the calls whose names differ between architectures.
var legacy = table{unix.SYS_FSTATAT: at("stat")}
