#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stores that earlier versions have written are read as they were: frozen in tests/golden, with
# everything that could be seen of them then. A version that writes another format keeps these
# and adds its own (tests/lib/make-golden.sh).
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 zstd
. "$lib/golden.sh"

n=0
for golden in "$here"/tests/golden/store-v*/; do
    name=$(basename "$golden")
    [ -s "$golden/store.tar.zst" ] || continue
    n=$((n + 1))
    rm -rf "$T/store"
    ok "$name is unpacked" sh -c "zstd -dcq '$golden/store.tar.zst' | tar -C '$T' -xpf -"
    ok "$name: the independent reader finds it whole" python3 "$lib/reader.py" "$T/store" check
    ok "$name: verify" lc verify
    ok "$name: mount" mount_store
    golden_expect "$T/mnt" >"$T/now" 2>"$T/err"
    ok "$name: everything is as it was" diff "$golden/expected" "$T/now"
    ok "$name: unmount" unmount_store

    before=$(stat -c %s "$T/store/journal")
    python3 "$lib/mkimage.py" big "$T/img" v1
    ok "$name: an image can be added" lc import "oci:$T/img:v1"
    cmp -n "$before" "$T/store/journal" <(zstd -dcq "$golden/store.tar.zst" | tar -xO store/journal)
    tap_report $? "$name: nothing that was there is written anew"
    ok "$name: verify with the new image" lc verify
    lc remove localhost/img:v1 >/dev/null 2>&1
    lc list | sed 's/^/name /' >"$T/names"
    ok "$name: its names are what they were" sh -c "grep '^name ' '$golden/expected' | diff - '$T/names'"
done
is 'there is a frozen store' "$([ $n -gt 0 ] && echo yes)" yes
done_testing
