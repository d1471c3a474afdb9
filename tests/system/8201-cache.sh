#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Build caches that BuildKit wrote: taken whole, shown as a tree, kept by gc, and hostile ones
# refused with nothing left.
. "$(dirname "$0")/../lib/tap.sh"
need zstd jq python3

f=$T/fixtures
mkdir "$f"
for a in "$here"/tests/fixtures/*.tar.zst; do
    zstd -dcq "$a" | tar -x -C "$f"
done
max=$f/cache-local-max

# ---- without a store ----

shows() { lc cache show "$@" >"$T/shown" && cat "$T/shown"; }
ok 'a cache is shown where it lies' shows "oci:$max"
is 'with all its records' "$(grep -cE '^ *(root|step) ' "$T/shown")" 7
is 'and what each has' "$(grep -E '^(records|results|without_result|layers) ' "$T/shown" | paste -sd' ')" \
    'records 10 results 6 without_result 0 layers 7'
is 'a base image is known by its layers' "$(grep -c 'a base image$' "$T/shown")" 2
fails 3 'a cache that is not there is not found' lc cache show "oci:$max:nosuch"
ok 'none of this made a store' test ! -e "$LAYERCACHE_STORE"

# ---- import ----

for d in cache-local-max cache-local-max-imagemanifest cache-buildkit-local-index-max \
    cache-buildkit-local-manifest-zstd; do
    ok "$d is taken" lc cache import "oci:$f/$d"
    is "and printed as an import is" "$(awk '{print NF, $1, $3}' "$T/out")" "3 localhost/$d:latest -"
    ok "$d: import does the same" lc import "oci:$f/$d"
done
for v in v1 v2; do
    ok "an image with an inline cache, $v" lc cache import "dir:$f/inline-docker20.10-$v-dir" "app:$v"
done
fails_saying 1 'no inline build cache' 'an image without one is no build cache' \
    lc cache import "oci:$f/buildkit-inline-image"
is 'and nothing of it is left' "$(lc list | grep -c inline-image)" 0
ok 'verify' lc verify

records() { lc cache show "$1" --json | jq -c '.records|map(select(.result)|.result.here)|unique'; }
is 'every result is here' "$(records localhost/cache-local-max)" '[true]'
is 'its chains are in the store' "$(lc cache show localhost/cache-local-max --json |
    jq -r '.records[].result.chain // empty' | sort >"$T/want"
    lc list chains | awk '{print $1}' | sort | comm -13 - "$T/want" | wc -l)" 0
shows app:v2
is 'a decayed inline cache lacks results' "$(grep -E '^(results|without_result) ' "$T/shown" | paste -sd' ')" \
    'results 1 without_result 4'
shows app:v1
is 'history tells what steps were' "$(grep -E '^ *step' "$T/shown" | awk '{$1=$2=$3=$4=$5=$6=$7=""; print $0}' | sed 's/^ *//' | paste -sd'|')" \
    'RUN /bin/mk /system-packages # buildkit|WORKDIR /usr/src/app|COPY requirements.txt ./ # buildkit|RUN /bin/mk /installed # buildkit|COPY src/ ./src/ # buildkit'
is 'keys do not depend on the form of a cache' \
    "$(lc cache show localhost/cache-buildkit-local-index-max --json | jq -c '[.records[].keys]')" \
    "$(lc cache show localhost/cache-buildkit-local-manifest-zstd --json | jq -c '[.records[].keys]')"

# ---- gc ----

state() { { lc list chains; lc list layers; } | awk '{print $1}' | sort; }
state >"$T/before"
ok 'gc keeps what a named cache needs' sh -c "'$BIN/layercache' gc --keep-days 0"
is 'all of it' "$(state | diff "$T/before" -)" ''
ok 'a cache is removed by name' lc remove localhost/cache-buildkit-local-index-max \
    localhost/cache-buildkit-local-manifest-zstd
ok 'gc again' lc gc --keep-days 0
is 'its chains go with its last name' "$(lc list chains | grep -c cc9ca4aa9f20)" 0
is 'the others stay' "$(records localhost/cache-local-max)" '[true]'
ok 'verify after gc' lc verify

# ---- hostile ones ----

"$lib/mkcache.py" hostile "$T/hostile" || exit 1
lc list >"$T/names"
objects() { lc stats --json | jq .objects; }
n=$(objects)
while read -r case pattern; do
    fails_saying 1 "$pattern" "hostile: $case" lc cache import "oci:$T/hostile/$case"
done <"$T/hostile/cases"
is 'nothing of these is in the store' "$(lc list | diff "$T/names" -) $(objects)" " $n"
ok 'a big but honest one is taken' lc cache import "oci:$T/hostile/big"
is 'all its results' "$(lc cache show localhost/big | grep ^results)" 'results 2000'
done_testing
