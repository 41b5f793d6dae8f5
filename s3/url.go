package s3

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/replctl/replicate/s3/internal/place"
)

// ConfigFromURL is the Config for an s3 URL, in Litestream's grammar, taken
// apart: the host, the path, the query and the user of
//
//	s3://BUCKET/PATH?endpoint=HOST&region=REGION
//	s3://BUCKET.HOST/PATH      a host of the provider table, or any host:port
//	s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/PATH
//
// Of the parameters below, Litestream's camel-case spellings are understood as
// well. Others are refused: a misspelt endpoint would send the data to AWS.
func ConfigFromURL(host, urlPath string, query url.Values, user *url.Userinfo) (Config, error) {
	if user != nil {
		return Config{}, errors.New("s3 url: credentials do not belong into a url: " +
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	where, err := place.FromHost(host, place.EndpointFromEnvironment(first(query, "endpoint")))
	if err != nil {
		return Config{}, fmt.Errorf("s3 url: %w", err)
	}
	c := NewConfig()
	c.Bucket, c.Region, c.Endpoint = where.Bucket, where.Region, where.Endpoint
	c.Path = strings.Trim(path.Clean("/"+urlPath), "/")
	if err := c.applyQuery(query); err != nil {
		return Config{}, fmt.Errorf("s3 url: %w", err)
	}
	if _, _, err := c.normalize(); err != nil { // better now than with the first request
		return Config{}, fmt.Errorf("s3 url: %w", err)
	}
	return c, nil
}

// parameters are those of a URL, by their dashed names.
var parameters = map[string]func(c *Config, value string) error{
	"endpoint":               func(*Config, string) error { return nil }, // read before the rest
	"region":                 func(c *Config, v string) error { c.Region = v; return nil },
	"storage-class":          func(c *Config, v string) error { c.StorageClass = v; return nil },
	"sse-customer-algorithm": func(c *Config, v string) error { c.SSECustomerAlgorithm = v; return nil },
	"sse-customer-key":       func(c *Config, v string) error { c.SSECustomerKey = v; return nil },
	"sse-customer-key-md5":   func(c *Config, v string) error { c.SSECustomerKeyMD5 = v; return nil },
	"sse-kms-key-id":         func(c *Config, v string) error { c.SSEKMSKeyID = v; return nil },
	"force-path-style":       choose(func(c *Config) (*bool, *choice) { return &c.ForcePathStyle, &c.fromURL.pathStyle }),
	"sign-payload":           choose(func(c *Config) (*bool, *choice) { return &c.SignPayload, &c.fromURL.signPayload }),
	"sign-accept-encoding": choose(func(c *Config) (*bool, *choice) {
		return &c.SignAcceptEncoding, &c.fromURL.signAcceptEncoding
	}),
	"require-content-md5": choose(func(c *Config) (*bool, *choice) {
		return &c.RequireContentMD5, &c.fromURL.contentMD5
	}),
	"put-object-content-md5": func(c *Config, v string) error { return parseFlag(v, &c.PutObjectContentMD5) },
	"skip-verify":            func(c *Config, v string) error { return parseFlag(v, &c.SkipVerify) },
	"part-size":              func(c *Config, v string) error { return parsePositive(v, &c.PartSize) },
	"concurrency": func(c *Config, v string) error {
		var n int64
		err := parsePositive(v, &n)
		c.Concurrency = int(min(n, 1<<20)) // Open refuses what is too large
		return err
	},
}

func (c *Config) applyQuery(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := first(query, name)
		set, ok := parameters[dashed(name)]
		switch {
		case !ok:
			known := strings.Join(slices.Sorted(maps.Keys(parameters)), ", ")
			return fmt.Errorf("parameter %q is unknown: want one of %s", name, known)
		case value == "":
			continue
		}
		if err := set(c, value); err != nil {
			return fmt.Errorf("parameter %q: %w", name, err) // never the value
		}
	}
	return nil
}

func first(query url.Values, name string) string {
	if v := query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// dashed is the dashed spelling of a camel-case name: sseKmsKeyId and
// sse-kms-key-id are the same.
func dashed(name string) string {
	name = strings.ReplaceAll(name, "MD5", "Md5")
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func parseFlag(s string, v *bool) error {
	switch strings.ToLower(s) {
	case "true", "1", "t", "yes":
		*v = true
	case "false", "0", "f", "no":
		*v = false
	default:
		return errors.New("want true or false")
	}
	return nil
}

// choose sets a field, and what it cannot hold.
func choose(of func(*Config) (*bool, *choice)) func(*Config, string) error {
	return func(c *Config, v string) error {
		field, fromURL := of(c)
		if err := parseFlag(v, field); err != nil {
			return err
		}
		*fromURL = no
		if *field {
			*fromURL = yes
		}
		return nil
	}
}

func parsePositive(s string, v *int64) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return errors.New("want a positive number")
	}
	*v = n
	return nil
}
