#!/usr/bin/env bash
# The S3 server of the tests and the demo (see s3server/main.go), built once into the cache folder.
#
#   s3server.sh path          build it where it is missing; print the program's path
#   s3server.sh run OPTION…   build and run it in the foreground; Ctrl-D or Ctrl-C ends it
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/cdc2lake/s3server

die() { echo "s3server: $*" >&2; exit 1; }

# The name holds a hash of all that goes in, so an old program is never taken for a new one.
path() {
  command -v go >/dev/null || die "go is missing: install Go 1.26 or later from https://go.dev/dl"
  local sum program
  sum=$(cd "$HERE/s3server" && { cat go.mod go.sum ./*.go; GOWORK=off go env GOVERSION GOOS GOARCH; } | cksum | tr ' ' -)
  program=$CACHE/s3server-$sum
  if [ ! -x "$program" ]; then
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock 9
    if [ ! -x "$program" ]; then
      echo "s3server: building the local S3 server (versitygw; about a minute, once)" >&2
      # Flags of the caller's environment (-mod, -tags, -race) belong to another module.
      (cd "$HERE/s3server" && GOFLAGS='' GOWORK=off CGO_ENABLED=0 \
        go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$program.partial" .) >&2
      find "$CACHE" -name 's3server-*' -mtime +30 -delete
      mv "$program.partial" "$program"
    fi
    exec 9>&-
  fi
  echo "$program"
}

case "${1:-}" in
  path) path ;;
  run) shift; program=$(path); exec "$program" "$@" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
