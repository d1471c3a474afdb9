#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Build caches completed, merged, pruned and exported: what comes out is a cache that says the
# same, and nothing is claimed that the layers do not prove.
. "$(dirname "$0")/../lib/tap.sh"
need zstd jq python3

f=$T/fixtures
mkdir "$f"
for a in "$here"/tests/fixtures/*.tar.zst; do
    zstd -dcq "$a" | tar -x -C "$f"
done
import() { lc cache import -q "$@" >/dev/null || exit 1; }
counts() { lc cache show "$1" | grep -E '^(records|results|without_result) ' | awk '{print $2}' | paste -sd' '; }
# Records by digest with the chains of their results; no order, no numbers.
results() { lc cache show "$1" --json | jq -c '[.records[]|[.digest,.result.chain]]|sort'; }
keys() { lc cache show "$1" --json | jq -c '[.records[].keys[]]|sort'; }
import "oci:$f/cache-local-max" max
import "oci:$f/cache-local-max-imagemanifest" other
import "oci:$f/cache-buildkit-local-index-max" index
import "dir:$f/inline-docker20.10-v1-dir" app:v1
import "dir:$f/inline-docker20.10-v2-dir" app:v2
import --keep-blobs "oci:$f/cache-local-max" kept

# ---- complete ----

is 'the second generation lacks results' "$(counts app:v2)" '9 1 4'
id=$(lc list | awk '$1 ~ /app:v2/ {print $2}')
ok 'it is completed' lc cache complete app:v2
cp "$T/out" "$T/first"
is 'every step has its result' "$(counts app:v2)" '9 5 0'
old_steps() { lc cache show "$1" --json | jq -c '[.records[]|select(.result and (.step|test("COPY src")|not))|[.digest,.result.chain]]|sort'; }
is 'those that the first generation has for the same steps' "$(old_steps app:v2)" "$(old_steps app:v1)"
is 'which are four' "$(old_steps app:v2 | jq length)" 4
is 'the image ID is another, the chain the same' "$(lc list | awk -v id="$id" '$1 ~ /app:v2/ {print ($2 != id), $3}')" \
    "1 $(awk '{print $3}' "$T/first")"
ok 'again there is nothing to do' lc cache complete app:v2
is 'and nothing changes' "$(diff "$T/first" "$T/out")" ''
ok 'the image is exported' lc export -q app:v2 "oci:$T/app"
ok 'and read again with its cache' lc cache import "oci:$T/app" again
is 'which is the same' "$(results again)" "$(results app:v2)"
ok 'under another name the old one stays' lc cache complete app:v1 --name app:v1c
fails 3 'an image without a cache cannot be completed' sh -c "
    '$BIN/layercache' import -q 'oci:$f/buildkit-inline-image' plain >/dev/null &&
    '$BIN/layercache' cache complete plain"

# ---- merge ----

ok 'caches are merged' lc cache merge max other index app:v2 --name all
is 'all results are in it' "$(results all | jq -c '[.[]|select(.[1])|.[0]]|unique|length')" \
    "$(for c in max other index app:v2; do results $c; done | jq -sc '[.[][]|select(.[1])|.[0]]|unique|length')"
ok 'merging again gives the same document' sh -c "
    [ \"\$('$BIN/layercache' cache merge all all --name all3 | cut -d' ' -f2)\" = \
      \"\$('$BIN/layercache' cache merge all --name all4 | cut -d' ' -f2)\" ]"
is 'of two results the newer stays' "$(lc cache show all --json |
    jq -r '.records[]|select(.digest|startswith("sha256:692d4f6f"))|.result.created')" 2026-11-24T11:29:18.839254352Z
fails 3 'a REF that is not there is not found' lc cache merge max nosuch --name bad
is 'and there is no such name' "$(lc list | grep -c bad)" 0

# ---- prune ----

ok 'a cache is pruned' lc cache prune all --max-bytes 2500 --name small
is 'it is small' "$(($(lc cache show small --json | jq '.records|length') < 24))" 1
lc cache show small --json | jq -e '[.records[]|select((.inputs|length)>0 and .result==null)]|length==0' >/dev/null
tap_report $? 'what is left has results'
fails_saying 1 'no result fits' 'nothing fits into too little' lc cache prune all --max-bytes 100 --name tiny
ok 'age prunes too' lc cache prune max --keep-days 0 --name old
is 'all of it, if all is old' "$(counts old)" '0 0 0'

# ---- export ----

ok 'a cache whose blobs were kept is exported' lc cache export kept "oci:$T/kept"
is 'as it came' "$(cd "$T/kept" && find blobs -type f | sort)" "$(cd "$f/cache-local-max" && find blobs -type f | sort)"
is 'its index too' "$(jq -c '.manifests[0].digest' "$T/kept/index.json")" "$(jq -c '.manifests[0].digest' "$f/cache-local-max/index.json")"
for form in manifest index; do
    for kind in none gzip zstd; do
        ok "export: $form, $kind" lc cache export max "$T/$form-$kind" --to local --form $form --compression $kind
        ok 'it is read again' lc cache import "oci:$T/$form-$kind" "back-$form-$kind"
        is 'with the same results' "$(results "back-$form-$kind")" "$(results max)"
        is 'and the same keys' "$(keys "back-$form-$kind")" "$(keys max)"
    done
done
is 'BuildKit finds it: its tag is latest' "$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$T/index-zstd/index.json")" latest
is 'every layer says its DiffID' "$(d=$(jq -r '.manifests[0].digest[7:]' "$T/manifest-gzip/index.json")
    jq '[.layers[]|select(.annotations["containerd.io/uncompressed"]|not)]|length' "$T/manifest-gzip/blobs/sha256/$d")" 0
ok 'an archive' lc cache export max "oci-archive:$T/max.tar"
ok 'is read' lc cache import "oci-archive:$T/max.tar" archived
is 'with the same results' "$(results archived)" "$(results max)"
fails 2 'docker-archive: takes none' lc cache export max "docker-archive:$T/no.tar"

# ---- inline ----

ok 'records go into an image' lc cache export app:v1 "dir:$T/inline" --to inline --cache app:v2
ok 'which is a cache, then' lc cache import "dir:$T/inline" inlined
is 'of the steps that both have' "$(lc cache show inlined | grep '^results')" 'results 4'
is 'nothing else changed' "$(jq -Sc 'del(."moby.buildkit.cache.v0")' "$T/inline/$(jq -r '.config.digest[7:]' "$T/inline/manifest.json")")" \
    "$(jq -Sc 'del(."moby.buildkit.cache.v0")' "$f/inline-docker20.10-v1-dir/$(jq -r '.config.digest[7:]' "$f/inline-docker20.10-v1-dir/manifest.json")")"
fails 3 'records of other layers do not fit' lc cache export app:v1 "dir:$T/none" --to inline --cache index
is 'and nothing is written' "$(ls -d "$T/none" 2>/dev/null)" ''

ok 'verify' lc verify
ok 'gc' lc gc --keep-days 0
ok 'verify after gc' lc verify
is 'the named caches are whole' "$(results max | jq -c 'map(select(.[1]))|length') $(lc cache show max --json | jq -c '[.records[].result.here]|unique')" '6 [null,true]'
done_testing
