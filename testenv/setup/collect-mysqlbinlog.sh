#!/usr/bin/env bash
# Runs in a container of Debian unstable: gathers in /added a mysqlbinlog that works on any Linux of
# the same architecture, since it comes with its libraries and their loader.
set -euo pipefail

apt-get update
apt-get install -y --no-install-recommends mysql-server-core

mkdir -p /added/opt/mysqlbinlog /added/usr/local/bin
mapfile -t libraries < <(ldd /usr/bin/mysqlbinlog | grep -o '/[^ ]*')
cp -L /usr/bin/mysqlbinlog "${libraries[@]}" /added/opt/mysqlbinlog
loader=$(basename /added/opt/mysqlbinlog/ld-*)
cat >/added/usr/local/bin/mysqlbinlog <<END
#!/bin/sh
exec /opt/mysqlbinlog/$loader --library-path /opt/mysqlbinlog /opt/mysqlbinlog/mysqlbinlog "\$@"
END
chmod 755 /added/usr/local/bin/mysqlbinlog
