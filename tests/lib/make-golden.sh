#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make-golden.sh NAME: freezes a small store as tests/golden/NAME, for 7004-golden.sh: a store
# that some version has written stays readable for ever. Run once per format version, as root,
# and never again: an existing one is not overwritten.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${BIN:-$here/build/release}
out=$here/tests/golden/${1:?usage: make-golden.sh NAME}
[ ! -e "$out" ] || {
    echo "$out exists: a frozen store is never made again" >&2
    exit 1
}
T=$(mktemp -d)
trap 'umount -l "$T/mnt" 2>/dev/null; rm -rf "$T"' EXIT
export LAYERCACHE_STORE=$T/store
lc() { "$BIN/layercache" "$@"; }

# Several commits: names that come, move and go; a second pack of bytes; known content.
python3 "$here/tests/lib/mkimage.py" small "$T/img" v1
lc import "oci:$T/img:v1" app:v1 >/dev/null
lc tag app:v1 other.example/team/app:x
lc tag app:v1 gone:v1
lc remove gone:v1
mkdir "$T/dir"
printf 'snapshot\n' >"$T/dir/file"
touch -d @1700000000 "$T/dir/file" "$T/dir"
lc snapshot "$T/dir" --name snap:v1 >/dev/null
mkdir "$T/mnt"
lc mount "$T/mnt" # journals the SHA-256 of the trees
mkdir -p "$out"
. "$here/tests/lib/golden.sh"
golden_expect "$T/mnt" >"$out/expected"
lc unmount "$T/mnt"
lc verify >&2

# Only the truth: all else is derived and depends on the machine.
tar -C "$T" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 \
    -cf - store/version store/lock store/journal store/packs | zstd -19 -q -o "$out/store.tar.zst"
size=$(stat -c %s "$out/store.tar.zst")
echo "$out: $size bytes"
[ "$size" -lt 102400 ] || echo "warning: above 100 KiB" >&2
