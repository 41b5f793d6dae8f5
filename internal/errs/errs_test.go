package errs_test

import (
	"errors"
	"testing"

	"github.com/replctl/replicate/internal/errs"
)

func TestWrap(t *testing.T) {
	cause := errors.New("100% refused")
	do := func(cause error) (err error) {
		defer errs.Wrap(&err, "read %q", "a%s")
		return cause
	}
	if err := do(nil); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	err := do(cause)
	if got, want := err.Error(), `read "a%s": 100% refused`; got != want || !errors.Is(err, cause) {
		t.Errorf("got %s, want %s, and the cause in its chain", got, want)
	}
}
