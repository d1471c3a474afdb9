#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real artifacts of Docker, BuildKit, podman, skopeo and containerd import.
# tests/fixtures/README.md says how each was made.
. "$(dirname "$0")/../lib/tap.sh"
need zstd

f=$T/fixtures
mkdir "$f"
for a in "$here"/tests/fixtures/*.tar.zst; do
    zstd -dcq "$a" | tar -x -C "$f"
done
[ -n "$(ls "$f")" ]
tap_report $? 'there are fixtures'
ok 'a new store' lc init
for x in "$f"/*; do
    n=$(basename "$x")
    case $n in
    context-*) ;; # a build's
    *oci-archive*.tar) ok "$n" lc import "oci-archive:$x" ;;
    *.tar) ok "$n" lc import "docker-archive:$x" ;;
    *-dir) ok "$n" lc import "dir:$x" ;;
    *) ok "$n" lc import "oci:$x" ;;
    esac
done
ok 'verify' lc verify
done_testing
