# Functions shared by make-v0.5.sh and make-v0.3.sh. Sourced, not run.
#
# The caller sets: here (this directory), version, binary (a path or ""), page_size.

for tool in sqlite3 sha256sum date find awk; do
  command -v "$tool" >/dev/null || { echo "make: $tool is needed (GNU versions of the usual tools)" >&2; exit 1; }
done

shopt -s inherit_errexit
work=$(mktemp -d)
db=$work/app.db
config=$work/litestream.yml
replica=$work/replica
instants=()
states=()
daemon=""

cleanup() {
  status=$?
  if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null || true; wait "$daemon" || true; fi
  if [ -n "${SQL_PID:-}" ]; then kill "$SQL_PID" 2>/dev/null || true; fi
  if [ "$status" -ne 0 ]; then cat "$work"/*.log >&2 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

# tool: leave the litestream of $version in $binary.
tool() {
  if [ -z "$binary" ]; then
    echo "installing litestream $version"
    (cd "$work" && GOBIN=$work/bin GOFLAGS=-mod=mod go install "github.com/benbjohnson/litestream/cmd/litestream@$version")
    binary=$work/bin/litestream
  fi
  # A binary from "go install" may not know its version; its build record does.
  { "$binary" version; go version -m "$binary" 2>/dev/null || true; } >"$work/version"
  grep -qE "(^|[[:space:]])$version([[:space:]]|\$)" "$work/version" ||
    { echo "make: $binary is not litestream $version" >&2; exit 1; }
}

start() {
  "$binary" replicate -config "$config" >>"$work/litestream.log" 2>&1 &
  daemon=$!
}

stop() {
  kill -TERM "$daemon"
  wait "$daemon" || true
  daemon=""
}

# One connection stays open throughout, as an application's would, so that the
# end of a statement never checkpoints and removes the WAL behind Litestream.
open_db() {
  coproc SQL { exec sqlite3 -batch "$db" 2>&1; }
  sql "PRAGMA page_size = $page_size; PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 10000;"
  sql "CREATE TABLE note (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL);
       CREATE TABLE tag (note INTEGER NOT NULL REFERENCES note, name TEXT NOT NULL, PRIMARY KEY (note, name));
       CREATE INDEX note_title ON note (title);"
}

close_db() {
  echo .quit >&"${SQL[1]}"
  wait "$SQL_PID" || true
}

# sql: run statements on the open connection and wait for them.
sql() {
  local line
  printf '%s;\nSELECT %s;\n' "$1" "'--done--'" >&"${SQL[1]}"
  while IFS= read -r line <&"${SQL[0]}"; do
    case $line in
      --done--) return ;;
      *[Ee]rror*) echo "sqlite3: $line" >&2; exit 1 ;;
    esac
  done
}

# insert N: N rows, each with a tag, in one transaction. The text is dull on
# purpose, for it should compress, but no two rows are the same.
insert() {
  sql "BEGIN;
    CREATE TEMP TABLE IF NOT EXISTS base (n INTEGER); DELETE FROM base;
    INSERT INTO base SELECT coalesce(max(id), 0) FROM note;
    WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < $1)
      INSERT INTO note SELECT n + i, printf('note %05d', n + i),
        printf('%d ', (n + i) * 7919) || substr('the quick brown fox jumps over the lazy dog, again and again, until ' || 'the evening comes and the dog has had enough of it all, and barks. ', 1, 40 + (n + i) * 31 % 90)
      FROM k, base;
    WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < $1)
      INSERT INTO tag SELECT n + i, printf('tag %d', (n + i) % 5) FROM k, base;
    COMMIT;"
}

update() { sql "UPDATE note SET body = body || ' (edited)' WHERE id % $1 = $2;"; }

delete() { sql "BEGIN; DELETE FROM tag WHERE note % $1 = $2; DELETE FROM note WHERE id % $1 = $2; COMMIT;"; }

# load N: N small transactions of all three kinds, far enough apart that most of
# them are replicated one by one.
load() {
  local i
  for i in $(seq 1 "$1"); do
    insert 4
    sleep 0.2
    update 61 $((i % 61))
    sleep 0.2
    if [ $((i % 3)) -eq 0 ]; then delete 53 $((i % 53)); fi
  done
}

# instant: a moment with nothing written for a second on either side, and what
# the database was then. Write something after it: Litestream restores no instant
# that lies beyond its last object.
instant() {
  sleep 1.2
  instants+=("$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)")
  states+=("$(dump_sha "$db")")
  sleep 1.2
}

sqlite_version() { sqlite3 --version | cut -d' ' -f1; }
dump_sha() { sqlite3 -readonly "$1" .dump | sha256sum | cut -d' ' -f1; }
file_sha() { sha256sum <"$1" | cut -d' ' -f1; }

rows_json() {
  sqlite3 -readonly "$1" "SELECT json_object('note', (SELECT count(*) FROM note), 'tag', (SELECT count(*) FROM tag))"
}

# state_json FILE: what is known of a restored database.
state_json() {
  local sha
  sha=$(file_sha "$1") # before SQLite opens it
  [ "$(sqlite3 -readonly "$1" 'PRAGMA integrity_check')" = ok ] || return 1
  printf '"rows": %s, "dump_sha256": "%s", "db_sha256": "%s"' "$(rows_json "$1")" "$(dump_sha "$1")" "$sha"
}

# restore ARGS...: restore to a new file; its name is in $restored. The same
# restore twice must give the same bytes, or its checksum is worth nothing.
restore() {
  restored=$(mktemp -u "$work/restored-XXXXXX.db")
  local out
  for out in "$restored" "$restored.again"; do
    "$binary" restore -o "$out" "$@" >>"$work/restore.log" 2>&1
  done
  cmp "$restored" "$restored.again"
}

# instants_json ARGS...: each recorded instant as "restore -timestamp" sees it;
# exact says whether that is what the database really was.
instants_json() {
  local i state sep="" exact
  for i in "${!instants[@]}"; do
    restore -timestamp "${instants[$i]}" "$@"
    state=$(state_json "$restored")
    exact=false
    case $state in *"${states[$i]}"*) exact=true ;; esac
    printf '%s\n    {"at": "%s", "exact": %s, %s}' "$sep" "${instants[$i]}" "$exact" "$state"
    sep=,
  done
}

# publish: put the new replica, its checksums and expected.json (on stdin) in
# place of the old.
publish() {
  local to=$here/$1
  cat >"$work/expected.json"
  sqlite3 :memory: "SELECT json(readfile('$work/expected.json'))" >/dev/null
  rm -rf "$to"
  mkdir -p "$to"
  cp -a "$replica" "$to/replica"
  cp "$work/expected.json" "$to/expected.json"
  (cd "$to" && find replica -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum >SHA256SUMS)
  chmod -R u+rwX,go+rX,go-w "$to"
  echo "testdata/$1: $(find "$to/replica" -type f | wc -l) files, $(du -sb "$to/replica" | cut -f1) bytes"
}
