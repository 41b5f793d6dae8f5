package replicate_test

import (
	"strings"
	"testing"

	"github.com/replctl/replicate"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string][3]string{
		"/var/backups/db":              {"file", "", "/var/backups/db"},
		"backups/db":                   {"file", "", "backups/db"},
		"../x?y#z":                     {"file", "", "../x?y#z"},
		"file:///var/backups/db":       {"file", "", "/var/backups/db"},
		"file:///var//backups/../db/":  {"file", "", "/var/db"},
		"file:///with%20space":         {"file", "", "/with space"},
		"file://localhost/db":          {"file", "localhost", "/db"},
		"file://host/db":               {"file", "host", "/db"},
		"file:/db":                     {"file", "", "/db"},
		"s3://bucket/path/to/db":       {"s3", "bucket", "path/to/db"},
		"s3://bucket/a/../b/":          {"s3", "bucket", "b"},
		"s3://bucket":                  {"s3", "bucket", ""},
		"s3://key:secret@bucket/p?a=b": {"s3", "bucket", "p"},
		"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/ap/path/to/../db?region=eu-west-1": {"s3", "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap", "path/db"},
		"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/ap":                                {"s3", "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap", ""},
		"s3://bucket.host:9000/p%2Fath":                                                        {"s3", "bucket.host:9000", "p/ath"},
	} {
		scheme, host, path, _, _, err := replicate.ParseURL(in)
		if got := [3]string{scheme, host, path}; err != nil || got != want {
			t.Errorf("ParseURL(%q): got %q, %v, want %q", in, got, err, want)
		}
	}
	_, _, _, query, user, err := replicate.ParseURL("s3://key:secret@bucket/p?endpoint=localhost:9000")
	if err != nil || query.Get("endpoint") != "localhost:9000" || user.Username() != "key" {
		t.Errorf("query %v, user %v, %v", query, user, err)
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, in := range []string{"", "://x", "s3://arn:aws:s3", "s3://arn:aws:s3:r:a:accesspoint/ap?%zz=hunter2", "s3://user:hunter2@bucket:port:1/%zz", "s3://bad host/\x7f", "s3://u:hunter2@[::1"} {
		_, _, _, _, _, err := replicate.ParseURL(in)
		if err == nil {
			t.Errorf("ParseURL(%q) succeeds", in)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseURL(%q): the error shows the password: %v", in, err)
		}
	}
}
