package lsconfig

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shown is what is asked of a file: where each database has its replica, and with which key.
func shown(replicas []Replica) string {
	var lines []string
	for _, r := range replicas {
		line := r.DB + " " + r.URL
		if r.Name != "" {
			line += " name=" + r.Name
		}
		if r.AccessKeyID != "" {
			line += " key=" + r.AccessKeyID + ":" + r.SecretAccessKey
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func env(name string) string {
	return map[string]string{"BUCKET": "backups", "SECRET": "s3cr3t", "KEY": "AKIA"}[name]
}

// TestForms: forms as Litestream's documentation, guides and issues have them, of both versions.
func TestForms(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"v0.3, a url": {`
dbs:
  - path: /var/lib/db
    replicas:
      - url: s3://mybkt.litestream.io/db
`, "/var/lib/db s3://mybkt.litestream.io/db"},
		"v0.3, parts, and keys at the top": {`
access-key-id: ${KEY}
secret-access-key: $SECRET
addr: ":9090"
dbs:
  - path: /var/lib/db
    replicas:
      - type: s3
        bucket: ${BUCKET}
        path: db
        region: eu-central-1
        retention: 72h
`, "/var/lib/db s3://backups/db?region=eu-central-1 key=AKIA:s3cr3t"},
		"v0.3, MinIO": {`
dbs:
  - path: /var/lib/db
    replicas:
      - type: s3
        bucket: mybkt
        path: db
        endpoint: http://127.0.0.1:9000
        force-path-style: true
        skip-verify: true
`, "/var/lib/db s3://mybkt/db?endpoint=http%3A%2F%2F127.0.0.1%3A9000&force-path-style=true&skip-verify=true"},
		"v0.3, two replicas with names": {`
dbs:
  - path: /var/lib/db
    replicas:
      - name: disk
        path: /mnt/backup/db
      - name: cloud
        url: s3://mybkt/db
        access-key-id: other
        secret-access-key: "$SECRET"
`, "/var/lib/db /mnt/backup/db name=disk\n/var/lib/db s3://mybkt/db name=cloud key=other:s3cr3t"},
		"v0.3, a directory by type": {`
dbs:
  - path: /var/lib/db
    replicas:
      - type: file
        path: /mnt/backup/db
`, "/var/lib/db /mnt/backup/db"},
		"v0.5, one replica": {`
dbs:
  - path: /var/lib/db
    replica:
      url: s3://mybkt/db?endpoint=https://minio.example.com:9000&region=eu-west-1
`, "/var/lib/db s3://mybkt/db?endpoint=https%3A%2F%2Fminio.example.com%3A9000&region=eu-west-1"},
		"v0.5, defaults at the top": {`
access-key-id: $KEY
secret-access-key: $SECRET
region: eu-west-1
endpoint: https://minio.example.com:9000
bucket: mybkt
snapshot:
  interval: 1h
levels:
  - interval: 30s
dbs:
  - path: /var/lib/a
    replica:
      type: s3
      path: a
  - path: /var/lib/b
    replica:
      type: s3
      path: b
      region: us-east-1
      bucket: another
`, "/var/lib/a s3://mybkt/a?endpoint=https%3A%2F%2Fminio.example.com%3A9000&region=eu-west-1 key=AKIA:s3cr3t\n" +
			"/var/lib/b s3://another/b?endpoint=https%3A%2F%2Fminio.example.com%3A9000&region=us-east-1 key=AKIA:s3cr3t"},
		"v0.5, a file url": {`
dbs:
  - path: /var/lib/db
    replica: { url: "file:///mnt/backup/db" }
`, "/var/lib/db /mnt/backup/db"},
		"an access point": {`
dbs:
  - path: /var/lib/db
    replica:
      url: s3://mybkt.s3.eu-west-1.amazonaws.com/a/b
      force-path-style: false
`, "/var/lib/db s3://mybkt.s3.eu-west-1.amazonaws.com/a/b?force-path-style=false"},
		"stores of other kinds": {`
dbs:
  - path: /var/lib/a
    replica: { type: gs, bucket: mybkt, path: a }
  - path: /var/lib/b
    replica: { type: abs, account-name: me, bucket: container, path: b }
  - path: /var/lib/c
    replica: { type: sftp, host: "example.com:22", path: /c }
`, "/var/lib/a gs://mybkt/a\n/var/lib/b abs://me@container/b\n/var/lib/c sftp://example.com:22/c"},
		"anchors": {`
dbs:
  - path: /var/lib/a
    replica: &there { type: s3, bucket: mybkt, path: same, region: eu-west-1 }
  - path: /var/lib/b
    replica: { <<: *there, path: b }
`, "/var/lib/a s3://mybkt/same?region=eu-west-1\n/var/lib/b s3://mybkt/b?region=eu-west-1"},
		"keys that nobody knows": {`
mcp-addr: ":3001"
dbs:
  - path: /var/lib/db
    watch: true
    future-key: [1, 2]
    replica: { path: /mnt/db, sync-interval: 1s, auto-recover: true }
`, "/var/lib/db /mnt/db"},
	} {
		replicas, err := Parse([]byte(tt.file), env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := shown(replicas); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// TestDirectory: a dir with a pattern stands for the databases below it.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.db": "SQLite format 3\x00...", "b.db": "SQLite format 3\x00", "c.db": "text", "d.txt": "SQLite format 3\x00",
		"sub/e.db": "SQLite format 3\x00", "empty.db": "",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for recursive, want := range map[bool]string{
		false: "D/a.db s3://mybkt/all/a.db\nD/b.db s3://mybkt/all/b.db",
		true:  "D/a.db s3://mybkt/all/a.db\nD/b.db s3://mybkt/all/b.db\nD/sub/e.db s3://mybkt/all/sub/e.db",
	} {
		for _, replica := range []string{"url: s3://mybkt/all", "{ type: s3, bucket: mybkt, path: all }"} {
			file := fmt.Sprintf("dbs:\n  - dir: %s\n    pattern: '*.db'\n    recursive: %v\n    replica:\n      %s\n",
				dir, recursive, replica)
			replicas, err := Parse([]byte(file), env)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(shown(replicas), dir, "D"); got != want {
				t.Errorf("recursive %v, %s:\n%s\nwant\n%s", recursive, replica, got, want)
			}
		}
	}
	replicas, err := Parse([]byte("dbs: [{dir: "+dir+", pattern: 'a.*', replica: {path: /mnt}}]"), env)
	if want := dir + "/a.db /mnt/a.db"; err != nil || shown(replicas) != want {
		t.Errorf("%s, %v; want %s", shown(replicas), err, want)
	}
}

// TestMistakes: an error says which line.
func TestMistakes(t *testing.T) {
	for file, want := range map[string]string{
		"":                                  "EOF",
		"{}":                                "it has no databases",
		"dbs: []":                           "it has no databases",
		"dbs:\n  - path: /a\n":              "line 2: a database needs a replica",
		"dbs:\n  - replica: {path: /b}\n":   "line 2: a database needs path",
		"dbs:\n  - path: /a\n    dir: /b\n": "line 2: a database has path or dir, not both",
		"dbs:\n  - dir: /b\n    replica: {path: /c}":                               "line 2: dir needs a pattern",
		"dbs:\n  - dir: /b\n    pattern: '['\n    replica: {path: /c}":             "line 2: pattern",
		"dbs:\n  - path: /a\n    replica: {path: /b}\n    replicas: [{path: /c}]":  "line 2: a database has replica or",
		"dbs:\n  - path: /a\n    replica:\n      url: s3://b/c\n      path: d\n":   "line 4: a replica has url or path",
		"dbs:\n  - path: /a\n    replica:\n      url: s3://b/c\n      bucket: d\n": "line 4: a replica has url or bucket",
		"dbs:\n  - path: /a\n    replica:\n      path: s3://b/c\n":                 "line 4: path is a URL",
		"dbs:\n  - path: /a\n    replica:\n      region: x\n":                      "line 4: a replica needs url",
		"dbs:\n  - path: /a\n    replica:\n      type: s3\n      path: x\n":        "line 4: a replica in a bucket",
		"dbs:\n  - path: /a\n    replica:\n      url: s3://u:hunter2@b/c\n":        "line 4: url has a password",
		"dbs:\n  - path: /a\n    replica:\n      url: 's3://b/%zz?hunter2'\n":      "line 4: url cannot be parsed",
		"dbs:\n  - path: [1]\n    replica: {path: /b}":                             "line 2: cannot unmarshal",
		"dbs:\n  - path: /a\n    replica: {path: /b, force-path-style: perhaps}":   "line 3: cannot unmarshal",
		"dbs: 7":             "line 1: cannot unmarshal",
		"dbs:\n\t- path: /a": "line 2: found character that cannot start",
		"dbs:\n  - path: /a\n    replica: *nowhere":                                 "unknown anchor",
		"dbs:\n  - dir: /nowhere/at/all\n    pattern: '*'\n    replica: {path: /b}": "line 2: dir: ",
	} {
		_, err := Parse([]byte(file), env)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "nowhere.yml")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("dbs:\n  - path: /a\n    replica: {url: 's3://b/c'}\n"))
	f.Add([]byte("bucket: x\ndbs: [{path: /a, replicas: [{type: s3, path: b}, {path: /c}]}]"))
	f.Add([]byte("dbs: [{path: '~/a', replica: &a {path: /b}}, {path: /c, replica: {<<: *a}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		replicas, err := parse(data, env, func(string, fs.WalkDirFunc) error { return nil })
		if err != nil {
			return
		}
		for _, r := range replicas {
			if r.DB == "" || r.URL == "" || r.Line == 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
