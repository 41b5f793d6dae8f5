package scratch

import "os"

// File is for a database on its way to somewhere else. It has no name where
// that is possible, so that it goes with the process, however that ends. Windows
// removes no open file.
type File struct {
	*os.File
	named bool
}

// New makes one in dir, or in the system's temporary directory if that is
// empty.
func New(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, "replicate-*.db")
	if err != nil {
		return nil, err
	}
	return &File{f, os.Remove(f.Name()) != nil}, nil
}

// Drop closes the file, and removes it.
func (f *File) Drop() {
	_ = f.Close()
	if f.named {
		_ = os.Remove(f.Name())
	}
}
