#!/usr/bin/env bash
# Makes testdata/v0.5: an LTX replica written by Litestream v0.5.18 itself.
# LITESTREAM_05 may name the binary; otherwise it is installed for the occasion.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=v0.5.18
binary=${LITESTREAM_05:-}
page_size=4096
. "$here/lib.sh"
tool

# configure SNAPSHOT-INTERVAL L0-RETENTION: the usual settings are for days; these
# make every level appear within half a minute.
configure() {
  cat >"$config" <<END
levels:
  - interval: 2s
  - interval: 8s
snapshot: {interval: $1, retention: 24h}
l0-retention: $2
l0-retention-check-interval: 1s
dbs:
  - path: $db
    monitor-interval: 50ms
    checkpoint-interval: 5s
    min-checkpoint-page-count: 60
    replica: {type: file, path: $replica, sync-interval: 100ms}
END
}

files() { find "$replica/ltx/$1" -name '*.ltx' | wc -l; }

wait_for_level() {
  local before
  before=$(files "$1")
  for _ in $(seq 1 600); do
    if [ "$(files "$1")" -gt "$before" ]; then return; fi
    sleep 0.05
  done
  echo "make: no new file at level $1" >&2
  exit 1
}

# 1. Files of level 0 are dropped soon after they were compacted.
configure 5s 2s
open_db
insert 60
start
load 8
instant
load 10
instant
wait_for_level 2

# 2. A restart, writes while nobody looks, the database grows and then shrinks.
#    From here on level 0 stays.
stop
insert 20
configure 5s 1h
start
insert 90
load 4
instant
delete 2 1
sql VACUUM
instant
load 3
wait_for_level 9

# 3. The tail: transactions that no snapshot has.
stop
configure 1h 1h
start
load 3
wait_for_level 1
instant
load 3
instant
insert 1
wait_for_level 1
load 2
stop
final=$(dump_sha "$db")
close_db

url=file://$replica
for level in 0 1 2 9; do
  [ "$(files $level)" -ge 2 ] || { echo "make: level $level has $(files $level) files" >&2; exit 1; }
done

last() { find "$replica/ltx/$1" -name '*.ltx' -printf '%f\n' | cut -c18-33 | sort | tail -1; }
tail=$((16#$(last 0) - 16#$(last 1)))
[ "$tail" -ge 3 ] || { echo "make: only $tail transactions are at level 0 alone" >&2; exit 1; }

restore "$url"
[ "$(dump_sha "$restored")" = "$final" ] || { echo "make: the restored database is not the original" >&2; exit 1; }

levels_json() {
  local dir sep=""
  for dir in "$replica"/ltx/*; do
    printf '%s\n      {"level": %s, "files": %s, "bytes": %s}' "$sep" "${dir##*/}" "$(files "${dir##*/}")" \
      "$(find "$dir" -name '*.ltx' -printf '%s\n' | awk '{n += $1} END {print n}')"
    sep=,
  done
}

latest=$(state_json "$restored")
then=$(instants_json "$url")
levels=$(levels_json)
max_txid=$(last 0)

publish v0.5 <<END
{
  "tool": "litestream",
  "version": "$version",
  "sqlite": "$(sqlite_version)",
  "page_size": $page_size,
  $latest,
  "instants": [$then
  ],
  "ltx": {
    "max_txid": "$max_txid",
    "levels": [$levels
    ]
  }
}
END
