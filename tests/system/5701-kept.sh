#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# show tells what keeps something from gc, each reason for itself; gc does as show said.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 jq zstd

python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img:v1" app:1 >/dev/null
manifest=$(lc show app:1 --json | jq -r .manifest)
chain=$(lc show app:1 --json | jq -r .chain)
base=$(lc show app:1 --json | jq -r '[.steps[].layer | values][0]')
kept() { lc show "$1" --keep-days "${2:-0}" --json | jq -r '.kept[] | "\(.by) \(.what)"'; }

# ---- names and grace ----

for x in "image:$manifest" "chain:$chain" "layer:$base" "chain:$base"; do
    is "a name keeps ${x%%:*}" "$(kept "$x")" 'name docker.io/library/app:1'
done
is 'it is a line of its own' "$(lc show app:1 --keep-days 0 | grep ^kept)" \
    'kept name docker.io/library/app:1'
lc tag app:1 app:2
is 'so does another' "$(kept "image:$manifest" | sort | paste -sd,)" \
    'name docker.io/library/app:1,name docker.io/library/app:2'
lc remove app:1
is 'one less' "$(kept "image:$manifest")" 'name docker.io/library/app:2'
lc remove app:2
is 'nothing keeps it without grace' "$(lc show "chain:$chain" --keep-days 0 | grep ^kept)" \
    'kept nothing: the next gc takes it'
ok 'the time of grace keeps the chain' grep -qx "grace $chain" <(kept "chain:$chain" 1)
ok 'and the chain below because of the one above' grep -qx "grace $chain" <(kept "chain:$base" 1)
is 'and the image with its chain' "$(kept "image:$manifest" 1)" "chain $chain"
is 'grace is told with a time' \
    "$(lc show "chain:$chain" | grep -cE '^kept grace sha256:[0-9a-f]{64} 20[0-9-]+T[0-9:]+Z$' |
        sed 's/^[1-9][0-9]*$/some/')" some
ok 'gc with grace' lc gc
ok 'takes nothing of it' lc show "image:$manifest"

# ---- keys ----

mkdir "$T/step"
echo step >"$T/step/file"
lc import "oci:$T/img:v1" app:3 >/dev/null
lc snapshot "$T/step" --parent app:3 --key k --scope t >/dev/null
lc remove app:3
key=$(lc lookup --json --scope t k | jq -r .key)
result=$(lc show "key:$key" --json | jq -r .chain)
is 'a key keeps its result' "$(kept "chain:$result")" "key $key"
is 'and what that is built on' "$(kept "chain:$base")" "key $key"
is 'and itself' "$(kept "key:$key")" "key $key"
ok 'gc' lc gc --keep-days 0
ok 'keeps the result' lc show "chain:$result"

# ---- mounts ----

mkdir "$T/m" "$T/o"
lc import "oci:$T/img:v1" app:4 >/dev/null
lc mount "$T/m"
if lc overlay app:4 "$T/o" >/dev/null 2>&1; then
    lc remove app:4
    kept "chain:$chain" >"$T/kept"
    ok 'an overlay has a lease' grep -qx "lease $T/o" "$T/kept"
    ok 'gc with the overlay' lc gc --keep-days 0
    lc unmount "$T/o"
    is 'without it no lease' "$(kept "chain:$chain" | grep -cE '^(lease|mount)')" 0
else
    lc remove app:4
    echo '# no overlay here'
fi
lc unmount "$T/m"

# ---- open trees ----

lc import "oci:$T/img:v1" app:6 >/dev/null
lc snapshot "$T/step" --parent app:6 --name app:7 >/dev/null
upper=$(lc show app:7 --json | jq -r .chain)
lc mount "$T/m"
ls "$T/m/chains/sha256/${upper#sha256:}" >/dev/null
lc unmount "$T/m"
lc remove app:6 app:7
is 'a tree nobody reads keeps nothing more' "$(kept "chain:$upper" | grep -c ^open)" 0
exec 9<"$(find "$T/store/trees" -type f -size +0 -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)"
for d in $(lc list chains | awk '{print $1}') $(lc list layers | awk '{print $1}'); do
    kept "$d"
done | grep -c '^open' >"$T/opened"
is 'one that is open is a reason' "$(($(cat "$T/opened") > 0))" 1
exec 9<&-
is 'and none any more' "$(for d in $(lc list chains | awk '{print $1}'); do
    kept "chain:$d"
done | grep -c '^open')" 0

# ---- build caches ----

mkdir "$T/fixtures"
for a in "$here"/tests/fixtures/*.tar.zst; do zstd -dcq "$a" | tar -x -C "$T/fixtures"; done
ok 'a build cache' lc cache import "oci:$T/fixtures/cache-local-max"
held=$(lc cache show localhost/cache-local-max --json | jq -r '[.records[].result.chain // empty][0]')
ok 'keeps its chains' grep -qx 'cache localhost/cache-local-max:latest' <(kept "chain:$held")
cachekey=$(lc list cache | awk '{print $1}' | grep -vx "$key" | head -1)
is 'and its keys stay' "$(kept "key:$cachekey")" "key $cachekey"
lc remove localhost/cache-local-max
is 'without its name its keys do not' "$(kept "key:$cachekey")" ''
ok 'gc' lc gc --keep-days 0
fails 3 'takes the key' lc show "key:$cachekey"
fails 3 'and the chain' lc show "chain:$held"

# ---- all that is left ----

# What show calls kept by nothing is exactly what gc takes.
lc import "oci:$T/img:v1" app:5 >/dev/null
mkdir "$T/other"
echo other >"$T/other/file"
lc snapshot "$T/other" --name gone:1 >/dev/null
lc remove gone:1
for k in chain layer; do
    lc list "${k}s" | awk '{print $1}' | while read -r d; do
        lc show "$k:$d" --keep-days 0 | grep -q '^kept nothing' && echo "$k $d"
    done
done | sort >"$T/said"
lc gc --keep-days 0 | grep -E '^(chain|layer) ' | sort >"$T/went"
is 'something goes' "$(wc -l <"$T/said")" 2
ok 'show and gc agree' cmp "$T/said" "$T/went"
ok 'verify' lc verify
done_testing
