#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gc and keys: they keep their results, until those that nobody uses are let go.
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq

python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img:v1" base:1 >/dev/null
for k in old young named; do
    mkdir "$T/$k"
    head -c 3000000 /dev/urandom >"$T/$k/data"
    lc snapshot "$T/$k" --parent base:1 --key "$k" --scope t >/dev/null
done
lc snapshot "$T/named" --parent base:1 --name result:1 >/dev/null
packs() { du -sk --apparent-size "$T/store/packs" | cut -f1; }
has() { lc lookup --scope t "$1" >/dev/null 2>&1; }
full=$(packs)
ok 'gc without grace' lc gc --keep-days 0
is 'takes no key' "$(lc list cache | wc -l)" 3
is 'and nothing of what they keep' "$(packs)" "$full"
fails 2 'no number of days' lc gc --keep-keys 0

# Uses are remembered to the hour; keys that were never looked up count from when they came.
ok 'a key is looked up' lc lookup --scope t old
ok 'so is another' lc lookup --scope t young
is 'both are noted' "$(find "$T/store/used" -type f | wc -l)" 2
age() { # key days: as if all of it had been so long ago
    local k
    k=$(lc lookup --json --scope t "$1" | jq -r '.key | ltrimstr("sha256:")')
    touch -d "-$2 days" "$T/store/used/$k"
}
age old 40
age young 2
lc gc --keep-keys 30 --keep-days 0 >"$T/gone"
is 'a key was given lately: that counts as a use' "$(grep -c '^key' "$T/gone")" 0

# As much as there is room for: those used last.
export LAYERCACHE_STORE=$T/room
lc import "oci:$T/img:v1" base:1 >/dev/null
for k in a b c d; do
    mkdir "$T/$k"
    head -c 3000000 /dev/urandom >"$T/$k/data"
    lc snapshot "$T/$k" --parent base:1 --key "$k" --scope t >/dev/null
    sleep 1.1
done
packs() { du -sk --apparent-size "$T/room/packs" | cut -f1; }
before=$(packs)
ok 'a store that may have two results less' lc gc --keep-days 0 --max-size "$((before - 5000))K"
fails 3 'the oldest went' lc lookup --scope t a
fails 3 'and the next' lc lookup --scope t b
ok 'the third is there' has c
ok 'and the last' has d
[ "$(packs)" -le $((before - 5000)) ]
tap_report $? "it is small enough ($before KiB before, $(packs) after)"
ok 'verify' lc verify
done_testing
