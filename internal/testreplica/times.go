package testreplica

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// RestoreTimes sets the modification time of each object below root to its true
// one: an LTX file's from its header, a v0.3 object's from the times.json of its
// generation. A file that has neither, being damaged or foreign, is left alone.
//
// It does not use the packages that read the formats, so that they can use it.
func RestoreTimes(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir():
			return err
		case entry.Name() == "times.json":
			return restoreListed(path)
		case strings.HasSuffix(path, ".ltx"):
			return restoreFromHeader(path)
		}
		return nil
	})
}

func restoreFromHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var header [100]byte
	if _, err := io.ReadFull(f, header[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	} else if err != nil {
		return err
	}
	if string(header[:4]) != "LTX1" {
		return nil
	}
	t := time.UnixMilli(int64(binary.BigEndian.Uint64(header[32:])))
	return os.Chtimes(path, t, t)
}

func restoreListed(path string) error {
	times, err := readTimes(path)
	if err != nil {
		return err
	}
	for name, t := range times {
		err := os.Chtimes(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)), t, t)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func readTimes(path string) (map[string]time.Time, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Times map[string]time.Time `json:"times"`
	}
	err = json.Unmarshal(data, &file)
	return file.Times, err
}
