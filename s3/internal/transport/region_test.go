package transport

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/replctl/replicate/s3/internal/answer"
)

type httpFunc func(*http.Request) (*http.Response, error)

func (f httpFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestRegionLookup: AWS names a bucket's region even to those who may not read
// it, and to those who asked in the wrong one.
func TestRegionLookup(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header string
		want   string
		err    error
	}{
		"mine":        {200, "eu-north-1", "eu-north-1", nil},
		"forbidden":   {403, "eu-north-1", "eu-north-1", nil},
		"redirected":  {301, "eu-north-1", "eu-north-1", nil},
		"not there":   {404, "", "", answer.ErrNoSuchBucket},
		"not telling": {403, "", "", fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			loaded := sdk.Config{
				Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
				HTTPClient: httpFunc(func(r *http.Request) (*http.Response, error) {
					asked++
					if r.Method != http.MethodHead || r.URL.Host != "bucket.s3.us-east-1.amazonaws.com" {
						t.Errorf("asked with %s %s", r.Method, r.URL)
					}
					header := http.Header{}
					if c.header != "" {
						header.Set("X-Amz-Bucket-Region", c.header)
					}
					return &http.Response{StatusCode: c.status, Header: header, Body: io.NopCloser(strings.NewReader(""))}, nil
				}),
			}
			conn := newConn(t)
			conn.Place.Bucket = "bucket"
			conn.Provider, _ = conn.Place.Normalize()
			got, err := conn.region(t.Context(), loaded)
			if got != c.want || asked != 1 || (err == nil) != (c.err == nil) {
				t.Errorf("got %q, %v in %d requests", got, err, asked)
			}
			if !errors.Is(err, c.err) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
		})
	}
}
