#!/usr/bin/env bash
# A real MySQL or MariaDB without Docker and without touching the host: Debian's server packages, unpacked with their
# own libc into the cache folder. Linux only; needs no root.
#
#   mysql.sh path                      make a server available; print "FLAVOR PROGRAM VERSION"
#   mysql.sh init DATADIR              create a data directory (users root/root and cdc/cdc); print as above
#   mysql.sh run DIR PORT [option…]    init DIR/data where it is missing, run in the foreground on 127.0.0.1:PORT
#   mysql.sh start DIR PORT [option…]  the same in the background; returns when the server is ready
#   mysql.sh stop DIR                  shut that server down
#
# FLAVOR is mysql or mariadb. PROGRAM takes server options, and never reads an option file of the host.
# The server is the one named by CDC2LAKE_MYSQLD (a program); else one that is fetched from Debian once; else a
# mysqld, else a mariadbd on PATH. Debian unstable rolls, so the version is whatever it had at the first use:
# remove the folder "mysql" in the cache to fetch a newer one.
# CDC2LAKE_FLAVOR=mariadb asks for MariaDB 10.11 of Debian 12: CDC2LAKE_MARIADBD, else fetched, else a mariadbd on PATH.
set -euo pipefail

CACHE=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/cdc2lake
case ${CDC2LAKE_FLAVOR:-mysql} in
  mysql) WANT=mysql NAME=MySQL SUITE=sid PACKAGES="mysql-server-core mysql-client-core" GIVEN=CDC2LAKE_MYSQLD ONPATH="mysqld mariadbd" ;;
  mariadb) WANT=mariadb NAME=MariaDB SUITE=bookworm PACKAGES="mariadb-server-core mariadb-client-core" GIVEN=CDC2LAKE_MARIADBD ONPATH=mariadbd ;;
  *) echo "mysql: CDC2LAKE_FLAVOR is mysql or mariadb" >&2; exit 2 ;;
esac
PREFIX=$CACHE/$WANT

say() { echo "$WANT: $*" >&2; }
die() { say "$*"; exit 1; }

# --- fetch ---------------------------------------------------------------------------------------------

# Mirrors in the order to try: the host's own, then Debian's. Plain http will do, since apt checks signatures: a
# machine may have no ca-certificates.
mirrors() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -v '^[[:space:]]*#' | grep -oE 'https?://[^] ]+/debian/?([[:space:]]|$)' | tr -d '[:blank:]' | head -n 1 || true
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || echo https://deb.debian.org/debian
  echo http://deb.debian.org/debian
}

# Options that give apt a state of its own under $1, so that no lock, list or package of the host is involved. A
# mirror that lags is good enough for a test server; signatures are checked all the same.
apt_options() {
  local w=$1
  mkdir -p "$w"/lists/partial "$w"/cache/archives/partial
  : >"$w/status"
  APT=(-q -o Dir::State="$w" -o Dir::State::Lists="$w/lists" -o Dir::State::status="$w/status" -o Dir::Cache="$w/cache"
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User= -o Debug::NoLocking=1
    -o APT::Keep-Downloaded-Packages=true -o DPkg::Post-Invoke= -o APT::Update::Post-Invoke= -o APT::Update::Error-Mode=any)
}

# Print a keyring with Debian's archive keys. Ubuntu has it as a package, signed by keys the host trusts.
keyring() {
  local w=$1 k=/usr/share/keyrings/debian-archive-keyring
  for f in "$k.gpg" "$k.pgp"; do [ -r "$f" ] && { echo "$f"; return; }; done
  apt_options "$w/keyring"
  (
    cd "$w/keyring" || exit 1
    apt-get -q download debian-archive-keyring ||
      { apt-get "${APT[@]}" update && apt-get "${APT[@]}" download debian-archive-keyring; }
  ) >>"$w/log" 2>&1 || return 1
  dpkg-deb -x "$w"/keyring/debian-archive-keyring_*.deb "$w/keyring" >>"$w/log" 2>&1 || return 1
  for f in "$w$k.gpg" "$w/keyring$k.gpg" "$w/keyring$k.pgp"; do [ -r "$f" ] && { echo "$f"; return; }; done
  return 1
}

