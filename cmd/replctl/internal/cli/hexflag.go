package cli

import (
	"errors"
	"fmt"
	"strconv"
)

// hexFlag is the index of a v0.3 WAL on the command line, as names and listings
// have it: up to 8 hex digits. It is a pflag.Value.
type hexFlag struct{ value *int }

func (f *hexFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil || len(s) > 8 {
		return errors.New("want up to 8 hex digits")
	}
	index := int(n)
	f.value = &index
	return nil
}

func (f *hexFlag) Type() string { return "index" }

func (f *hexFlag) String() string {
	if f.value == nil {
		return ""
	}
	return fmt.Sprintf("%08x", *f.value)
}
