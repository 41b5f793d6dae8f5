package s3

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/replctl/replicate/blob"
)

// A place must have one name. Where two spellings would reach the same object by
// different keys, or different objects by what looks like one name, two leases on
// one replica are held at a time, and both are valid.

func isARN(bucket string) bool { return strings.HasPrefix(bucket, "arn:") }

// checkPlace checks bucket and prefix, and brings the prefix into its one form:
// single slashes, and none at its ends.
func (c *Config) checkPlace() error {
	c.Prefix = strings.Join(strings.FieldsFunc(c.Prefix, func(r rune) bool { return r == '/' }), "/")
	switch {
	case c.Bucket == "":
		return errors.New("bucket required")
	case isARN(c.Bucket):
		if err := c.checkARN(); err != nil {
			return err
		}
	case strings.ContainsAny(c.Bucket, "/:?# \t\r\n"):
		return fmt.Errorf("bucket %q: not a bucket name", c.Bucket)
	}
	if c.Prefix != "" {
		if err := blob.CheckKey(c.Prefix); err != nil {
			return fmt.Errorf("prefix: %w", err)
		}
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return errors.New("access key id and secret access key go together: one of them is empty")
	}
	return nil
}

func (c *Config) checkARN() error {
	parts := strings.SplitN(c.Bucket, ":", 6)
	if len(parts) == 6 && parts[2] == "s3" && parts[4] == "" && !strings.ContainsAny(parts[5], "/:") {
		return fmt.Errorf("bucket %s: a bucket goes by its name: write %s", c.Bucket, parts[5])
	}
	if len(parts) < 6 || !strings.Contains(parts[5], "accesspoint") {
		return fmt.Errorf("bucket %s: want the arn of an access point, arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME", c.Bucket)
	}
	if c.PathStyle == Yes {
		return fmt.Errorf("bucket %s: an access point is in the host name: leave force-path-style out", c.Bucket)
	}
	return nil
}

// checkEndpoint brings the endpoint into its one form: a server, without the bucket.
func (c *Config) checkEndpoint() error {
	endpoint, err := completeEndpoint(c.Endpoint)
	if err != nil || endpoint == "" {
		c.Endpoint = ""
		return err
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	p, _ := lookupProvider(endpoint)
	if u.Path != "" && u.Path != p.path {
		server := url.URL{Scheme: u.Scheme, Host: u.Host, Path: p.path}
		return fmt.Errorf("endpoint %s: has a path, and an endpoint is a server: write s3://%s/%s?endpoint=%s",
			endpoint, c.Bucket, c.Prefix, server.String())
	}
	if err := c.takeBucketOut(u); err != nil {
		return err
	}
	c.Endpoint = u.String()
	return nil
}

// takeBucketOut takes the bucket out of the host of an endpoint, as the consoles of
// vendors show it. It does so where the vendor's own names say that it is one. With
// other hosts only people know whether it is.
func (c *Config) takeBucketOut(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	bucket, server := "", ""
	if m, ok := matchHost(host); ok {
		bucket, server = m.bucket, m.host
	} else if rest, ok := strings.CutPrefix(host, strings.ToLower(c.Bucket)+"."); ok && c.PathStyle != Yes {
		bucket, server = c.Bucket, rest
	}
	if bucket == "" {
		return nil
	}
	if port != "" {
		server = net.JoinHostPort(server, port)
	}
	right := (&url.URL{Scheme: u.Scheme, Host: server, Path: u.Path}).String()
	switch _, known := matchHost(host); {
	case !known:
		return fmt.Errorf("endpoint %s: begins with the bucket, and an endpoint is a server: write endpoint=%s; "+
			"or, if the server is called so, add force-path-style=true", u, right)
	case !strings.EqualFold(bucket, c.Bucket):
		return fmt.Errorf("endpoint %s: is that of bucket %s, and the bucket is %s: write endpoint=%s", u, bucket, c.Bucket, right)
	}
	u.Host = server
	return nil
}
