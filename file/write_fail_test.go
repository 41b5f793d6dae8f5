package file

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/replica"
)

// TestWriteOutcome: an error of the last step, after which the object may be visible, is no
// plain error, and reading the object back does not make it a success.
func TestWriteOutcome(t *testing.T) {
	defer func() { publishTemp = (*durable.Temp).Publish }()
	for _, cause := range []error{
		fmt.Errorf("%w: %w", durable.ErrUncertain, syscall.EIO), syscall.ENOSPC, fs.ErrExist,
	} {
		publishTemp = func(temp *durable.Temp, name string, modTime time.Time, exclusive bool) error {
			return errors.Join(temp.Publish(name, modTime, exclusive), cause)
		}
		uncertain := errors.Is(cause, durable.ErrUncertain)
		for _, opts := range []blob.WriteOptions{{}, {IfAbsent: true}} {
			s := NewStore(t.TempDir(), Options{})
			_, err := s.Write(t.Context(), "a/b", strings.NewReader("content"), opts)
			if !errors.Is(err, cause) || errors.Is(err, blob.ErrNotDurable) != uncertain ||
				errors.Is(err, blob.ErrIndeterminate) != uncertain {
				t.Errorf("Write(%+v) after %v: got error %v", opts, cause, err)
			}
		}
		s := NewStore(t.TempDir(), Options{})
		_, err := replica.Create(t.Context(), s, "a/b", strings.NewReader("content"), blob.WriteOptions{})
		if (err == nil) != errors.Is(cause, fs.ErrExist) {
			t.Errorf("Create after %v: got error %v", cause, err)
		}
	}
}
