#!/usr/bin/env bash
# Tests against the real Litestream binaries. LITESTREAM_05 and LITESTREAM_03 may
# name those of v0.5.18 and v0.3.13; what they do not name is installed from
# source for the occasion. Needs Go, a C compiler (v0.3.13 uses cgo) and sqlite3.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v sqlite3 >/dev/null || { echo "interop: the sqlite3 shell is needed" >&2; exit 1; }
tools=$(mktemp -d)
trap 'rm -rf "$tools" || true' EXIT

# install VERSION: prints the path of the binary.
install() {
  echo "interop: installing litestream $1" >&2
  for attempt in 1 2 3; do # the module proxy may be out of reach for a moment
    (cd "$tools" && GOBIN=$tools/$1 GOFLAGS=-mod=mod go install "github.com/benbjohnson/litestream/cmd/litestream@$1") && break
    [ "$attempt" -lt 3 ] || exit 1
    sleep 5
  done
  echo "$tools/$1/litestream"
}

LITESTREAM_05=${LITESTREAM_05:-$(install v0.5.18)}
LITESTREAM_03=${LITESTREAM_03:-$(install v0.3.13)}
export LITESTREAM_05 LITESTREAM_03

# With servers at hand (internal/s3servers/run), buckets are tested as well.
tags=realtools
if [ -n "${REPLICATE_S3_SERVERS:-}" ]; then tags=realtools,realservers; fi
go vet -tags "$tags" ./internal/interop/
go test -tags "$tags" -count=1 -timeout 30m "$@" ./internal/interop/
