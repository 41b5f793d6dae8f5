package s3

import (
	"strings"

	"github.com/replctl/replicate/s3/internal/place"
	"github.com/replctl/replicate/s3/internal/transport"
)

// choice overrides one setting of the provider table, or leaves it.
type choice int8

const (
	auto choice = iota
	yes
	no
)

func (c choice) or(auto bool) bool {
	if c == 0 {
		return auto
	}
	return c == yes
}

type choices struct{ pathStyle, signPayload, signAcceptEncoding, contentMD5 choice }

// choices are those of the bool fields, or of the URL.
func (c *Config) choices() choices {
	of := func(field bool, fromURL choice) choice {
		if c.preset {
			return moved(!field, no, fromURL)
		}
		return moved(field, yes, fromURL)
	}
	return choices{
		pathStyle:          moved(c.ForcePathStyle, yes, c.fromURL.pathStyle),
		signPayload:        of(c.SignPayload, c.fromURL.signPayload),
		signAcceptEncoding: of(c.SignAcceptEncoding, c.fromURL.signAcceptEncoding),
		contentMD5:         of(c.RequireContentMD5, c.fromURL.contentMD5),
	}
}

// moved is what a bool field says if it was moved from its default, else what
// the URL says, unless that is what the field was moved back from.
func moved(isMoved bool, to, fromURL choice) choice {
	switch {
	case isMoved:
		return to
	case fromURL == to:
		return auto
	}
	return fromURL
}

// minIdle is how many connections are kept open at least: a reader of many single pages makes as many
// requests at a time, and would make a connection for nearly each of them.
const minIdle = 64

// transport makes every choice of a normalized Config that the provider table is to make.
func (c Config) transport(p place.Provider) (opts transport.Options, err error) {
	chosen := c.choices()
	opts = transport.Options{
		Place: c.place(), Provider: p,
		Credentials: c.Credentials, Transport: c.Transport,
		SkipVerify: c.SkipVerify, Idle: max(minIdle, 2*c.Concurrency),
		PathStyle:          chosen.pathStyle.or(!p.VirtualHost),
		SignAcceptEncoding: chosen.signAcceptEncoding.or(!p.AcceptEncoding),
		PutMD5:             c.PutObjectContentMD5,
		DeleteMD5:          chosen.contentMD5.or(!p.NoContentMD5 && !p.SDKDefaults),
		Stall:              c.StallTimeout, Retry: c.RetryTimeout,
	}
	if c.AccessKeyID != "" {
		opts.Credentials = transport.Static(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	switch {
	case place.IsARN(c.Bucket): // it is in the host, with dots or without
		opts.PathStyle = false
	case c.Endpoint == "" && chosen.pathStyle == auto:
		opts.PathStyle = strings.Contains(c.Bucket, ".") // no wildcard certificate covers it
	}
	switch {
	case chosen.signPayload == no:
		opts.Payload = transport.Unsigned
	case !p.SDKDefaults || chosen.signPayload == yes:
		opts.Payload = transport.Signed
	}
	if c.OnWait != nil {
		opts.OnWait = func(w transport.Wait) { c.OnWait(Wait(w)) }
	}
	opts.Encryption, err = transport.NewEncryption(
		c.SSECustomerAlgorithm, c.SSECustomerKey, c.SSECustomerKeyMD5, c.SSEKMSKeyID, c.Endpoint)
	return opts, err
}
