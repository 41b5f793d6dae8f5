package place

import "testing"

func TestMatchHost(t *testing.T) {
	type match struct{ provider, bucket, host, region string }
	for host, want := range map[string]match{
		"s3.eu-west-1.amazonaws.com":           {Amazon, "", "s3.eu-west-1.amazonaws.com", "eu-west-1"},
		"my.bucket.s3.eu-west-1.amazonaws.com": {Amazon, "my.bucket", "s3.eu-west-1.amazonaws.com", "eu-west-1"},
		"b.s3.amazonaws.com":                   {Amazon, "b", "s3.amazonaws.com", ""},
		"b.s3-us-west-2.amazonaws.com":         {Amazon, "b", "s3-us-west-2.amazonaws.com", "us-west-2"},
		"b.s3.cn-north-1.amazonaws.com.cn":     {Amazon, "b", "s3.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		"0a.r2.cloudflarestorage.com":          {"Cloudflare R2", "", "0a.r2.cloudflarestorage.com", ""},
		"b.0a.r2.cloudflarestorage.com":        {"Cloudflare R2", "b", "0a.r2.cloudflarestorage.com", ""},
		"b.0a.eu.r2.cloudflarestorage.com":     {"Cloudflare R2", "b", "0a.eu.r2.cloudflarestorage.com", ""},
		"fly.storage.tigris.dev":               {"Tigris", "", "fly.storage.tigris.dev", ""},
		"b.t3.storage.dev":                     {"Tigris", "b", "t3.storage.dev", ""},
		"b.storage.googleapis.com":             {"Google Cloud Storage", "b", "storage.googleapis.com", ""},
		"b.s3.us-west-004.backblazeb2.com":     {"Backblaze B2", "b", "s3.us-west-004.backblazeb2.com", "us-west-004"},
		"b.fsn1.your-objectstorage.com":        {"Hetzner", "b", "fsn1.your-objectstorage.com", "fsn1"},
		"nyc3.digitaloceanspaces.com":          {"DigitalOcean Spaces", "", "nyc3.digitaloceanspaces.com", "nyc3"},
		"ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com": {
			"Oracle OCI", "", "ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com", "eu-frankfurt-1",
		},
		"b.s3.fr-par.scw.cloud": {"Scaleway", "b", "s3.fr-par.scw.cloud", "fr-par"},
		"b.s3.filebase.com":     {"Filebase", "b", "s3.filebase.com", ""},
		"b.br-example-123456.storage.c-6.us-east-2.aws.neon.tech": {
			"Neon", "b", "br-example-123456.storage.c-6.us-east-2.aws.neon.tech", "us-east-2",
		},
		"minio.example.com":                      {},
		"amazonaws.com":                          {},
		"s3.eu-west-1.amazonaws.com.example.org": {},
		"evilbackblazeb2.com":                    {},
	} {
		m, ok := matchHost(host)
		if got := (match{m.provider.Name, m.bucket, m.host, m.region}); got != want || ok != (want != match{}) {
			t.Errorf("%s: got %+v, want %+v", host, got, want)
		}
	}
}