# Unpack the server and its libraries into $1/root.
unpack() {
  local w=$1/apt root=$1/root arch key mirror packages
  mkdir -p "$w" "$root"
  arch=$(dpkg --print-architecture)
  key=$(keyring "$w") ||
    { echo "no keyring of Debian's archive: install the package debian-archive-keyring" >>"$w/log"; return 1; }
  for mirror in $(mirrors | awk '!seen[$0]++'); do
    say "fetching $NAME from $mirror ($SUITE; up to 55 MB, once)"
    rm -rf "$w/state"
    apt_options "$w/state"
    echo "deb [arch=$arch signed-by=$key] $mirror $SUITE main" >"$w/sources.list"
    APT+=(-o APT::Architecture="$arch" -o APT::Architectures="$arch"
      -o Dir::Etc::SourceList="$w/sources.list" -o Dir::Etc::SourceParts=/dev/null
      -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null)
    apt-get "${APT[@]}" update >>"$w/log" 2>&1 || continue
    # Everything the two packages need, less what only their Perl scripts and the C library's extras use.
    # shellcheck disable=SC2086 # one word a package
    packages=$(apt-get "${APT[@]}" -s --no-install-recommends install $PACKAGES 2>>"$w/log" |
      awk '$1=="Inst"{print $2}' |
      grep -Ev '^(perl|libperl|libgdbm|libdb5|gcc-|libc-gconv|libbz2|openssl-provider)') || continue
    # shellcheck disable=SC2086 # one word a package
    (cd "$w/state/cache/archives" && apt-get "${APT[@]}" download $packages) >>"$w/log" 2>&1 || continue
    for deb in "$w"/state/cache/archives/*.deb; do dpkg-deb -x "$deb" "$root" >>"$w/log" 2>&1 || return 1; done
    # MariaDB's plugin for encrypted logs is in a package of which nothing else is wanted.
    [ $WANT != mariadb ] || (
      mkdir "$w/state/plugin" && cd "$w/state/plugin" && apt-get "${APT[@]}" download mariadb-server &&
        dpkg-deb --fsys-tarfile ./*.deb | tar -x -C "$root" ./usr/lib/mysql/plugin/file_key_management.so
    ) >>"$w/log" 2>&1 || continue
    rm -rf "$w/state" "$root"/usr/share/{doc,man,locale,lintian}
    return 0
  done
  return 1
}

# wrapper FILE COMMAND…: a program that runs COMMAND with its own arguments after it.
wrapper() {
  local file=$1
  shift
  { echo '#!/bin/sh'; printf 'exec'; printf ' %q' "$@"; echo ' "$@"'; } >"$file"
  chmod +x "$file"
}

as_root=()
[ "$(id -u)" != 0 ] || as_root=(--user=root) # the server refuses root unless told that it is meant

# install_fetched TMP: fetch into TMP, then move it to PREFIX; a fetch that stops half-way leaves no PREFIX.
install_fetched() {
  local tmp=$1 lib ld p options
  for p in apt-get dpkg dpkg-deb; do command -v "$p" >/dev/null || return 1; done
  unpack "$tmp" || { tail -n 3 "$tmp/apt/log" >&2 || true; return 1; }
  lib=$(cd "$tmp/root" && echo usr/lib/*-linux-gnu*)
  [ ! -d "$tmp/root/${lib#usr/}" ] || lib+=" ${lib#usr/}" # before Debian 13 the C library is there
  # shellcheck disable=SC2086 # one word a folder
  ld=$(cd "$tmp/root" && find $lib -maxdepth 1 -name 'ld-linux*' | head -n 1)
  [ -n "$ld" ] || { say "the unpacked packages hold no dynamic loader"; return 1; }
  mkdir "$tmp/bin"
  lib=$PREFIX/root/${lib// /:$PREFIX/root/}
  local run=("$PREFIX/root/$ld" --library-path "$lib")
  options=(--no-defaults "--basedir=$PREFIX/root/usr" "--lc-messages-dir=$PREFIX/root/usr/share/mysql"
    "--character-sets-dir=$PREFIX/root/usr/share/mysql/charsets" "--plugin-dir=$PREFIX/root/usr/lib/mysql/plugin")
  if [ $WANT = mysql ]; then
    options+=(--mysqlx=OFF)
  else
    options+=(--character-set-server=utf8mb4)
  fi
  p=$PREFIX/root/usr/sbin/mysqld
  [ -e "$tmp/root/usr/sbin/mysqld" ] || p=$PREFIX/root/usr/sbin/mariadbd
  wrapper "$tmp/bin/mysqld" "${run[@]}" "$p" "${options[@]}"
  for p in mysql mysqladmin mysqldump mysqlbinlog; do
    [ ! -e "$tmp/root/usr/bin/$p" ] || wrapper "$tmp/bin/$p" "${run[@]}" "$PREFIX/root/usr/bin/$p" --no-defaults
  done
  finish "$tmp" $WANT
}

# install_local TMP PROGRAM: the same wrappers around a server of the host.
install_local() {
  local tmp=$1 program=$2 flavor p c
  flavor=$(flavor_of "$program")
  mkdir -p "$tmp/bin"
  if [ "$flavor" = mariadb ]; then
    wrapper "$tmp/bin/mysqld" "$program" --no-defaults --character-set-server=utf8mb4
  elif [ -e /etc/apparmor.d/usr.sbin.mysqld ] && [ -x /lib64/ld-linux-x86-64.so.2 ]; then
    # Ubuntu's profile is attached by path and allows no data directory outside /var/lib/mysql
    wrapper "$tmp/bin/mysqld" /lib64/ld-linux-x86-64.so.2 "$program" --no-defaults --mysqlx=OFF
  else
    wrapper "$tmp/bin/mysqld" "$program" --no-defaults --mysqlx=OFF
  fi
  for p in mysql mysqladmin mysqldump mysqlbinlog; do
    c=$(command -v "$p" || command -v "${p/mysql/mariadb-}") || continue
    wrapper "$tmp/bin/$p" "$c" --no-defaults
  done
  finish "$tmp" "$flavor"
}

# finish TMP FLAVOR: name the folder and prove that the server runs. The wrappers hold PREFIX, so the proof can
# only follow the move; the file "complete" is what makes the folder count.
finish() {
  local tmp=$1 flavor=$2 version
  rm -rf "$PREFIX"
  mv "$tmp" "$PREFIX"
  version=$("$PREFIX/bin/mysqld" --version 2>"$PREFIX/version.err") ||
    { cat "$PREFIX/version.err" >&2; say "$PREFIX/bin/mysqld does not run"; return 1; }
  version=$(sed -E 's/.*Ver ([^ ]+).*/\1/' <<<"$version")
  echo "$flavor $PREFIX/bin/mysqld $version" >"$PREFIX/complete.tmp"
  mv "$PREFIX/complete.tmp" "$PREFIX/complete"
  say "$flavor $version is in $PREFIX"
}

