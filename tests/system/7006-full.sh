#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A disk that fills up at any stage of an import: one line, the store as before, and the
# import works once there is room.
. "$(dirname "$0")/../lib/tap.sh"
need root python3 mkfs.ext4

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/big" v1
truncate -s 64M "$T/disk"
mkfs.ext4 -q -m 0 -F "$T/disk"
mkdir "$T/mnt"
mount -o loop "$T/disk" "$T/mnt" 2>"$T/err" || skip_all "needs loop devices"
LAYERCACHE_STORE=$T/mnt/store
lc import "oci:$T/img" >/dev/null
lc list >"$T/list.before"
state() { find "$T/mnt/store" -type f ! -path '*/catalog/*' ! -name journal.cut -printf '%P %s\n' | sort; }
state >"$T/state.before"

# Leaves KIB of room, less and less of it.
room() {
    rm -f "$T/mnt/ballast"
    local free
    free=$(df --output=avail -k "$T/mnt" | tail -1)
    [ "$free" -le "$1" ] || fallocate -l $((free - $1))K "$T/mnt/ballast" 2>/dev/null
}
full=0
for kib in 0 4 8 16 32 64 128 256 512 1024 2048 4096 8192; do
    room "$kib"
    lc import "oci:$T/big" >"$T/o" 2>"$T/e"
    r=$?
    [ "$r" = 0 ] && break
    full=$((full + 1))
    [ "$r" = 1 ] && [ "$(wc -l <"$T/e")" = 1 ] && grep -qi 'no space' "$T/e" && [ ! -s "$T/o" ]
    tap_report $? "one line with $kib KiB of room"
    state | diff "$T/state.before" - >"$T/out" 2>&1 && lc list | diff "$T/list.before" - >>"$T/out" 2>&1
    tap_report $? 'the store is as before'
    ok 'and right' lc verify
done
is 'it was full at some time' "$((full > 5))" 1
rm -f "$T/mnt/ballast"
ok 'with room it works' lc import "oci:$T/big"
ok 'verify' lc verify
done_testing
