package transport

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/replctl/replicate/s3/internal/answer"
)

// checkedCredentials are those of another provider, looked at before they sign
// anything: a newline that came with a secret's file gives a request that cannot be
// sent, or one whose signature is wrong.
type checkedCredentials struct {
	sdk.CredentialsProvider
	source atomic.Pointer[string] // of the last ones, in words; nil before
}

// Retrieve implements aws.CredentialsProvider.
func (p *checkedCredentials) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, answer.Advise(err, noCredentials)
	}
	id, secret, token := namesOf(cmp.Or(c.Source, "Credentials"))
	p.source.Store(&id)
	parts := []struct{ value, name string }{{c.AccessKeyID, id}, {c.SecretAccessKey, secret}, {c.SessionToken, token}}
	for _, v := range parts {
		if flaw := flawOf(v.value); flaw != "" {
			err := fmt.Errorf("%s: %s", v.name, flaw)
			return sdk.Credentials{}, answer.Permanent(
				answer.Advise(err, "the same without it: printf instead of echo, for a file or a secret"))
		}
	}
	return c, nil
}

// IsCredentialsProvider makes [sdk.IsCredentialsProvider] see what is inside: the SDK does
// not sign for anonymous credentials.
func (p *checkedCredentials) IsCredentialsProvider(target sdk.CredentialsProvider) bool {
	return sdk.IsCredentialsProvider(p.CredentialsProvider, target)
}

// flawOf says what is wrong with a credential, but not what it is. A secret may
// have a space within.
func flawOf(value string) string {
	switch {
	case strings.TrimSpace(value) != value:
		return "has white space at its start or end"
	case strings.ContainsFunc(value, unicode.IsControl):
		return "has a control character in it"
	}
	return ""
}

// noCredentials is what to do when there are none.
const noCredentials = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY " +
	"(or LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY), " +
	"a profile in ~/.aws/credentials, or a role of this machine"

// Sources of static credentials, beside those of the SDK.
const (
	fromConfig     = "config"
	fromLitestream = "litestream"
)

// namesOf is where the parts of credentials with that source were found.
func namesOf(source string) (id, secret, token string) {
	switch {
	case source == fromConfig:
		return "AccessKeyID", "SecretAccessKey", "SessionToken"
	case source == fromLitestream:
		return "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY", ""
	case source == "EnvConfigCredentials":
		id = variable("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
		return id, variable("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"), "AWS_SESSION_TOKEN"
	case strings.HasPrefix(source, "SharedConfigCredentials: "):
		file := strings.TrimPrefix(source, "SharedConfigCredentials: ")
		return "aws_access_key_id in " + file, "aws_secret_access_key in " + file, "aws_session_token in " + file
	}
	return "access key id from " + source, "secret access key from " + source, "session token from " + source
}

// variable is the first of these that is set, else the first.
func variable(names ...string) string {
	for _, name := range names {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return names[0]
}

// Static are the credentials of the settings.
func Static(id, secret, token string) sdk.CredentialsProvider {
	return static(id, secret, token, fromConfig)
}

func static(id, secret, token, source string) sdk.CredentialsProvider {
	return credentials.StaticCredentialsProvider{Value: sdk.Credentials{
		AccessKeyID: id, SecretAccessKey: secret, SessionToken: token, Source: source,
	}}
}

// litestreamCredentials are those in Litestream's variables, but only if AWS's are not
// set: then the SDK's chain reads them, and the session token that may belong to them. It
// is nil without any.
func litestreamCredentials() sdk.CredentialsProvider {
	id, secret := os.Getenv("LITESTREAM_ACCESS_KEY_ID"), os.Getenv("LITESTREAM_SECRET_ACCESS_KEY")
	if secret == "" || os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return nil
	}
	return static(id, secret, "", fromLitestream)
}

// Describe is an error as [answer.DescribeAt] has it, with the bucket, and where the access
// key is from.
func (c *Conn) Describe(err error) error {
	from := ""
	if c.credentials != nil {
		if source := c.credentials.source.Load(); source != nil {
			from = *source
		}
	}
	return answer.DescribeAt(err, c.Place.Bucket, from)
}
