#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a registry lists as being about an image is bad in all the ways it can be: the image comes
# all the same, and what is good of the list too.
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" small "$T/layout" v1
python3 "$lib/stubregistry.py" "$T/layout" "$T/log" "$T/ports" 2>"$T/stub.err" &
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
host=127.0.0.1:$port

count=0
# The pull succeeds, takes so many of them, and says what it leaves.
takes() { # how many, what it says, title, behaviour
    count=$((count + 1))
    local s=$T/s$count
    : >"$T/log"
    ok "$3" lc --store "$s" pull "$host/$4/app:v1"
    cp "$T/err" "$T/said"
    if [ "$2" ]; then
        grep -qE "$2" "$T/said"
        tap_report $? "$3: says so"
    else
        is "$3: says nothing" "$(grep -c 'about' "$T/said")" 0
    fi
    is "$3: takes what is good" "$(lc --store "$s" show --json "$host/$4/app:v1" | jq '.referrers | length')" "$1"
}
asked() { grep -c "^GET /v2/.*$1" "$T/log"; }

takes 1 '' 'a good list' refgood
takes 0 '' 'a page of HTML' refhtml
takes 0 '' 'no access' refdenied
takes 0 'what is about sha256:.* is not taken: .*answers 500' 'an error of the server' refbroken
takes 0 'what is about sha256:.* is not taken' 'a huge list' refhuge
takes 0 'what is about .* nested' 'a deep document' refdeep
takes 128 'only some is taken: at most 128' 'too many' refmany
is 'too many: no more are fetched' "$(asked manifests/sha256:)" 128
takes 3 '' 'pages' refpages
takes 1 '' 'pages without end' refendless
is 'pages without end: are not followed for ever' "$(($(asked 'referrers/') <= 256))" 1
takes 1 'is not taken: it is about another manifest' 'about another manifest' refother
takes 1 'is not taken: .* is missing' 'not there' refnothing
takes 1 '' 'a circle' refcycle
takes 1 '' 'a chain without end' refchain
is 'a chain without end: is followed a little way' "$(asked 'referrers/')" 3
takes 1 'is not taken: .* has the size' 'a wrong size' refsize
takes 1 'is not taken: .*digest mismatch' 'another content' reflie
takes 1 "is not taken: its media type is 'text/plain'" 'wrong types' reftype
is 'wrong types: all are named' "$(grep -c 'is not taken' "$T/said")" 7
takes 1 'is not taken: its parts are too large' 'too large' refbig
takes 1 'is not taken: part .*: digest mismatch' 'a part with another content' refblob
takes 2 '' 'a part that is called a manifest' refinner
takes 1 'is not taken: ambiguous document' 'both an index and a manifest' refindex
ok 'the stores are well' bash -c "for s in '$T'/s[0-9]*; do '$BIN/layercache' --store \$s verify || exit 1; done"
done_testing
