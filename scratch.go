package replicate

import "os"

// scratchFile is for a database on its way to somewhere else. It has no name where
// that is possible, so that it goes with the process, however that ends. Windows
// removes no open file.
type scratchFile struct {
	*os.File
	named bool
}

// newScratchFile makes one in dir, or in the system's temporary directory if that is
// empty.
func newScratchFile(dir string) (*scratchFile, error) {
	f, err := os.CreateTemp(dir, "replicate-*.db")
	if err != nil {
		return nil, err
	}
	return &scratchFile{f, os.Remove(f.Name()) != nil}, nil
}

// drop closes the file, and removes it.
func (f *scratchFile) drop() {
	_ = f.Close()
	if f.named {
		_ = os.Remove(f.Name())
	}
}
