#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is about images (signatures, SBOMs, by `subject`) travels with them: layouts, a registry
# without lists of them (Debian's docker-registry), one with lists (`serve`).
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/registry.sh"
need root docker-registry jq python3 curl

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" layered "$T/img" v1
image=$(jq -r '.manifests[0].digest' "$T/img/index.json")
sbom=$(python3 "$lib/mkreferrer.py" "$T/img" "$image" application/x.sbom 'what is in it')
sig=$(python3 "$lib/mkreferrer.py" "$T/img" "$image" application/x.sig 'a signature')
deep=$(python3 "$lib/mkreferrer.py" "$T/img" "$sbom" application/x.sig 'of the sbom')
other=sha256:$(printf other | sha256sum | cut -d' ' -f1)
stray=$(python3 "$lib/mkreferrer.py" "$T/img" "$other" application/x.sig 'of something else')

R=127.0.0.1:5000
registry_start 5000
asked() { grep -acE "\"$1" "$T/reg.log"; }
tagged() { # DIGEST: what clients keep for it
    curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$R/v2/app/manifests/${1/:/-}"
}
listed() { jq -r '[.manifests[].digest] | sort | join(" ")'; } # of an index
both=$(printf '%s\n' "$sbom" "$sig" | sort | paste -sd' ')
about() { lc --store "$1" show --json "$2" | jq -r '[.referrers[].manifest] | sort | join(" ")'; }
layout_has() { # DIR: all that is about the image, entry by entry and byte by byte
    local d part
    for d in "$sbom" "$sig" "$deep"; do
        jq -e --arg d "$d" '.manifests | map(select(.digest == $d)) | length == 1' "$1/index.json" || return 1
        for part in "$d" $(jq -r '.config.digest, .layers[].digest' "$T/img/blobs/sha256/${d#sha256:}"); do
            cmp "$1/blobs/sha256/${part#sha256:}" "$T/img/blobs/sha256/${part#sha256:}" || return 1
        done
    done
}

# ---- layouts ----

ok 'import of a layout with what is about its image' lc import "oci:$T/img" app:v1
is 'is about the image and nothing else' "$(grep -c 'passed over' "$T/err")" 0
is 'show says what it is' "$(lc show app:v1 | grep '^referrer ' | cut -d' ' -f2,3 | sort)" \
    "$(printf '%s application/x.sbom\n%s application/x.sig\n' "$sbom" "$sig" | sort)"
ok 'gc' lc gc --keep-days 0
is 'keeps it as long as the image' "$(about "$T/store" app:v1)" "$both"
ok 'the store is well' lc verify
ok 'export to a layout' lc export -q app:v1 "oci:$T/img.out:v1"
ok 'writes all of it' layout_has "$T/img.out"
is 'but not what nobody asked for' "$(grep -c "$stray" "$T/img.out/index.json")" 0
ok 'again' lc export -q app:v1 "oci:$T/img.out:v1"
is 'lists it once' "$(jq '.manifests | length' "$T/img.out/index.json")" 4
ok 'export to an archive' lc export -q app:v1 "oci-archive:$T/img.out.tar:v1"
ok 'is read again' lc --store "$T/a" import -q "oci-archive:$T/img.out.tar" app:v1
is 'with it' "$(about "$T/a" app:v1)" "$both"
ok 'an import without it' lc --store "$T/n" import -q --no-referrers "oci:$T/img" app:v1
is 'has none' "$(about "$T/n" app:v1)" ''
ok 'it comes with the next import' lc --store "$T/n" import -q "oci:$T/img" app:v1
is 'though the image is known' "$(about "$T/n" app:v1)" "$both"
ok 'a form without a place for it' lc export app:v1 "docker-archive:$T/d.tar"
is 'says so' "$(grep -c "^layercache: of 2 that are about $image none is written" "$T/err")" 1
ok 'another compression' lc export --compression zstd app:v1 "oci:$T/z:v1"
is 'is another manifest, which it is not about' \
    "$(grep -c "^layercache: of 2 that are about $image none is written" "$T/err") $(jq '.manifests | length' "$T/z/index.json")" '1 1'

# ---- a registry without lists ----

ok 'push' lc push app:v1 "$R/app:v1"
is 'sends it' "$(grep -c 'which is about the image: sent' "$T/err")" 3
is 'the tag of the image lists it' "$(tagged "$image" | listed)" "$both"
is 'as what it is' "$(tagged "$image" | jq -r '[.manifests[].artifactType] | sort | join(" ")')" \
    'application/x.sbom application/x.sig'
is 'and the tag of the sbom' "$(tagged "$sbom" | listed)" "$deep"
: >"$T/reg.log"
ok 'push of what is there' lc push app:v1 "$R/app:v1"
is 'sends nothing' "$(asked '(PUT|POST|PATCH)')" 0
is 'in few requests' "$(($(asked '(GET|HEAD) /v2/app') < 10))" 1
: >"$T/reg.log"
ok 'pull' lc --store "$T/p" pull -q "$R/app:v1"
is 'brings it' "$(about "$T/p" "$R/app:v1")" "$both"
ok 'it goes out as it came' lc --store "$T/p" export -q "$R/app:v1" "oci:$T/back:v1"
ok 'byte by byte' layout_has "$T/back"
ok 'pull without it' lc --store "$T/p2" pull -q --no-referrers "$R/app:v1"
is 'has none' "$(about "$T/p2" "$R/app:v1")" ''
: >"$T/reg.log"
ok 'pull again' lc --store "$T/p2" pull -q "$R/app:v1"
is 'fetches only that, and the config' "$(asked 'GET /v2/app/blobs') $(about "$T/p2" "$R/app:v1")" "5 $both"

