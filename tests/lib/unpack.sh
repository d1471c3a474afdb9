#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# unpack.sh DIR PACKAGE...: unpacks Debian packages into DIR, without installing them: for
# servers, whose installation would enable services. The libraries that they need are
# installed. Quick when DIR has them already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
shift
[ ! -e "$dir/.complete" ] || exit 0
[ "$(id -u)" = 0 ] || {
    echo "cannot unpack, not root: $*" >&2
    exit 1
}
rm -rf "$dir"
mkdir -p "$dir"
[ -n "$(apt-cache depends "$1" 2>/dev/null)" ] || apt-get update >/dev/null 2>&1 || true
libs=$(apt-cache depends --no-recommends --no-suggests "$@" |
    awk '/^ *Depends:/ && $2 ~ /^lib/ {print $2}' | sort -u)
# shellcheck disable=SC2086
"$here/install.sh" $libs
echo "unpacking: $*" >&2
cd "$dir"
apt-get download "$@" >unpack.log 2>&1 || {
    tail -20 unpack.log >&2
    exit 1
}
for deb in *.deb; do
    dpkg-deb -x "$deb" .
    rm -f "$deb"
done
touch .complete
