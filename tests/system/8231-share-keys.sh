#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What one store ran and published is a hit in another: run, lookup, own keys; copied is none
# of its content.
# shellcheck disable=SC2016 # the step's shell expands it
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper busybox python3 jq

. "$lib/buildbase.sh"
make_base "$T/base"
at() { # store command...
    local s=$1
    shift
    LAYERCACHE_STORE=$T/$s lc "$@"
}
pub() { at a publish "$T/pub"; }
step() { at "$1" run "${@:2}" --parent base -- sh -c 'echo RAN; head -c 3000000 /dev/zero | tr "\0" x >/x'; }
ok 'a base image' at a snapshot -n base "$T/base"
ok 'a step is run' step a
read -r diff chain key <"$T/out"
is 'really' "$(cat "$T/err")" RAN
ok 'one on top of it' at a run --parent "key:$key" -- sh -c 'echo RAN; echo y >/y'
read -r _ chain2 key2 <"$T/out"
mkdir "$T/own"
echo own >"$T/own/file"
ok 'a key of ones own' at a snapshot "$T/own" --key mine --scope s
ok 'publish' pub

# ---- lookup ----

fails 3 'without the alternate nothing is found' at none lookup "$key"
ok 'and no store is made' test ! -e "$T/none"
fails 3 'nor a key that nobody has' at l --alternate "$T/pub" lookup "${key%????}0000"
ok 'lookup finds a published key' at l --alternate "$T/pub" lookup "$key2"
is 'and its chain' "$(cut -d' ' -f1 "$T/out")" "$chain2"
ok 'which is in the store now, and the alternate is known' at l lookup "$key2"
ok 'the next needs no option' at l lookup "$key"
ok 'a key of ones own as well' at l lookup --scope s mine
fails 3 'but not of another scope' at l lookup --scope t mine
is 'what the step was is known' "$(at l show "key:$key2" --json | jq -r .kind)" step
ok 'verify' at l verify
at a export "chain:$chain2" "tar:$T/a.tar" --flatten
ok 'its content can be had' at l export "chain:$chain2" "tar:$T/l.tar" --flatten
ok 'and is the same' cmp "$T/a.tar" "$T/l.tar"

# ---- by its beginning, and otherwise than by lookup ----

short=${key2#sha256:}
short=${short:0:10}
for i in 1 2 3; do ok "store $i" at "x$i" init; done
ok 'lookup by the beginning of a published key' at x1 --alternate "$T/pub" lookup "key:$short"
is 'gives its chain' "$(cut -d' ' -f1 "$T/out")" "$chain2"
ok 'which is here now' at x1 lookup "key:$short"
fails 3 'a beginning that nothing has' at x1 lookup "key:00000000000000"
ok 'show of a published key' at x2 --alternate "$T/pub" show "$key2"
is 'gives its chain' "$(grep -c "^chain $chain2" "$T/out")" 1
ok 'by its beginning' at x2 show "key:${key#sha256:}"
ok 'path as well' at x3 --alternate "$T/pub" path "key:$short"
is 'below cache/' "$(sed 's,.*/cache/,,' "$T/out")" "sha256/${key2#sha256:}"
is 'list cache has what was asked for' "$(at x3 list cache | cut -d' ' -f1)" "$key2"
ok 'verify' at x3 verify

# ---- a key that an alternate has, recorded ----

ok 'the same result under the same key' at x1 snapshot "$T/own" --key mine --scope s
echo changed >"$T/own/file"
fails 1 'another result' at x2 snapshot "$T/own" --key mine --scope s
is 'is refused' "$(grep -c 'an alternate has another result of the key' "$T/err")" 1
is 'and not recorded' "$(at x2 list cache | wc -l)" 2
ok 'with --replace it is taken' at x2 snapshot "$T/own" --key mine --scope s --replace
mine=$(cut -d' ' -f2 "$T/out")
ok 'lookup' at x2 lookup --scope s mine
is 'finds the own one first' "$(cut -d' ' -f1 "$T/out")" "$mine"
ok 'again without --replace' at x2 snapshot "$T/own" --key mine --scope s
ok 'another scope is another key' at x1 snapshot "$T/own" --key mine --scope u

# ---- run ----

ok 'the base in another store' at b import "share:$T/pub:base" base
ok 'a step there is a hit' step b --name got
is 'that prints the same and runs nothing' "$(cat "$T/out" "$T/err")" "$diff $chain $key"
ok 'with its image' at b export got "oci:$T/img:got"
ok 'the step after it hits, too' at b run --parent "key:$key" -- sh -c 'echo RAN; echo y >/y'
is 'without running' "$(cat "$T/err")" ''
ok 'another step runs' at b run --parent "key:$key" -- sh -c 'echo RAN; echo z >/z'
is 'really' "$(cat "$T/err")" RAN
is 'the published keys are listed' "$(at b list cache | grep -cE "^($key|$key2) ")" 2
ok 'verify' at b verify

# ---- later ----

ok 'a step that was not published' at a run --parent base -- sh -c 'echo RAN; echo late >/late'
read -r _ _ late <"$T/out"
fails 3 'is none' at b lookup "$late"
ok 'once it is' pub
sleep 1.1
ok 'it is found' at b lookup "$late"
ok '--no-cache runs all the same' at b run --no-cache --parent base -- sh -c 'echo RAN; echo late >/late'
is 'really' "$(cat "$T/err")" RAN

# ---- damage ----

index=$(echo "$T"/pub/*/index-*)
for i in $index; do printf '\377' | dd of="$i" bs=1 seek=100 conv=notrunc status=none; done
fails 3 'a damaged index is a miss' at d --alternate "$T/pub" lookup "$key"
done_testing
