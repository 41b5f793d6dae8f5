#!/usr/bin/env bash
# Makes testdata/v0.3: a backup written by Litestream v0.3.13 itself, with two
# generations. LITESTREAM_03 may name the binary; otherwise it is installed for
# the occasion.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=v0.3.13
binary=${LITESTREAM_03:-}
page_size=1024
. "$here/lib.sh"
tool

# configure SNAPSHOT-INTERVAL
configure() {
  cat >"$config" <<END
dbs:
  - path: $db
    monitor-interval: 50ms
    checkpoint-interval: 1h
    min-checkpoint-page-count: 40
    replicas:
      - {type: file, path: $replica, sync-interval: 100ms, snapshot-interval: $1, retention: 24h}
END
}

# 1. The first generation, with a restart that does not end it.
configure 5s
open_db
insert 60
start
load 6
instant
load 6
instant
stop
start
load 6
instant
load 1
stop

# 2. While Litestream is down the WAL is emptied behind its back. It cannot know
#    what it missed, and begins a second generation.
insert 30
sql "PRAGMA wal_checkpoint(TRUNCATE);"
insert 1
start
load 6
instant
delete 2 1
sql VACUUM
load 6
instant

# 3. The tail: several WAL files that come after the last snapshot.
stop
configure 1h
start
load 10
instant
load 2
stop
final=$(dump_sha "$db")
close_db

url=file://$replica
count() { find "$replica/generations/$1/$2" -name '*.lz4' | wc -l; }
indexes() { find "$replica/generations/$1/wal" -name '*.lz4' -printf '%f\n' | cut -d_ -f1 | sort -u | wc -l; }
generations=$(ls "$replica/generations")

[ "$(wc -w <<<"$generations")" -eq 2 ] || { echo "make: want two generations, got $generations" >&2; exit 1; }
for g in $generations; do
  [ "$(count "$g" snapshots)" -ge 2 ] && [ "$(indexes "$g")" -ge 3 ] || { echo "make: generation $g is too small" >&2; exit 1; }
done

# The times, before anything copies the files. See the package documentation of
# v3compat.
for g in $generations; do
  (
    cd "$replica/generations/$g"
    printf '{\n  "version": 1,\n  "times": {'
    sep=""
    for f in $(find snapshots wal -name '*.lz4' | LC_ALL=C sort); do
      printf '%s\n    "%s": "%s"' "$sep" "$f" "$(date -u -r "$f" +%Y-%m-%dT%H:%M:%S.%NZ)"
      sep=,
    done
    printf '\n  }\n}\n'
  ) >"$work/times.json"
  mv "$work/times.json" "$replica/generations/$g/times.json"
done

generations_json() {
  local g sep=""
  for g in $generations; do
    restore -generation "$g" "$url"
    printf '%s\n    {"generation": "%s", "snapshots": %s, "wal_segments": %s, "wal_indexes": %s,\n     %s}' "$sep" "$g" \
      "$(count "$g" snapshots)" "$(count "$g" wal)" "$(indexes "$g")" "$(state_json "$restored")"
    sep=,
  done
}

restore "$url"
[ "$(dump_sha "$restored")" = "$final" ] || { echo "make: the restored database is not the original" >&2; exit 1; }

latest=$(state_json "$restored")
then=$(instants_json "$url")
lineages=$(generations_json)

publish v0.3 <<END
{
  "tool": "litestream",
  "version": "$version",
  "sqlite": "$(sqlite_version)",
  "page_size": $page_size,
  $latest,
  "instants": [$then
  ],
  "generations": [$lineages
  ]
}
END
