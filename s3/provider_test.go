package s3

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/transport"
)

// recorder answers every request with 200 and keeps it.
type recorder struct {
	header http.Header
	host   string
	path   string
	body   []byte
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.header, r.host, r.path = req.Header.Clone(), req.URL.Host, req.URL.Path
	if req.Body != nil {
		r.body, _ = io.ReadAll(req.Body)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"x"`}},
		Body: io.NopCloser(strings.NewReader("<DeleteResult/>"))}, nil
}

// wire sends a PUT and a delete to a provider, and returns what would go over
// the wire.
func wire(t *testing.T, cfg Config) (put, del recorder) {
	t.Helper()
	cfg.Bucket, cfg.AccessKeyID, cfg.SecretAccessKey = cmp.Or(cfg.Bucket, "bucket"), "id", "secret"
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	record := func(r *recorder) {
		s.c.API = awss3.New(s.c.API.Options(), func(o *awss3.Options) { o.HTTPClient = r })
	}
	record(&put)
	if _, err := s.Write(t.Context(), "k", bytes.NewReader([]byte("body")), blob.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	record(&del)
	if _, err := s.deleteObjects(t.Context(), []string{"k"}, []int{0}); err != nil {
		t.Fatal(err)
	}
	return put, del
}

const bodySHA256 = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5" // of "body"

// TestProviders: each row of the table, as it shows on the wire.
func TestProviders(t *testing.T) {
	type wireForm struct {
		host, path     string
		payload        string // x-amz-content-sha256 of the PUT
		encoding       string // Content-Encoding of the PUT
		signedEncoding bool   // Accept-Encoding is signed
		md5            bool   // Content-MD5 on delete
		consistent     string // X-Tigris-Consistent
	}
	standard := func(host string) wireForm {
		return wireForm{host, "/bucket/k", bodySHA256, "", true, true, ""}
	}
	tigris := standard("t3.storage.dev")
	tigris.md5, tigris.consistent = false, "true"
	gcs := standard("storage.googleapis.com")
	gcs.signedEncoding = false
	unsigned := standard("minio.example.com")
	unsigned.payload = "UNSIGNED-PAYLOAD"
	virtual := standard("bucket.minio.example.com")
	virtual.path = "/k"
	for name, c := range map[string]struct {
		cfg  Config
		want wireForm
	}{
		"amazon": {Config{Region: "eu-west-1"},
			wireForm{"bucket.s3.eu-west-1.amazonaws.com", "/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "aws-chunked", true,
				false, ""}},
		"amazon, unsigned": {Config{Region: "eu-west-1", fromURL: choices{signPayload: no}},
			wireForm{"bucket.s3.eu-west-1.amazonaws.com", "/k", "UNSIGNED-PAYLOAD", "", true, false, ""}},
		"unknown":           {Config{Endpoint: "https://minio.example.com"}, standard("minio.example.com")},
		"unknown, unsigned": {Config{Endpoint: "https://minio.example.com", fromURL: choices{signPayload: no}}, unsigned},
		"unknown, virtual":  {Config{Endpoint: "https://minio.example.com", fromURL: choices{pathStyle: no}}, virtual},
		"R2": {Config{Endpoint: "https://0a.r2.cloudflarestorage.com"},
			standard("0a.r2.cloudflarestorage.com")},
		"Tigris": {Config{Endpoint: "https://t3.storage.dev"}, tigris},
		"GCS":    {Config{Endpoint: "https://storage.googleapis.com"}, gcs},
		"B2": {Config{Endpoint: "https://s3.us-west-004.backblazeb2.com"},
			standard("s3.us-west-004.backblazeb2.com")},
	} {
		t.Run(name, func(t *testing.T) {
			put, del := wire(t, c.cfg)
			_, signed, _ := strings.Cut(put.header.Get("Authorization"), "SignedHeaders=")
			got := wireForm{
				put.host, put.path, put.header.Get("X-Amz-Content-Sha256"), put.header.Get("Content-Encoding"),
				strings.Contains(signed, "accept-encoding"), del.header.Get("Content-Md5") != "",
				put.header.Get("X-Tigris-Consistent"),
			}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if got := put.header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("Accept-Encoding %q", got)
			}
			if c.want.encoding == "" && string(put.body) != "body" {
				t.Errorf("body %q", put.body)
			}
		})
	}
}

// TestCreateOnlyUnsupported: a store that would replace the object is not asked
// to create it.
func TestCreateOnlyUnsupported(t *testing.T) {
	s, err := Open(t.Context(), Config{Bucket: "b", Endpoint: "storage.googleapis.com", AccessKeyID: "id",
		SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{IfAbsent: true})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got error %v", err)
	}
}

func TestIfMatch(t *testing.T) {
	standard, bare := &Store{c: new(transport.Conn)}, &Store{c: new(transport.Conn)}
	bare.c.Provider.BareETags = true
	for _, c := range []struct {
		s          *Store
		sent, want string
	}{
		{standard, `"abc"`, `"abc"`},
		{standard, `abc`, `"abc"`},
		{bare, `"abc"`, `abc`},
		{standard, `W/"abc"`, ""},
		{standard, "", ""},
	} {
		if got := aws.ToString(c.s.ifMatch(trimETag(&c.sent))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.sent, got, c.want)
		}
	}
}
