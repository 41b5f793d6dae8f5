// Package interop tests this project against the real Litestream binaries, in
// fresh replicas and in those of testdata. The tests have the build tag
// realtools, and find v0.5.18 and v0.3.13 by the environment variables
// LITESTREAM_05 and LITESTREAM_03; under the tag a missing tool is a failure, not
// a skip. They need the sqlite3 shell as well.
//
//	.ci/interop.sh
//
// installs the two and runs them. The tests with buckets have the build tag
// realservers as well, and
//
//	go run ./internal/s3servers/run bash .ci/interop.sh
//
// runs all: on MinIO and versitygw, which it starts, after installing them unless
// MINIO and VERSITYGW name the binaries.
package interop
