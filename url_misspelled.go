package replicate

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// knownSchemes are the schemes of stores and of the tools beside them. A name that
// begins with one of them and a colon is meant as a URL, also where no engine of
// this module has the scheme.
var knownSchemes = []string{
	"file", "s3", "s3a", "s3n", "r2", "b2", "minio", "oss", "cos",
	"gs", "gcs", "abs", "abfs", "abfss", "az", "azblob", "azure", "wasb", "wasbs", "swift",
	"http", "https", "ftp", "ftps", "sftp", "ssh", "scp", "rsync", "smb", "nfs", "webdav", "webdavs",
	"dav", "davs", "nats", "redis", "etcd", "consul", "raft", "postgres", "postgresql", "mysql", "sqlite", "hdfs", "mem",
}

// isPath reports whether s is a path whatever follows: it begins as only a path does.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../")
}

// cutScheme splits s after the scheme that it begins with (RFC 3986), in lower case.
func cutScheme(s string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(s, ":")
	if !ok || scheme == "" {
		return "", s, false
	}
	for i, c := range []byte(strings.ToLower(scheme)) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return "", s, false
		}
	}
	return strings.ToLower(scheme), rest, true
}

// checkSpelling returns an error, with the right spelling, if s begins with the name of
// a known scheme and a colon, and is no URL.
func checkSpelling(s string) error {
	trimmed := strings.TrimSpace(s)
	scheme, rest, ok := cutScheme(trimmed)
	switch {
	case isPath(s), !ok, !slices.Contains(knownSchemes, scheme):
		return nil
	case trimmed != s:
		return fmt.Errorf("replica url: white space around a url that begins with %q", scheme+":")
	case strings.HasPrefix(rest, "//"), scheme == "file" && strings.HasPrefix(rest, "/"):
		return nil
	}
	return fmt.Errorf("replica url: %q begins a url: write %s", scheme+":", spelling(trimmed, scheme, rest))
}

// spelling is how to write s right: as a URL, or as a path. Of what may be a secret,
// a user's password or a query, it shows nothing.
func spelling(s, scheme, rest string) string {
	rest, _, query := strings.Cut(rest, "?")
	place := strings.Trim(path.Clean("/"+strings.ReplaceAll(rest, `\`, "/")), "/")
	u, err := url.Parse("s3://" + place)
	shown := err == nil && place != "" && u.User == nil && !strings.ContainsRune(place, '@')
	switch {
	case scheme == "postgres", scheme == "postgresql":
		return scheme + "://USER@HOST/DATABASE"
	case scheme == "raft":
		return "raft://HOST:PORT,HOST:PORT/PREFIX"
	case scheme == "sqlite":
		return "sqlite:///ABSOLUTE/PATH"
	case scheme == "file" && shown && !query:
		return "file:///ABSOLUTE/PATH, or " + place
	case scheme == "file":
		return "file:///ABSOLUTE/PATH"
	case !shown:
		return scheme + "://BUCKET/PATH"
	case query:
		return scheme + "://" + place
	}
	return scheme + "://" + place + ", or ./" + s + " for a directory"
}
