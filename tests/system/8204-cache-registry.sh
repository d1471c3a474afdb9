#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Build caches through a registry: written, read by another store, joined, and sent only once.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/registry.sh"
need zstd jq docker-registry python3

f=$T/fixtures
mkdir "$f" "$T/reg"
zstd -dcq "$here/tests/fixtures/buildkit.tar.zst" | tar -x -C "$f"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
registry_start "$port"
R=localhost:$port
other() { lc --store "$T/other" "$@"; }
results() { "$1" cache show "$2" --json | jq -c '[.records[]|[.digest,.result.chain]]|sort'; }

ok 'a cache' lc cache import -q "oci:$f/cache-docker26-max" d26
ok 'goes to a registry' lc cache export d26 "$R/cache:d26" --to registry
cp "$T/out" "$T/first"
ok 'is shown from there' lc cache show "docker://$R/cache:d26"
ok 'another store takes it' other cache import "docker://$R/cache:d26"
is 'with all its results' "$(results other "$R/cache:d26")" "$(results lc d26)"
rm -rf "$T/blobs" && cp -a "$T/reg/docker/registry/v2/blobs" "$T/blobs"
ok 'it is written again' lc cache export d26 "$R/cache:d26" --to registry
is 'nothing changes' "$(diff "$T/first" "$T/out")" ''
is 'nothing is stored' "$(diff -rq "$T/blobs" "$T/reg/docker/registry/v2/blobs")" ''
sent() { # command...: how many blobs it sends, and how many come from another repository
    local before
    before=$(wc -l <"$T/reg.log")
    "$@" >"$T/out" 2>"$T/err" || return 1
    sleep 0.2
    tail -n "+$((before + 1))" "$T/reg.log" | awk '/"PUT [^"]*\/uploads\/[^"]*" 201/ {n++} /"POST [^"]*mount=[^"]*" 201/ {m++} END {print n + 0, m + 0}'
}
read -r blobs mounts < <(sent other cache export "$R/cache:d26" "$R/mounted:d26" --to registry)
is 'in another repository only the config is new' "$blobs" 1
[ "$mounts" -gt 10 ]
tap_report $? "its $mounts layers are taken from the first"
is 'as plain tars all are sent' \
    "$(sent lc cache export d26 "$R/plain:d26" --to registry --compression none)" "$((mounts + 1)) 0"
is 'and never again' "$(sent lc cache export d26 "$R/plain:other" --to registry --compression none)" '0 0'
other cache import -q "docker://$R/plain:d26" >/dev/null
is 'nor by who has them from there' "$(sent other cache export "$R/plain:d26" "$R/plain:third" --to registry)" '0 0'
ok 'an image with an inline cache' lc cache import -q "dir:$f/inline-docker20.10-v2-dir" app:v2
ok 'is completed' lc cache complete app:v2
ok 'and pushed' lc export -q app:v2 "docker://$R/app:v2"
ok 'the other store takes it' other cache import "docker://$R/app:v2"
is 'with all its results' "$(results other "$R/app:v2")" "$(results lc app:v2)"
ok 'both in one' other cache merge "$R/cache:d26" "$R/app:v2" --name "$R/cache:all"
ok 'and back' other cache export "$R/cache:all" "docker://$R/cache:all"
is 'complete' "$(lc cache show "docker://$R/cache:all" | grep '^results')" 'results 24'
fails 3 'what is not there is not found' lc cache import "docker://$R/cache:nosuch"
ok 'verify' other verify
done_testing
