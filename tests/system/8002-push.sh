#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pushes to a registry that misbehaves in all the ways that registries do.
. "$(dirname "$0")/../lib/tap.sh"
need python3

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" small "$T/layout" v1
python3 "$lib/stubregistry.py" "$T/layout" "$T/log" "$T/ports" 2>"$T/stub.err" &
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
host=127.0.0.1:$port

lc import -q "oci:$T/layout:v1" local:v1 >"$T/line"
read -r _ image chain <"$T/line"
lc --store "$T/kept" import -q --keep-blobs "oci:$T/layout:v1" local:v1 >/dev/null

# What was pushed is the very image for the next who pulls it.
pushes() { # behaviour, options...
    local behaviour=$1 line
    shift
    : >"$T/log"
    line=$(lc push -q "$@" local:v1 "$host/$behaviour/app:v1") || return 1
    [[ $line == "$host/$behaviour/app:v1 $image sha256:"* ]] || { echo "$line"; return 1; }
    cp "$T/log" "$T/pushed"
    rm -rf "$T/s"
    line=$(lc --store "$T/s" pull -q "$host/$behaviour/app:v1") || return 1
    [ "$line" = "$host/$behaviour/app:v1 $image $chain" ] || { echo "$line"; return 1; }
}
sent() { grep -cE '^(PUT|PATCH|POST)' "$T/log"; }

ok 'an empty registry' pushes up
is 'blobs first, then the config, then the name' \
    "$(grep -oE '^(PATCH|PUT /upload|PUT /v2/[^ ]*)' "$T/pushed" | uniq | tr '\n' ' ')" \
    'PATCH PUT /upload PATCH PUT /upload PUT /v2/up/app/manifests/v1 '
: >"$T/log"
ok 'the same again' lc push -q local:v1 "$host/up/app:v1"
is 'sends nothing' "$(sent)" 0
is 'and asks twice' "$(wc -l <"$T/log")" 2
: >"$T/log"
ok 'another tag' lc push -q local:v1 "$host/up/app:v2"
is 'is only named' "$(sent)" 1

ok 'what was kept goes up in one request each' \
    lc --store "$T/kept" push -q local:v1 "$host/upkept/app:v1"
is 'without PATCH' "$(grep -c '^PATCH /upload/upkept' "$T/log")" 0
is 'as the very manifest' "$(lc --store "$T/s" pull --json -q "$host/upkept/app:v1" | jq -r '.[0].manifest')" \
    "$(jq -r '.manifests[0].digest' "$T/layout/index.json")"
ok 'the registry names absolute places' pushes upabsolute
ok 'places without a query' pushes upplain
ok 'no place in the answer to PATCH, and 201' pushes upquiet
ok 'an error in the middle' pushes upbusy
ok 'a connection that breaks' pushes upreset
ok 'a token that expires' pushes upexpire
ok 'zstd' pushes upzstd --compression zstd
: >"$T/log"
ok 'zstd again' lc push -q --compression zstd local:v1 "$host/upzstd/app:v1"
is 'sends nothing either' "$(sent)" 0
ok 'plain tars' pushes upnone --compression none
ok 'one that stumbles over the push of somebody else' pushes uprace
is 'gets the manifest again' "$(grep -aoE 'PUT /v2/[^ ]* [0-9]+' "$T/pushed" | cut -d' ' -f3 | tr '\n' ' ')" '400 201 '
ok 'Basic' lc push -q --creds ci:s3cret local:v1 "$host/basic/app:v1"
lc import -q "oci:$T/layout:v1" "$host/plain/app:v1" >/dev/null
: >"$T/log"
ok 'from one repository to another' lc push -q "$host/plain/app:v1" "$host/upmount/app:v1"
is 'layers are mounted, not sent' "$(grep -c 'POST .*mount=.* 201' "$T/log") $(grep -c ^PATCH "$T/log")" '2 0'
: >"$T/log"
ok 'where mounts are not to be had' lc push -q "$host/plain/app:v1" "$host/upnomount/app:v1"
is 'they are sent, and no upload is left open' \
    "$(($(grep -c 'POST .*mount=.* 202' "$T/log") - $(grep -c ^DELETE "$T/log"))) $(grep -c ^PATCH "$T/log")" '0 2'
ok 'push NAME goes to where it says' lc push -q "$host/plain/app:v1"
lc export -q local:v1 "docker://$host/upexport/app:v1" >"$T/out"
is 'export docker:// is the same' "$(cut -d' ' -f1,2 "$T/out")" "$host/upexport/app:v1 $image"

fails_saying 1 'answers 403: requested access is denied' 'no right to push' \
    lc push -q local:v1 "$host/updenied/app:v1"
fails_saying 1 'another manifest' 'a registry that changes manifests' \
    lc push -q local:v1 "$host/upother/app:v1"
fails_saying 1 'the digest of it would be sha256' 'a digest that it does not have' \
    lc push -q local:v1 "$host/up/app@sha256:$(printf '%064d' 1)"
fails_saying 3 "no image|not found|there is no" 'an image that is not there' lc push -q none:v1 "$host/up/app:v1"
fails_saying 2 'give a REF' 'usage: a digest is no name' lc push -q "${image:7:12}"
fails_saying 1 'refused|Could ?n.t connect' 'nobody there' lc push -q local:v1 127.0.0.1:1/app:v1

# Without the right to write, all works but the memory of what was made.
if [ "$(id -u)" = 0 ]; then
    ok 'a store that is only read' unshare -m sh -c "mount --bind '$LAYERCACHE_STORE' '$LAYERCACHE_STORE' &&
        mount -o remount,bind,ro '$LAYERCACHE_STORE' &&
        '$BIN/layercache' push -q local:v1 '$host/upro/app:v1'"
fi
ok 'the store is well' lc verify

done_testing