flavor_of() { case $("$1" --version 2>/dev/null) in *MariaDB*) echo mariadb ;; *) echo mysql ;; esac; }

# ensure: leave a usable server at PREFIX. The lock makes a second first use wait for the first.
ensure() {
  local program=${!GIVEN:-} p
  if [ -n "$program" ]; then
    [ -x "$program" ] || die "$GIVEN=$program is not a program"
    PREFIX=$CACHE/$WANT-$(cksum <<<"$program" | cut -d' ' -f1)
  fi
  [ ! -s "$PREFIX/complete" ] || return 0
  mkdir -p "$CACHE"
  command -v flock >/dev/null || die "flock is missing: install util-linux"
  exec 9>"$CACHE/$WANT.lock"
  flock -n 9 || { say "waiting for another process that is making $NAME available"; flock 9; }
  local tmp=$CACHE/$WANT.partial
  rm -rf "$tmp"
  mkdir "$tmp"
  if [ -s "$PREFIX/complete" ]; then
    :
  elif [ -n "$program" ]; then
    install_local "$tmp" "$program"
  elif [ -n "$(find "$CACHE/$WANT-path/complete" -mmin -600 2>/dev/null)" ]; then
    PREFIX=$CACHE/$WANT-path # the fetch failed a short while ago: do not make every run wait for it again
  elif ! install_fetched "$tmp"; then
    for p in $ONPATH; do [ -n "$program" ] || program=$(PATH=$PATH:/usr/sbin:/usr/local/sbin && command -v "$p") || true; done
    [ -n "$program" ] ||
      die "no $NAME: the fetch from Debian failed (see above), and there is none on PATH (looked for: $ONPATH).
  Give one: apt-get install debian-archive-keyring (and a way to deb.debian.org), or mysql-server, or
  mariadb-server-core; or name a program in $GIVEN; or a running MySQL's administrator in
  CDC2LAKE_MYSQL_DSN=user:password@tcp(host:port)/"
    say "could not fetch $NAME (see above); using $program"
    rm -rf "$tmp"
    mkdir "$tmp"
    PREFIX=$CACHE/$WANT-path
    install_local "$tmp" "$program"
  fi
  rm -rf "$tmp"
  exec 9>&-
}

