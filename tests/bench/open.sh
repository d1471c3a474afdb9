#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How soon a large tree is there, and what the daemon keeps in memory.
. "$(dirname "$0")/lib.sh"
mkdir -p "$W/mnt"
cache=64 # MiB of decoded content, as bound by -o cache

lc import --quiet "oci:$CORPORA/node-app:v1" >/dev/null || exit 1
chain=$(lc list | awk '$1 ~ /node-app:v1$/ {print $3; exit}' | sed 's/^sha256://')
never_opened() {
    lc unmount "$W/mnt"
    rm -rf "$W/store/trees"/*
    drop_caches
    warm "$W/store"/packs/* "$W/store"/catalog/* "$BIN/layercache"
    lc mount "$W/mnt"
    ls "$W/mnt/chains/sha256"
}
opened_before() {
    never_opened
    ls "$W/mnt/chains/sha256/$chain"
    lc unmount "$W/mnt"
    lc mount "$W/mnt"
    ls "$W/mnt/chains/sha256"
}
list() { [ "$(ls "$W/mnt/chains/sha256/$chain" | wc -l)" -gt 5 ]; }
candidate never never_opened list
candidate before opened_before list
measure "$ROUNDS" never before
bound 'first ls of a 51,000-entry chain: never opened' "$(time_of never)" "$(seconds "$(time_of never)")" '<' 0.1 '100 ms'
bound 'first ls of it: opened before' "$(time_of before)" "$(seconds "$(time_of before)")" '<' 0.015 '15 ms'

say 'memory after walking every tree'
lc unmount "$W/mnt" >/dev/null
for t in debian python-app node-app toolchain; do
    lc import --quiet "oci:$CORPORA/$t" >/dev/null || exit 1
done
lc mount "$W/mnt" -o "cache=$cache"
for f in /proc/[0-9]*/exe; do
    pid=${f#/proc/}
    pid=${pid%/exe}
    [ "$(readlink "$f" 2>/dev/null)" = "$(readlink -f "$BIN/layercache")" ] &&
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$W/mnt" && daemon=$pid
done
anonymous() { awk '/^RssAnon:/ {print $2}' "/proc/${daemon:?}/status"; }
entries=$(find "$W/mnt/chains" "$W/mnt/layers" -printf x | wc -c)
after_walk=$(anonymous)
bound "daemon's anonymous memory after walking every tree ($entries entries)" "$after_walk" \
    "$((after_walk / 1024)) MiB" '<' $((64 * 1024)) '64 MiB and its caches'
tar -C "$W/mnt/chains/sha256/$chain" -cf - . | cat >/dev/null
cached=$(awk '/^layercache_frame_cache_bytes/ {print int($2 / 1024)}' "$W/mnt/stats")
after_read=$(($(anonymous) - cached))
bound "the same after reading every file of node-app:v1, less $((cached / 1024)) MiB of cache" "$after_read" \
    "$((after_read / 1024)) MiB" '<' $((64 * 1024)) '64 MiB'
