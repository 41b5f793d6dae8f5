package s3

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnePlace: spellings of one place are one, or refused with the right one.
func TestOnePlace(t *testing.T) {
	for in, want := range map[string]string{
		"bkt/two?endpoint=http://h:9000":                           "bkt/two?endpoint=http://h:9000",
		"bkt//two/?endpoint=http://h:9000/":                        "bkt/two?endpoint=http://h:9000",
		"bkt/two?endpoint=http://h:9000/bkt":                       "error: write s3://bkt/two?endpoint=http://h:9000",
		"bkt/two?endpoint=h/bkt/":                                  "error: write s3://bkt/two?endpoint=https://h",
		"two/?endpoint=http://h:9000/bkt/":                         "error: an endpoint is a server",
		"bkt/two?endpoint=http://bkt.localhost:9000":               "error: write endpoint=http://localhost:9000",
		"bkt/two?endpoint=http://BKT.localhost:9000":               "error: write endpoint=http://localhost:9000",
		"minio/two?endpoint=https://minio.example.com":             "error: force-path-style=true",
		"minio/two?endpoint=http://minio:9000":                     "minio/two?endpoint=http://minio:9000",
		"bkt/two?endpoint=https://bkt.nyc3.digitaloceanspaces.com": "bkt/two?endpoint=https://nyc3.digitaloceanspaces.com",
		"bkt/two?endpoint=https://oth.nyc3.digitaloceanspaces.com": "error: is that of bucket oth, and the bucket is bkt",
		"bkt.nyc3.digitaloceanspaces.com/two":                      "bkt/two?endpoint=https://nyc3.digitaloceanspaces.com",
		"bkt/two?endpoint=https://bkt.s3.eu-west-1.amazonaws.com":  "bkt/two?endpoint=https://s3.eu-west-1.amazonaws.com",
		"bkt/two?endpoint=https://p.supabase.co/storage/v1/s3":     "bkt/two?endpoint=https://p.supabase.co/storage/v1/s3",
		"bkt/two?endpoint=https://p.supabase.co/storage/v1/s3/bkt": "error: endpoint=https://p.supabase.co/storage/v1/s3",
		"/two":                         "error: no bucket",
		"arn:aws:s3:::bkt/two":         "error: write bkt",
		"bkt/two?part-size=1&region=r": "error: part size 1",

		"minio/two?endpoint=https://minio.example.com&forcePathStyle=1": "minio/two?endpoint=https://minio.example.com",
	} {
		in = "s3://" + in
		u, err := url.Parse(strings.Replace(in, "arn:aws:s3:::", "", 1))
		if err != nil {
			t.Fatal(err)
		}
		host := u.Host
		if strings.Contains(in, "arn:") {
			host = "arn:aws:s3:::" + host
		}
		c, err := ConfigFromURL(host, u.Path, u.Query(), u.User)
		if wantErr, ok := strings.CutPrefix(want, "error: "); ok {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("%s: got error %v, want %q", in, err, wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		c, _, err = c.normalize()
		if err != nil || c.String() != "s3://"+want {
			t.Errorf("%s: got %s, %v, want %s", in, c, err, want)
		}
	}
}

// TestFieldsOfOnePlace: the fields of clients and leasers are held to the same.
func TestFieldsOfOnePlace(t *testing.T) {
	l := NewLeaser()
	l.Bucket, l.Path, l.Endpoint = "bkt", "two", "http://h:9000/bkt"
	if _, err := l.AcquireLease(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "write s3://bkt/two?endpoint=http://h:9000") {
		t.Errorf("leaser: got error %v", err)
	}
	c := NewReplicaClient()
	c.Bucket, c.Path, c.Endpoint = "bkt", "two", "http://bkt.h:9000"
	if _, _, err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "write endpoint=http://h:9000") {
		t.Errorf("client: got error %v", err)
	}
	c.Path, c.Endpoint = "/two//three/", "http://h:9000"
	s, err := Open(t.Context(), c.Config)
	if err != nil || s.prefix != "two/three/" {
		t.Errorf("path: got %v, %v", s, err)
	}
}

// TestAccessPoints: an access point is addressed by its host, with dots in its name
// or without, and its region is in it.
func TestAccessPoints(t *testing.T) {
	for _, c := range [][2]string{
		{
			"arn:aws:s3:us-west-2:123456789012:accesspoint/ap",
			"ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com",
		},
		{
			"arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
			"mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com",
		},
		{
			"arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01/accesspoint/a",
			"a-123456789012.op-01.s3-outposts.us-west-2.amazonaws.com",
		},
	} {
		arn, want := c[0], c[1]
		put, _ := wire(t, Config{Bucket: arn})
		if put.host != want || put.path != "/k" {
			t.Errorf("%s: got %s%s, want %s/k", arn, put.host, put.path, want)
		}
	}
	if _, err := Open(t.Context(), Config{Bucket: "arn:aws:s3:r:1:accesspoint/a", ForcePathStyle: true}); err == nil {
		t.Error("an access point by path: no error")
	}
}

// TestEndpointOfProfile: one that only the SDK knows is held to the same.
func TestEndpointOfProfile(t *testing.T) {
	open := func(endpoint string) (*Store, error) {
		name := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(name, []byte("[default]\nendpoint_url = "+endpoint+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CONFIG_FILE", name)
		return Open(t.Context(), Config{Bucket: "bkt", Path: "two"})
	}
	if _, err := open("http://h:9000/bkt"); err == nil ||
		!strings.Contains(err.Error(), "write s3://bkt/two?endpoint=http://h:9000") {
		t.Errorf("with a path: got error %v", err)
	}
	s, err := open("http://h:9000")
	if err != nil {
		t.Fatal(err)
	}
	if o := s.c.API.Options(); *o.BaseEndpoint != "http://h:9000" || !o.UsePathStyle || o.Region != DefaultRegion {
		t.Errorf("got %s, path style %t, region %s", *o.BaseEndpoint, o.UsePathStyle, o.Region)
	}
}
