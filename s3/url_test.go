package s3

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestConfigFromURL(t *testing.T) {
	for in, want := range map[string]Config{
		"//bucket/path/to/db": {Bucket: "bucket", Path: "path/to/db"},
		"//bucket":            {Bucket: "bucket"},
		"//bucket/":           {Bucket: "bucket"},
		"//bucket/../x//y/":   {Bucket: "bucket", Path: "x/y"},
		"//dotted.bucket/db":  {Bucket: "dotted.bucket", Path: "db"},
		"//b/db?endpoint=localhost:9000&region=r": {Bucket: "b", Path: "db", Endpoint: "localhost:9000",
			Region: "r"},
		"//b.localhost:9000/db": {Bucket: "b", Path: "db",
			Endpoint: "http://localhost:9000", Region: "us-east-1"},
		"//b.127.0.0.1:9000/db": {Bucket: "b", Path: "db",
			Endpoint: "http://127.0.0.1:9000", Region: "us-east-1"},
		"//b.s3.eu-west-1.amazonaws.com/db": {Bucket: "b", Path: "db", Region: "eu-west-1"},
		"//b.nyc3.digitaloceanspaces.com/db": {Bucket: "b", Path: "db", Region: "nyc3",
			Endpoint: "https://nyc3.digitaloceanspaces.com"},
		"//b.0a.r2.cloudflarestorage.com/db": {Bucket: "b", Path: "db",
			Endpoint: "https://0a.r2.cloudflarestorage.com"},
		"//b/db?force-path-style=true&skip-verify=1": {Bucket: "b", Path: "db", ForcePathStyle: true,
			SkipVerify: true},
		"//b/db?forcePathStyle=false&skipVerify=no": {Bucket: "b", Path: "db",
			fromURL: choices{pathStyle: no}},
		"//b/db?part-size=16777216&concurrency=2": {Bucket: "b", Path: "db", PartSize: 16 << 20,
			Concurrency: 2},
		"//b/db?partSize=5242880&storageClass=GLACIER_IR": {Bucket: "b", Path: "db", PartSize: 5 << 20,
			StorageClass: "GLACIER_IR"},
		"//b/db?sign-payload=f&signAcceptEncoding=false": {Bucket: "b", Path: "db",
			fromURL: choices{signPayload: no, signAcceptEncoding: no}},
		"//b/db?requireContentMD5=false&put-object-content-md5=true": {Bucket: "b", Path: "db",
			fromURL: choices{contentMD5: no}, PutObjectContentMD5: true},
		"//b/db?sseCustomerKey=a2V5&sse-customer-algorithm=AES256": {Bucket: "b", Path: "db", SSECustomerKey: "a2V5",
			SSECustomerAlgorithm: "AES256"},
		"//b/db?sseCustomerKeyMD5=m&sse-kms-key-id=k": {Bucket: "b", Path: "db", SSECustomerKeyMD5: "m",
			SSEKMSKeyID: "k"},
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ConfigFromURL(u.Host, u.Path, u.Query(), u.User)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		wantEqual(t, in, plain(got), plain(want))
	}
}

// plain is what a Config says, without the methods that hide it: its choices are in
// fromURL, however they were made.
func plain(c Config) string {
	type fields Config
	c.fromURL = c.choices()
	c.ForcePathStyle, c.SignPayload, c.SignAcceptEncoding = false, false, false
	c.RequireContentMD5, c.preset = false, false
	return strings.ReplaceAll(fmt.Sprintf("%+v", fields(c)), " ", "\n")
}

func TestConfigFromURLAccessPoint(t *testing.T) {
	const arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/ap"
	got, err := ConfigFromURL(arn, "db", nil, nil)
	if err != nil || got.Bucket != arn || got.Path != "db" {
		t.Errorf("got %+v, %v", plain(got), err)
	}
	s, err := Open(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.c.API.Options().Region; got != "us-west-2" {
		t.Errorf("region %q", got)
	}
}

func TestConfigFromURLErrors(t *testing.T) {
	for in, want := range map[string]string{
		"//id:hunter2@bucket/db":                 "credentials do not belong",
		"//s3.eu-west-1.amazonaws.com/b/db":      "no bucket in front",
		"//localhost:9000/b/db":                  "no bucket in front",
		"//127.0.0.1:9000/b/db":                  "no bucket in front",
		"//b/db?enpoint=hunter2":                 `parameter "enpoint" is unknown`,
		"//b/db?part-size=hunter2":               `parameter "part-size": want a positive number`,
		"//b/db?concurrency=0":                   `parameter "concurrency": want a positive number`,
		"//b/db?skip-verify=hunter2":             `parameter "skip-verify": want true or false`,
		"//b/db?sse-customer-key=x&skip-verify=": "",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ConfigFromURL(u.Host, u.Path, u.Query(), u.User)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", in, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %q shows a secret", in, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	t.Setenv("LITESTREAM_S3_ENDPOINT", "localhost:9000")
	t.Setenv("LITESTREAM_ACCESS_KEY_ID", "their-id")
	t.Setenv("LITESTREAM_SECRET_ACCESS_KEY", "their-secret")
	credentials := func(cfg Config) (id, token string) {
		t.Helper()
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := *s.c.API.Options().BaseEndpoint; got != "http://localhost:9000" {
			t.Errorf("endpoint %q", got)
		}
		c, err := s.c.API.Options().Credentials.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c.AccessKeyID, c.SessionToken
	}
	if id, _ := credentials(Config{Bucket: "b"}); id != "their-id" {
		t.Errorf("litestream's variables: got key %q", id)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "aws-id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
	t.Setenv("AWS_SESSION_TOKEN", "aws-token")
	if id, token := credentials(Config{Bucket: "b"}); id != "aws-id" || token != "aws-token" {
		t.Errorf("aws's variables: got key %q, token %q", id, token)
	}
	if id, _ := credentials(Config{Bucket: "b", AccessKeyID: "mine", SecretAccessKey: "secret"}); id != "mine" {
		t.Errorf("explicit: got key %q", id)
	}
}

func FuzzConfigFromURL(f *testing.F) {
	for _, s := range []string{"//bucket/path?endpoint=x", "//b.localhost:9000/", "//arn:aws:s3:r:1:accesspoint/x/y",
		"//b.s3.r.amazonaws.com/../.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := url.Parse(in)
		if err != nil {
			return
		}
		c, err := ConfigFromURL(u.Host, u.Path, u.Query(), u.User)
		if err != nil {
			return
		}
		if strings.HasPrefix(c.Path, "/") || strings.HasSuffix(c.Path, "/") || strings.Contains("/"+c.Path+"/", "/../") {
			t.Errorf("%q: prefix %q", in, c.Path)
		}
		_, _, _ = c.normalize() // no panic
	})
}
