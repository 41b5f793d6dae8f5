package cli

import (
	"errors"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
)

// pathFlag is a path on this machine on the command line. It refuses a URL: a file or
// a directory with the URL's name would be made here. It is a pflag.Value.
type pathFlag struct{ path *string }

func (f pathFlag) Set(s string) error {
	if err := checkPath(s); err != nil {
		return err
	}
	*f.path = s
	return nil
}

func (f pathFlag) Type() string { return "path" }

func (f pathFlag) String() string {
	if f.path == nil {
		return ""
	}
	return *f.path
}

// checkPath returns an error if s is a URL, or begins like one.
func checkPath(s string) error {
	scheme, _, urlPath, _, _, err := replicate.ParseURL(s)
	if s == "" || err == nil && scheme == file.ReplicaClientType && urlPath == s {
		return nil
	}
	return errors.New("that is a url, and this has to be a path; a file of that name has ./ before it")
}
