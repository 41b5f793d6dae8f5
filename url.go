package replicate

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// ParseURL splits a replica's URL into the parts that an engine's
// NewReplicaClientFromURL takes. What has no scheme ("backups/db", "/backups/db")
// is a path on disk, taken literally. The path of a URL is percent-decoded and
// cleaned; for schemes other than file and sqlite it comes without its leading slash, as it
// is a prefix of keys there.
//
// A string that begins with the name of a known scheme and a colon, in upper or lower case,
// and is no URL ("s3:bucket/db", "s3:/bucket/db", "file:db"), is an error that says how to
// write it. "./s3:db" is a path. A URL of the scheme raft may have several hosts, with commas between them.
func ParseURL(s string) (scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo, err error) {
	if s == "" {
		return "", "", "", nil, nil, errors.New("replica url is empty")
	}
	if err := checkSpelling(s); err != nil {
		return "", "", "", nil, nil, err
	}
	scheme, rest, ok := cutScheme(s)
	switch {
	case isPath(s), !strings.Contains(s, "://") && (!ok || scheme != "file"):
		return "file", "", s, nil, nil, nil
	case !ok, scheme != "file" && !strings.HasPrefix(rest, "//"):
		return "", "", "", nil, nil, errors.New("replica url has no scheme before ://")
	}
	if rest, ok := cutFold(s, "s3://arn:"); ok {
		return parseARN(rest)
	}
	hosts := ""
	if scheme == "raft" {
		s, hosts = cutHosts(s)
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", "", "", nil, nil, fmt.Errorf("replica url: %w", withoutURL(err))
	}
	if u.Path != "" {
		u.Path = path.Clean(u.Path)
	}
	if u.Scheme != "file" && u.Scheme != "sqlite" {
		u.Path = strings.TrimPrefix(u.Path, "/")
	}
	return u.Scheme, cmp.Or(hosts, u.Host), u.Path, u.Query(), u.User, nil
}

// cutHosts takes the hosts out of a URL with several, such as raft://h1:1,h2:1,h3:1/path: url.Parse
// wants one port. A user's name stays, and what is not such a list.
func cutHosts(s string) (rest, hosts string) {
	scheme, after, _ := strings.Cut(s, "://")
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	at := strings.LastIndex(after[:end], "@") + 1
	if !hostList.MatchString(after[at:end]) {
		return s, ""
	}
	return scheme + "://" + after[:at] + after[end:], after[at:end]
}

var hostList = regexp.MustCompile(`^[A-Za-z0-9.:_,\[\]-]+$`)

// accessPoint is the ARN of an access point without its "arn:", and what follows it.
// AWS writes its last part with slashes or with colons; one of an outpost has four
// names, which belong together.
var accessPoint = regexp.MustCompile(
	`^([^:/]+:[^:/]+:[^:/]*:[^:/]*:(?:outpost[:/][^:/]+[:/])?accesspoint[:/][^:/]+)(?:/(.*))?$`)

// parseARN splits what follows "s3://arn:" in the URL of an S3 access point,
// aws:s3:REGION:ACCOUNT:accesspoint/NAME/PATH?QUERY, whose colons are no port. The
// host is the access point's ARN.
func parseARN(rest string) (scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo, err error) {
	rest, _, _ = strings.Cut(rest, "#")
	rest, rawQuery, _ := strings.Cut(rest, "?")
	parts := accessPoint.FindStringSubmatch(rest)
	if parts == nil {
		return "", "", "", nil, nil, errors.New(
			"replica url: want s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/PATH; " +
				"a bucket goes by its name, s3://BUCKET/PATH")
	}
	urlPath, err = url.PathUnescape(parts[2])
	if err != nil {
		return "", "", "", nil, nil, errors.New("replica url: malformed path")
	}
	query, err = url.ParseQuery(rawQuery)
	if err != nil {
		return "", "", "", nil, nil, errors.New("replica url: malformed query")
	}
	return "s3", "arn:" + parts[1], strings.TrimPrefix(path.Clean("/"+urlPath), "/"), query, nil, nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// withoutURL drops the text of the URL, which may hold a password, from what
// url.Parse reports.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
