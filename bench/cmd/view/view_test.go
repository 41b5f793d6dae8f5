package main

import (
	"io"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestTiny runs what needs no other program, on a database of a few megabytes, and looks at
// the shape of the results: the program cannot rot.
func TestTiny(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	var out strings.Builder
	args := []string{"-endpoint", srv.URL, "-bucket", srv.Bucket, "-size", "3000000", "-deltas", "6", "-delay", "1ms",
		"-dir", t.TempDir()}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	for _, want := range []string{
		"\nThe table has ", "| open: round trips in depth | 4 | ", "| lookup by rowid, at most of 20: GETs | 4 | ",
		"| second scan with a cache | no GET | 0 GETs, ", "8 connections | ",
		"| diff, not slowed | ", "| time to the first row |",
	} {
		if !strings.Contains("\n"+out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}
