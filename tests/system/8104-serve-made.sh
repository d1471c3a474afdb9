#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compressed layers that are not stored but can be made again: served and pushed as they came.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq skopeo pigz gzip
serve_asks=distribution_made # which of the askers of serve_ask

mkdir "$T/tree"
cp -r "$here/store" "$T/tree/"
head -c 700000 /dev/urandom >"$T/tree/noise"
tar -C "$T/tree" --sort=name --mtime=@1700000000 -cf "$T/l.tar" .
image() { # tag: of one layer, compressed as $T/blob.<tag> has it
    python3 "$lib/mkimage.py" blob "$T/img.$1" v1 "$T/l.tar" "$T/blob.$1"
    came=$(jq -r '.manifests[0].digest' "$T/img.$1/index.json")
}
digest_of() { echo "sha256:$(sha256sum <"$1" | cut -c1-64)"; }
served() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/$1"; }
packs() { du -sb "$LAYERCACHE_STORE/packs" | cut -f1; }

# ---- pulls ----
pigz -c "$T/l.tar" >"$T/blob.pigz"
image pigz
ok 'an image comes in, its blob only guessed at' lc import "oci:$T/img.pigz:v1" made:1
serve_start
serve_ask blob_gone made "$(digest_of "$T/blob.pigz")"
[ "$(served made:1)" != "$came" ]
tap_report $? 'a guess is not served: the manifest has the tar'
ok 'an export shows that the guess was right' lc export made:1 "oci:$T/exported:1"
is 'then it is the very manifest, without a restart' "$(served made:1)" "$came"
serve_ask blob_as made "$T/blob.pigz"
ok 'skopeo pulls it by its digest' skopeo --insecure-policy copy -q --src-tls-verify=false --preserve-digests \
    "docker://$address/made@$came" "dir:$T/copy"
d=$(digest_of "$T/blob.pigz")
ok 'and has the blob' cmp "$T/blob.pigz" "$T/copy/${d#sha256:}"
ok 'layercache pulls it' lc --store "$T/other" pull --match-blobs "$address/made:1" made:1
ok 'and has it' lc --store "$T/other" export made:1 "dir:$T/again"
is 'made again' "$(grep -c 'identical, made again by' "$T/err")" 1
ok 'bit for bit' cmp "$T/blob.pigz" "$T/again/${d#sha256:}"
serve_stop

# GNU gzip's deflate is not known here: that layer is kept.
gzip -nc "$T/l.tar" >"$T/blob.gnu"
image gnu
ok 'a layer that cannot be made, matched' lc import --match-blobs "oci:$T/img.gnu:v1" gnu:1
serve_start
is 'is served as it came' "$(served gnu:1)" "$came"
serve_stop

# ---- pushes ----
image pigz
before=$(packs)
serve_start --writable
ok 'skopeo pushes the image under another name' skopeo --insecure-policy copy -q --dest-tls-verify=false \
    --preserve-digests "oci:$T/img.pigz:v1" "docker://$address/pushed:1"
is 'it is the very manifest' "$(served pushed:1)" "$came"
grep -q "PATCH\|PUT .*/uploads/" "$T/serve.err"
is 'the blob was not sent' $? 1
[ $(($(packs) - before)) -lt 100000 ]
tap_report $? 'nor stored'
serve_ask artifact_of made "$T/blob.pigz"
serve_stop
[ $(($(packs) - before)) -gt "$(stat -c %s "$T/blob.pigz")" ]
tap_report $? 'an artifact keeps its blob for itself'
ok 'so that it stays without the image' lc remove made:1 localhost/pushed:1 gnu:1
ok 'after gc' lc gc --keep-days 0
serve_start
serve_ask blob_as made "$T/blob.pigz"
serve_stop
ok 'verify' lc verify

rm -rf "$T/store"
ok 'the image once more' lc import --match-blobs "oci:$T/img.pigz:v1" made:1
(LAYERCACHE_STORE=$T/registry && export LAYERCACHE_STORE && serve_start --writable && echo "$address $serve_pid" >"$T/where")
read -r address serve_pid <"$T/where"
ok 'a push' lc push made:1 "$address/made:1"
grep -q 'identical, made again by' "$T/err"
tap_report $? 'makes the blob'
is 'and the registry has the very manifest' "$(served made:1)" "$came"
ok 'another push' lc push made:1 "$address/other:1"
grep -q 'already there' "$T/err"
tap_report $? 'does not'
kill "$serve_pid"
ok 'the other store is whole' lc --store "$T/registry" verify
done_testing
