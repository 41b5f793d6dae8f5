package cli

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/replctl/replicate/ltx"
)

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		talk string
	}{
		{nil, 0, ""},
		{errDamage, 4, ""},
		{fmt.Errorf("open x: %w", fs.ErrNotExist), 1, "replctl: open x: file does not exist\n"},
		{fmt.Errorf("open x: %w", fs.ErrPermission), 1,
			"replctl: open x: permission denied\nTry: as the user that the replicator runs as\n"},
		{fmt.Errorf("inspect: %w", context.Canceled), 1, "replctl: inspect: context canceled\n"},
		{usageError("that", "no %s", "this"), 2, "replctl: no this\nTry: that\n"},
		{fmt.Errorf("x: %w", ltx.ErrCorrupt), 4,
			"replctl: x: LTX file is corrupt\n" +
				"Try: replctl inspect, which says what is damaged; replctl ltx --fast, which reads no headers\n"},
	} {
		var talk bytes.Buffer
		a := &app{stderr: &talk}
		if code := a.exitCode(tt.err); code != tt.code || talk.String() != tt.talk {
			t.Errorf("%v: got %d and %q, want %d and %q", tt.err, code, talk.String(), tt.code, tt.talk)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for s, want := range map[string]string{
		"/var/backups/db":         "/var/backups/db",
		"s3://bucket/a-b_c.d?":    "'s3://bucket/a-b_c.d?'",
		"file:///a%20b":           "file:///a%20b",
		"/größe/数据":               "/größe/数据",
		"it's":                    `'it'\''s'`,
		"$(rm -rf /)":             "'$(rm -rf /)'",
		"a\nb":                    "'a\nb'",
		"~root":                   "'~root'",
		"/backups/my db/replica*": "'/backups/my db/replica*'",
	} {
		if got := shellQuote(s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}