# Others keep the same tag: what they listed stays, and is pulled too.
new=$(python3 "$lib/mkreferrer.py" "$T/img" "$image" application/x.new 'by another client')
lc --store "$T/o" import -q "oci:$T/img" app:v1 >/dev/null
ok 'another pushes one more' lc --store "$T/o" push -q app:v1 "$R/app:v1"
is 'the tag lists all' "$(tagged "$image" | listed)" \
    "$(printf '%s\n' "$sbom" "$sig" "$new" | sort | paste -sd' ')"
ok 'a push of the first store' lc push -q app:v1 "$R/app:v1"
is 'takes none away' "$(tagged "$image" | jq '.manifests | length')" 3
ok 'a pull' lc --store "$T/p" pull -q "$R/app:v1"
is 'brings what is new' "$(about "$T/p" "$R/app:v1" | wc -w)" 3

# A plain image costs a question or two.
python3 "$lib/mkimage.py" small "$T/small" v1
lc import -q "oci:$T/small:v1" small:v1 >/dev/null
: >"$T/reg.log"
ok 'push of an image that nothing is about' lc push -q small:v1 "$R/small:v1"
is 'asks for no lists' "$(asked '[A-Z]+ /v2/small/(referrers|manifests/sha256-)')" 0
: >"$T/reg.log"
ok 'its pull' lc --store "$T/p" pull "$R/small:v1"
is 'asks twice' "$(asked '[A-Z]+ /v2/small/(referrers|manifests/sha256-)')" 2
is 'and says nothing' "$(grep -c about "$T/err")" 0

# ---- a registry with lists ----

serve_store=$LAYERCACHE_STORE
export LAYERCACHE_STORE=$T/served
serve_start -w
export LAYERCACHE_STORE=$serve_store
ok 'push to serve' lc push -q app:v1 "$address/app:v1"
is 'it lists what came' "$(curl -s "http://$address/v2/app/referrers/$image" | listed)" "$both"
is 'there is no tag for that' "$(curl -s "http://$address/v2/app/tags/list" | jq -c .tags)" '["v1"]'
ok 'push of what is there' lc push app:v1 "$address/app:v1"
is 'sends nothing' "$(grep -c 'sent' "$T/err")" 0
ok 'pull from serve' lc --store "$T/s" pull -q "$address/app:v1"
is 'brings it' "$(about "$T/s" "$address/app:v1")" "$both"
ok 'to the depths' lc --store "$T/s" export -q "$address/app:v1" "oci:$T/s.out:v1"
ok 'byte by byte' layout_has "$T/s.out"
ok 'a push that changes the manifest' lc push --compression zstd --level 3 app:v1 "$address/zstd:v1"
is 'says what it is not about' "$(grep -c "^layercache: of 2 that are about $image none is written" "$T/err")" 1
serve_stop

# A server in front of a registry without lists knows them by the tag.
export LAYERCACHE_STORE=$T/front
serve_start --upstream "$R"
export LAYERCACHE_STORE=$serve_store
ok 'pull through serve' lc --store "$T/f" pull -q "$address/app:v1"
is 'brings it too' "$(about "$T/f" "$address/app:v1" | wc -w)" 3
serve_stop
ok 'gc of what was pulled' lc --store "$T/f" remove -q "$address/app:v1"
ok 'removes it with the image' lc --store "$T/f" gc --keep-days 0
is 'all of it' "$(lc --store "$T/f" stats --json | jq '.images // .counts.images')" 0

# ---- an index ----

jq -c '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [.manifests[0]
    | {mediaType, digest, size, platform: {os: "linux", architecture: "amd64"}}]}' "$T/small/index.json" >"$T/index"
cp -r "$T/small" "$T/multi"
i=$(sha256sum <"$T/index" | cut -d' ' -f1)
cp "$T/index" "$T/multi/blobs/sha256/$i"
jq -n --arg d "sha256:$i" --argjson s "$(stat -c %s "$T/index")" '{schemaVersion: 2, manifests: [{
    mediaType: "application/vnd.oci.image.index.v1+json", digest: $d, size: $s,
    annotations: {"org.opencontainers.image.ref.name": "v1"}}]}' >"$T/multi/index.json"
isig=$(python3 "$lib/mkreferrer.py" "$T/multi" "sha256:$i" application/x.sig 'of the index')
ok 'import of an index that something is about' lc --store "$T/i" import -q "oci:$T/multi" multi:v1
is 'is taken' "$(about "$T/i" multi:v1)" "$isig"
ok 'gc' lc --store "$T/i" gc --keep-days 0
is 'keeps it' "$(about "$T/i" multi:v1)" "$isig"
done_testing
