#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [PART...]: all benchmarks (import checkout size open read snapshot export serve registry
# blobs partial network cache scale repack), or some; `make bench`. Installs the peers, makes the
# corpora unless CORPORA has them, writes build/bench/results.md: a table for the README. Numbers
# are of this machine and this run; only the ratios mean something.
#   ROUNDS=5     how often each pair is measured
#   CORPORA=DIR  output of tests/corpora/generate.sh
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
export BIN=${BIN:-$here/build/release} OUT=${OUT:-$here/build/bench} CORPORA=${CORPORA:-$here/build/corpora}
export ROUNDS=${ROUNDS:-5}
if [ "$(id -u)" != 0 ] || [ ! -c /dev/fuse ]; then
    echo 'make bench needs root and /dev/fuse' >&2
    exit 1
fi
peers='skopeo podman buildah umoci docker-registry borgbackup restic casync squashfs-tools squashfuse erofs-utils isal pigz zstd'
# shellcheck disable=SC2086
"$here/tests/lib/install.sh" $peers jq openssl tar gzip fuse3 e2fsprogs || exit 1
for t in debian python-app node-app toolchain; do
    [ -e "$CORPORA/$t/.complete" ] || {
        "$here/tests/lib/install.sh" buildah skopeo debootstrap jq npm python3 zstd &&
            "$here/tests/corpora/generate.sh" "$CORPORA" "$t"
    } || exit 1
done
mkdir -p "$OUT"
[ $# -gt 0 ] || set -- import checkout size open read snapshot export serve registry blobs partial network \
    cache scale repack
for part in "$@"; do
    echo "== $part" >&2
    "$here/tests/bench/$part.sh" || echo "$part ended early" >&2
done

version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//'; }
{
    . /etc/os-release
    echo "$(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), kernel" \
        "$(uname -r | cut -d- -f1), $NAME $VERSION_ID, $(date -u +%F); medians of $ROUNDS interleaved rounds."
    echo "Peers: skopeo $(version skopeo), podman $(version podman), umoci $(version umoci), borg $(version borgbackup)," \
        "casync $(version casync), squashfs-tools $(version squashfs-tools)," \
        "squashfuse $(version squashfuse), erofs-utils $(version erofs-utils), isa-l $(version isal)."
    echo
    echo '| what: against | layercache | the other | ratio | goal | |'
    echo '|---|---|---|---|---|---|'
    for part in "$@"; do
        cat "$OUT/rows/$part.md" 2>/dev/null
    done
} >"$OUT/results.md"
cat "$OUT/results.md"
