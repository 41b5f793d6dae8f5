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
		"FILE:///with%20space":         {"file", "", "/with space"},
		"file:/with%20space":           {"file", "", "/with space"},
		"./s3:x":                       {"file", "", "./s3:x"},
		"../s3://bucket/x":             {"file", "", "../s3://bucket/x"},
		"/var/s3:x":                    {"file", "", "/var/s3:x"},
		"/var/a://b":                   {"file", "", "/var/a://b"},
		"s3":                           {"file", "", "s3"},
		"s3/bucket":                    {"file", "", "s3/bucket"},
		"db:5/replica":                 {"file", "", "db:5/replica"},
		"S3://bucket/x":                {"s3", "bucket", "x"},
		"s3://bucket/path/to/db":       {"s3", "bucket", "path/to/db"},
		"s3://bucket/a/../b/":          {"s3", "bucket", "b"},
		"s3://bucket":                  {"s3", "bucket", ""},
		"s3://key:secret@bucket/p?a=b": {"s3", "bucket", "p"},
		"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/ap/path/to/../db?region=eu-west-1": {"s3", "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap", "path/db"},
		"s3://arn:aws:s3:eu-west-1:1:accesspoint:ap/path/db":                                   {"s3", "arn:aws:s3:eu-west-1:1:accesspoint:ap", "path/db"},
		"s3://arn:aws:s3::1:accesspoint/mf.mrap/my%20db":                                       {"s3", "arn:aws:s3::1:accesspoint/mf.mrap", "my db"},
		"s3://arn:aws:s3-outposts:r:1:outpost/op-1/accesspoint/ap/path/db/":                    {"s3", "arn:aws:s3-outposts:r:1:outpost/op-1/accesspoint/ap", "path/db"},
		"s3://arn:aws:s3-outposts:r:1:outpost:op-1:accesspoint:ap/path":                        {"s3", "arn:aws:s3-outposts:r:1:outpost:op-1:accesspoint:ap", "path"},
		"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/ap":                                {"s3", "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap", ""},
		"s3://bucket.host:9000/p%2Fath": {
			"s3", "bucket.host:9000", "p/ath",
		},
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
	for _, in := range []string{"", "://x", "s3://arn:aws:s3", "s3://arn:aws:s3:::bucket/db", "s3://arn:aws:s3:r:1:accesspoint/", "s3://arn:aws:s3-outposts:r:1:outpost/op/ap", "s3://arn:aws:s3:r:a:accesspoint/ap?%zz=hunter2", "s3://user:hunter2@bucket:port:1/%zz", "s3://bad host/\x7f", "s3://u:hunter2@[::1"} {
		_, _, _, _, _, err := replicate.ParseURL(in)
		if err == nil {
			t.Errorf("ParseURL(%q) succeeds", in)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseURL(%q): the error shows the password: %v", in, err)
		}
	}
}

// A URL that is not spelled right is no path: a lease or a backup would land in a
// directory of this machine.
func TestParseURLRefusesMisspelled(t *testing.T) {
	for in, want := range map[string]string{
		"s3:/bkt/db":                      "write s3://bkt/db, or ./s3:/bkt/db for a directory",
		"s3:bkt/db":                       "write s3://bkt/db, or ./s3:bkt/db for a directory",
		"S3:bkt/db":                       "write s3://bkt/db, or ./S3:bkt/db for a directory",
		"s3:":                             "write s3://BUCKET/PATH",
		"s3:/bkt/db?endpoint=http://h":    "write s3://bkt/db",
		"s3:user:hunter2@bkt/db":          "write s3://BUCKET/PATH",
		"s3:bkt?sse-customer-key=hunter2": "write s3://bkt",
		`s3:\\bkt\db`:                     "write s3://bkt/db",
		"\u0020s3://bkt/db":               "white space",
		"\ts3:bkt/db":                     "white space",
		"gs:bkt/x":                        "write gs://bkt/x",
		"GS:bkt/x":                        "write gs://bkt/x",
		"abs:account/x":                   "write abs://account/x",
		"azblob:x/y":                      "write azblob://x/y",
		"sftp:host/x":                     "write sftp://host/x",
		"nats:host/x":                     "write nats://host/x",
		"webdav:host/x":                   "write webdav://host/x",
		"http:host/x":                     "write http://host/x",
		"https:/host/x":                   "write https://host/x",
		"file:x/y":                        "write file:///ABSOLUTE/PATH, or x/y",
		"file:":                           "write file:///ABSOLUTE/PATH",
		"File:x":                          "write file:///ABSOLUTE/PATH, or x",
	} {
		scheme, host, path, _, _, err := replicate.ParseURL(in)
		switch {
		case err == nil:
			t.Errorf("ParseURL(%q): got %q, %q, %q, want an error", in, scheme, host, path)
		case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("ParseURL(%q): got %q, want %q and no secret", in, err, want)
		}
	}
}