# --- data directories ----------------------------------------------------------------------------------

# The cdc user has what docs/configuration.md names and nothing more, so that tests notice a new requirement.
init_sql() {
  cat <<'SQL'
CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY 'root';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
CREATE USER 'cdc'@'127.0.0.1' IDENTIFIED BY 'cdc';
GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT, TRIGGER, SHOW VIEW ON *.* TO 'cdc'@'127.0.0.1';
SQL
}

# What has to be the same when data are made and ever after: lower_case_table_names.
for_good=()

# make_data FLAVOR PROGRAM DATADIR: initialise, 2 to 10 seconds.
make_data() {
  local flavor=$1 program=$2 data=$3 work
  work=$(mktemp -d "${TMPDIR:-/tmp}/cdc2lake-init.XXXXXX")
  if [ "$flavor" = mysql ]; then
    init_sql >"$work/init.sql"
    "$program" "${as_root[@]}" --datadir="$data" --initialize-insecure --init-file="$work/init.sql" --skip-log-bin "${for_good[@]}" \
      --innodb-redo-log-capacity=8M --innodb-buffer-pool-size=32M --performance-schema=OFF \
      --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF --log-error="$work/log" >&2 ||
      { cat "$work/log" >&2; rm -rf "$work"; return 1; }
  else
    # What mariadb-install-db does, which finds only a server in its own place.
    local sql f
    for sql in "$(dirname "$program")/../root/usr/share/mysql" /usr/share/mysql /usr/share/mariadb; do
      [ ! -e "$sql/mysql_system_tables.sql" ] || break
    done
    {
      printf "%s;\n" "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket = NULL"
      for f in mysql_system_tables mysql_performance_tables mysql_system_tables_data maria_add_gis_sp_bootstrap mysql_sys_schema; do
        cat "$sql/$f.sql" || echo "no such file;"
      done
      # The tables' data has a root of its own at 127.0.0.1.
      echo "FLUSH PRIVILEGES;"
      init_sql | sed 's/^CREATE USER/CREATE OR REPLACE USER/'
    } >"$work/init.sql"
    mkdir -p "$data"
    "$program" "${as_root[@]}" --datadir="$data" --bootstrap --tmpdir="$work" --innodb-buffer-pool-size=32M --innodb-log-file-size=8M \
      --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF <"$work/init.sql" >"$work/log" 2>&1 ||
      { cat "$work/log" >&2; rm -rf "$work"; return 1; }
  fi
  rm -rf "$work"
}

# init DATADIR: a copy of a data directory that is made once per server version.
init() {
  local data=$1 flavor program version template
  ensure
  read -r flavor program version <"$PREFIX/complete"
  template=$CACHE/mysql-data-$flavor-$version-$({ init_sql; declare -f make_data; echo "${for_good[*]}"; } | cksum | cut -d' ' -f1)
  if [ ! -d "$template" ]; then
    exec 9>"$CACHE/mysql.lock"
    flock 9
    if [ ! -d "$template" ]; then
      say "initialising a data directory for $flavor $version (once)"
      rm -rf "$template.partial"
      make_data "$flavor" "$program" "$template.partial"
      rm -f "$template.partial/auto.cnf" # the server's uuid: every copy must make its own
      mv "$template.partial" "$template"
    fi
    exec 9>&-
  fi
  mkdir -p "$(dirname "$data")"
  rm -rf "$data.partial"
  cp -r --reflink=auto --sparse=auto "$template" "$data.partial"
  mv "$data.partial" "$data"
}

