package fakes3

import (
	"os"
	"strings"
)

// Isolate removes from the environment what would lead a client in a test elsewhere
// than to the server it was given: settings and credentials of AWS and of Litestream,
// files with them in the user's home, the search for a role of this machine, proxies.
// It is for TestMain, since net/http reads the proxies once per process.
//
// Where package s3servers has set the environment, what it has set stays.
func Isolate() {
	servers := os.Getenv("REPLICATE_S3_SERVERS") != ""
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if leadsElsewhere(strings.ToUpper(name)) && (!servers || !ofRealServers[name]) {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		_ = os.Setenv(name, value)
	}
}

var ofRealServers = map[string]bool{"AWS_ACCESS_KEY_ID": true, "AWS_SECRET_ACCESS_KEY": true, "AWS_CA_BUNDLE": true}

func leadsElsewhere(name string) bool {
	return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "LITESTREAM_") ||
		strings.HasSuffix(name, "_PROXY") && name != "NO_PROXY"
}
