//go:build unix

package durable

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCreateTempFails: a temporary that cannot be locked or looked at is an error, and gone. It
// is not tried again for ever.
func TestCreateTempFails(t *testing.T) {
	defer func() { takeLock = tryLock }()
	refused := errors.New("refused")
	for name, lock := range map[string]func(f *os.File) (bool, error){
		"lock": func(*os.File) (bool, error) { return false, refused },
		"look": func(f *os.File) (bool, error) { return true, f.Close() },
	} {
		root := openRoot(t)
		takeLock = lock
		temp, err := CreateTemp(root, 0o600)
		if err == nil || temp != nil || name == "lock" != errors.Is(err, refused) {
			t.Errorf("%s: got error %v", name, err)
		}
		wantNames(t, root)
	}
}

// TestCreateTempSwept: a temporary that a sweeper has removed, or holds, is made anew.
func TestCreateTempSwept(t *testing.T) {
	defer func() { takeLock = tryLock }()
	root, tries := openRoot(t), 0
	takeLock = func(f *os.File) (bool, error) {
		switch tries++; tries {
		case 1:
			return false, nil
		case 2:
			return true, os.Remove(f.Name())
		}
		return tryLock(f)
	}
	temp, err := CreateTemp(root, 0o600)
	must(t, err)
	defer temp.Abort()
	if tries != 3 {
		t.Errorf("%d tries, want 3", tries)
	}
}

// TestCreateTempShortOfLocks: a temporary whose first lock fails for a moment is locked all the
// same, so that no sweeper takes it.
func TestCreateTempShortOfLocks(t *testing.T) {
	defer func() { takeLock = tryLock }()
	root, tries := openRoot(t), 0
	takeLock = func(f *os.File) (bool, error) {
		if tries++; tries == 1 {
			return false, syscall.ENOLCK
		}
		return tryLock(f)
	}
	temp, err := CreateTemp(root, 0o600)
	must(t, err)
	defer temp.Abort()
	if removed, err := Sweep(root); removed != 0 || err != nil {
		t.Errorf("Sweep: %d removed, %v; want none", removed, err)
	}
	must(t, temp.Publish("name", time.Time{}, true))
}