# A keyring, which encrypted logs need, is configured in files beside the program and its plugins. Here they say that a data directory
# may have such files of its own (mysqld.my, component_keyring_file.cnf).
allow_keyring() {
  local plugins=$PREFIX/root/usr/lib/mysql/plugin sbin=$PREFIX/root/usr/sbin
  [ -e "$plugins/component_keyring_file.so" ] && [ ! -e "$sbin/mysqld.my" ] || return 0
  echo '{"read_local_config": true}' >"$plugins/component_keyring_file.cnf.$$"
  mv -f "$plugins/component_keyring_file.cnf.$$" "$plugins/component_keyring_file.cnf"
  echo '{"read_local_manifest": true}' >"$sbin/mysqld.my.$$"
  chmod 444 "$sbin/mysqld.my.$$"
  mv -f "$sbin/mysqld.my.$$" "$sbin/mysqld.my"
}

# run DIR PORT [option…]: small, quick to start, careless of power cuts, and with all that replication wants.
run() {
  local dir=$1 port=$2 flavor program version socket
  shift 2
  mkdir -p "$dir/tmp"
  dir=$(cd "$dir" && pwd)
  ensure
  read -r flavor program version <"$PREFIX/complete"
  local option
  for option in "$@"; do
    case ${option//-/_} in __lower_case_table_names=*) for_good+=("$option") ;; esac
  done
  [ -d "$dir/data" ] || init "$dir/data"
  allow_keyring
  socket=$dir/mysqld.sock
  [ ${#socket} -lt 104 ] || socket=/tmp/cdc2lake-mysql-$port.sock # the system allows 107 characters
  local options=(--log-bin=binlog --binlog-row-image=FULL --binlog-row-metadata=FULL --sync-binlog=0
    --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=64M --max-connections=200 --skip-name-resolve
    --secure-file-priv= --local-infile=1)
  if [ "$flavor" = mysql ]; then
    options+=(--gtid-mode=ON --enforce-gtid-consistency=ON --performance-schema=OFF
      --innodb-redo-log-capacity=64M --innodb-doublewrite=OFF)
  else
    options+=(--binlog-format=ROW --innodb-doublewrite=OFF --innodb-log-file-size=32M --gtid-strict-mode=ON)
  fi
  # A tmpdir of its own: MariaDB removes the temporary tables that it finds there at its start, also those of another server, which crashes.
  exec "$program" "${as_root[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --bind-address=127.0.0.1 --port="$port" --socket="$socket" \
    --pid-file="$dir/mysqld.pid" --server-id="$port" "${options[@]}" "$@"
}

start() {
  local dir=$1 port=$2 pid i
  ensure
  mkdir -p "$dir"
  nohup "$0" run "$@" >"$dir/mysqld.log" 2>&1 </dev/null &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    kill -0 $pid 2>/dev/null || { tail -n 20 "$dir/mysqld.log" >&2; die "the server stopped; its log is $dir/mysqld.log"; }
    if grep -qs "Version: .* port: $port" "$dir/mysqld.log"; then
      echo "process $pid, root:root@tcp(127.0.0.1:$port)/"
      return
    fi
    sleep 0.1
  done
  kill $pid
  die "the server was not ready within a minute; its log is $dir/mysqld.log"
}

stop() {
  local pid
  pid=$(cat "$1/mysqld.pid" 2>/dev/null) || die "no server runs in $1"
  kill "$pid"
  tail --pid="$pid" -f /dev/null
}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }

case "${1:-}:$#" in
  path:1) ensure; cat "$PREFIX/complete" ;;
  init:2) init "$2"; cat "$PREFIX/complete" ;;
  run:[3-9] | run:[1-9][0-9]) shift; run "$@" ;;
  start:[3-9] | start:[1-9][0-9]) shift; start "$@" ;;
  stop:2) stop "$2" ;;
  *) usage ;;
esac
