#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same pulls over a slow line: 100 Mbit/s and 20 ms there and back, by a relay in front of
# docker-registry, since not every kernel can delay packets.
. "$(dirname "$0")/lib.sh"
host=127.0.0.1:5874
unset http_proxy https_proxy all_proxy
start_registry 5873 || exit 1
python3 "$here/tests/bench/relay.py" 5874 5873 100 20 &
relay=$!
sleep 0.5
push_forms 127.0.0.1:5873

forget() {
    umount "$W/containers/overlay" 2>/dev/null # a mount that containers-storage leaves
    rm -rf "$W/store" "$W/containers" "$W/containers.run"
    drop_caches
    find "$W/registry" -type f -exec cat {} + >/dev/null
}
# What is there before comes over the fast line.
with_gzip() { forget && lc pull -q 127.0.0.1:5873/gzip:v4; }
with_chunked() { forget && lc pull -q 127.0.0.1:5873/chunked:v4; }
with_podman() { forget && podman_pull 127.0.0.1:5873/gzip:v4; }
cold() { lc pull -q "$host/gzip:v4"; }
cold_podman() { podman_pull "$host/gzip:v4"; }
gzip_next() { lc pull -q "$host/gzip:v5"; }
chunked_next() { lc pull -q "$host/chunked:v5"; }
podman_next() { podman_pull "$host/gzip:v5"; }

line='100 Mbit/s, 20 ms'
candidate cold forget cold
candidate cold_podman forget cold_podman
candidate gzip with_gzip gzip_next
candidate chunked with_chunked chunked_next
candidate podman with_podman podman_next
measure $(((ROUNDS + 1) / 2)) cold cold_podman gzip chunked podman
goal "pull of python-app:v4, $line: \`podman pull\`" cold cold_podman '<=' 1.0
goal "pull of v5 where v4 is, gzip, $line: \`podman pull\`" gzip podman '<=' 1.0
faster "pull of v5 where v4 is, zstd:chunked, $line: \`podman pull\`" chunked podman 3
umount "$W/containers/overlay" 2>/dev/null
kill "$relay"
wait "$relay" 2>/dev/null
