package place

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/replctl/replicate/blob"
)

// DefaultRegion is what a store other than AWS is signed for if neither the caller nor
// the provider table names a region.
const DefaultRegion = "us-east-1"

// Place is where a store is.
type Place struct {
	Bucket, Prefix, Region, Endpoint string

	// PathStyle says that the caller asked for the bucket in the path.
	PathStyle bool
}

// String is the place as a URL, without secrets.
func (p Place) String() string {
	s := "s3://" + p.Bucket + "/" + p.Prefix
	if p.Endpoint != "" {
		s += "?endpoint=" + redact(p.Endpoint)
	}
	return s
}

// IsARN reports whether a bucket is given as the ARN of an access point.
func IsARN(bucket string) bool { return strings.HasPrefix(bucket, "arn:") }

// FromHost finds bucket, region and endpoint in the host of a URL. An endpoint that is
// given leaves no doubt: the host is the bucket, unless it is the bucket's name at that
// provider.
func FromHost(host, endpoint string) (Place, error) {
	p := Place{Bucket: host, Endpoint: endpoint}
	if host == "" {
		return Place{}, errors.New("no bucket: write s3://BUCKET/PATH")
	}
	if strings.HasPrefix(strings.ToLower(host), "arn:") {
		p.Bucket = "arn:" + host[len("arn:"):]
		return p, nil
	}
	if m, ok := matchHost(strings.ToLower(host)); ok {
		if m.bucket == "" {
			return Place{}, fmt.Errorf("host %s: no bucket in front of it: write s3://BUCKET.%s/", host, host)
		}
		p.Bucket, p.Region = host[:len(m.bucket)], m.region
		if m.provider.Name != Amazon {
			p.Endpoint = cmp.Or(p.Endpoint, "https://"+m.host)
		}
		return p, nil
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return p, nil // the usual case: it is the bucket
	}
	bucket, server, ok := strings.Cut(name, ".")
	if !ok || bucket == "" || net.ParseIP(name) != nil {
		return Place{}, fmt.Errorf("host %s: no bucket in front of it: write s3://BUCKET.%s/ or s3://BUCKET/?endpoint=%s",
			host, host, host)
	}
	p.Bucket, p.Region = bucket, DefaultRegion
	p.Endpoint = cmp.Or(p.Endpoint, "http://"+net.JoinHostPort(server, port))
	return p, nil
}

// Normalize brings a place into its one form, or refuses it, and finds the provider.
func (p *Place) Normalize() (Provider, error) {
	// Single slashes, and none at the ends.
	p.Prefix = strings.Join(strings.FieldsFunc(p.Prefix, func(r rune) bool { return r == '/' }), "/")
	switch {
	case p.Bucket == "":
		return Provider{}, errors.New("bucket required")
	case IsARN(p.Bucket):
		if err := p.checkARN(); err != nil {
			return Provider{}, err
		}
	case strings.ContainsAny(p.Bucket, "/:?# \t\r\n"):
		return Provider{}, fmt.Errorf("bucket %q: not a bucket name", p.Bucket)
	}
	if p.Prefix != "" {
		if err := blob.CheckKey(p.Prefix); err != nil {
			return Provider{}, fmt.Errorf("path: %w", err)
		}
	}
	if err := p.checkEndpoint(); err != nil {
		return Provider{}, err
	}
	provider, region := lookupProvider(p.Endpoint)
	p.Region = cmp.Or(p.Region, region)
	if p.Endpoint != "" && provider.Name != Amazon {
		p.Region = cmp.Or(p.Region, provider.Region, DefaultRegion)
	}
	return provider, nil
}

func (p *Place) checkARN() error {
	parts := strings.SplitN(p.Bucket, ":", 6)
	if len(parts) == 6 && parts[2] == "s3" && parts[4] == "" && !strings.ContainsAny(parts[5], "/:") {
		return fmt.Errorf("bucket %s: a bucket goes by its name: write %s", p.Bucket, parts[5])
	}
	if len(parts) < 6 || !strings.Contains(parts[5], "accesspoint") {
		return fmt.Errorf("bucket %s: want the arn of an access point, arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME", p.Bucket)
	}
	if p.PathStyle {
		return fmt.Errorf("bucket %s: an access point is in the host name: leave force-path-style out", p.Bucket)
	}
	return nil
}

// checkEndpoint brings the endpoint into its one form: a server, without the bucket.
func (p *Place) checkEndpoint() error {
	u, err := parseEndpoint(p.Endpoint)
	if u == nil {
		p.Endpoint = ""
		return err
	}
	provider, _ := lookupProvider(u.String())
	if u.Path != "" && u.Path != provider.path {
		server := url.URL{Scheme: u.Scheme, Host: u.Host, Path: provider.path}
		return fmt.Errorf("endpoint %s: has a path, and an endpoint is a server: write s3://%s/%s?endpoint=%s",
			u, p.Bucket, p.Prefix, server.String())
	}
	if err := p.takeBucketOut(u); err != nil {
		return err
	}
	p.Endpoint = u.String()
	return nil
}

// takeBucketOut takes the bucket out of the host of an endpoint, as the consoles of
// vendors show it. It does so where the vendor's own names say that it is one. With
// other hosts only people know whether it is.
func (p *Place) takeBucketOut(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	bucket, server := "", ""
	m, known := matchHost(host)
	if known {
		bucket, server = m.bucket, m.host
	} else if rest, ok := strings.CutPrefix(host, strings.ToLower(p.Bucket)+"."); ok && !p.PathStyle {
		bucket, server = p.Bucket, rest
	}
	if bucket == "" {
		return nil
	}
	if port != "" {
		server = net.JoinHostPort(server, port)
	}
	right := (&url.URL{Scheme: u.Scheme, Host: server, Path: u.Path}).String()
	switch {
	case !known:
		return fmt.Errorf("endpoint %s: begins with the bucket, and an endpoint is a server: write endpoint=%s; "+
			"or, if the server is called so, add force-path-style=true", u, right)
	case !strings.EqualFold(bucket, p.Bucket):
		return fmt.Errorf("endpoint %s: is that of bucket %s, and the bucket is %s: write endpoint=%s",
			u, bucket, p.Bucket, right)
	}
	u.Host = server
	return nil
}

// parseEndpoint adds the scheme that people leave out: without one a provider was not
// recognised and got the wrong settings (litestream#948). It is nil without an endpoint.
func parseEndpoint(endpoint string) (*url.URL, error) {
	if endpoint = strings.TrimSpace(endpoint); endpoint == "" {
		return nil, nil
	}
	raw := endpoint
	if !strings.Contains(raw, "://") {
		raw = "//" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, fmt.Errorf("endpoint %q: not a url", redact(endpoint))
	case u.User != nil:
		return nil, fmt.Errorf("endpoint %q: must not contain credentials", redact(endpoint))
	case u.Scheme == "" && IsPrivateHost(u.Hostname()):
		u.Scheme = "http"
	case u.Scheme == "":
		u.Scheme = "https"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("endpoint %q: want http or https", redact(endpoint))
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// redact drops what may be a password or a token.
func redact(endpoint string) string {
	endpoint, _, _ = strings.Cut(endpoint, "?")
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		scheme, rest = "", endpoint
	} else {
		scheme += "://"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "..." + rest[at:]
	}
	return scheme + rest
}
