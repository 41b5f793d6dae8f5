// Package s3servers hands tests real S3 servers, which the command run in the
// directory below starts for them:
//
//	go run ./internal/s3servers/run                # go test -tags realservers ./...
//	go run ./internal/s3servers/run COMMAND ARG... # with the servers at hand
//
// Tests that need them have the build tag realservers; in a build with the tag,
// no servers are a failure. The command's environment has
//
//   - REPLICATE_S3_SERVERS, the servers as "name=endpoint", with spaces between,
//   - REPLICATE_S3_DIR, where each server has its data in a directory of its name,
//   - AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which are right for all,
//   - AWS_CA_BUNDLE, for those that speak TLS.
package s3servers

// Env names the variable that lists the servers, EnvDir the one with the directory of their data.
const (
	Env    = "REPLICATE_S3_SERVERS"
	EnvDir = "REPLICATE_S3_DIR"
)
