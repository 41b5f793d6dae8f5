#!/usr/bin/env bash
# Makes everything in this directory anew; see README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/make-v0.5.sh"
"$here/make-v0.3.sh"
cd "$here/.."
go test ./internal/damage -run TestCommittedVariantsAreCurrent -update
