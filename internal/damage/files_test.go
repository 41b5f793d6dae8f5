package damage

import (
	"os"
	"path"
	"path/filepath"
)

// one is the object list of a variant that touches a single object.
func one(key string, err error) ([]string, error) { return []string{key}, err }

func read(root, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(root, filepath.FromSlash(key)))
}

func put(root, key string, data []byte) error {
	name := filepath.Join(root, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func remove(root string, keys ...string) error {
	for _, key := range keys {
		if err := os.Remove(filepath.Join(root, filepath.FromSlash(key))); err != nil {
			return err
		}
	}
	return nil
}

// cut keeps the first half of an object.
func cut(root, key string) error {
	data, err := read(root, key)
	if err != nil {
		return err
	}
	return put(root, key, data[:len(data)/2])
}

// flip inverts the lowest bit of the byte that at picks.
func flip(root, key string, at func(size int) int) error {
	data, err := read(root, key)
	if err != nil {
		return err
	}
	data[at(len(data))] ^= 1
	return put(root, key, data)
}

// putAll writes small objects of content that is no format at all.
func putAll(root, dir string, names ...string) ([]string, error) {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		key := path.Join(dir, name)
		if err := put(root, key, []byte("not a part of this replica\n")); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
