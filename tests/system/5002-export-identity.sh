#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What was kept at import goes out bit for bit, manifest and index too; real artifacts of other
# tools make the round trip.
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq skopeo zstd

blobs() { (cd "$1/blobs/sha256" && sha256sum -- * | sort); }
packs() { du -sb --apparent-size "$T/store/packs" | cut -f1; }

python3 "$lib/mkimage.py" layered "$T/img" v1
manifest=$(jq -r '.manifests[0].digest' "$T/img/index.json")
ok 'import without keeping' lc import "oci:$T/img:v1" app:v1
ok 'export' lc export app:v1 "oci:$T/anew:v1"
[ "$(cut -d' ' -f3 "$T/out")" != "$manifest" ]
tap_report $? 'makes a new manifest'
is 'and says so of each layer' "$(grep -c 'compressed anew, it came as' "$T/err")" 3
ok 'import again, keeping' lc import --keep-blobs "oci:$T/img:v1" app:v1
ok 'export again' lc export app:v1 "oci:$T/same:v1"
cp "$T/err" "$T/said"
cp "$T/out" "$T/line"
is 'gives the manifest that came' "$(cut -d' ' -f3 "$T/line")" "$manifest"
is 'says so of each layer' "$(grep -c 'identical, kept at import' "$T/said")" 3
is 'and has the very same blobs' "$(blobs "$T/same")" "$(blobs "$T/img")"
ok '--quiet' lc export -q app:v1 "oci:$T/same:v1"
is 'says nothing' "$(cat "$T/err")" ''
before=$(packs)
ok 'import a third time' lc import --keep-blobs "oci:$T/img:v1" app:v1
is 'adds no byte' "$(packs)" "$before"
ok 'another compression does not use what was kept' lc export app:v1 "oci:$T/level:v1" --compression gzip --level 9
is 'but compresses' "$(grep -c 'compressed anew' "$T/err")" 3
ok 'a new store, keeping at once' lc --store "$T/s2" import --keep-blobs "oci:$T/img:v1" app:v1
ok 'export from there' lc --store "$T/s2" export app:v1 "dir:$T/same.dir"
is 'is the same' "$(sha256sum <"$T/same.dir/manifest.json" | cut -c1-64)" "${manifest#sha256:}"
ok 'verify' lc --store "$T/s2" verify
rm -rf "$T/s2/catalog"
ok 'without its catalog' lc --store "$T/s2" export app:v1 "oci:$T/same2:v1"
is 'it is the same still' "$(blobs "$T/same2")" "$(blobs "$T/img")"

# A blob that is not what the documents say is not kept.
cp -a "$T/img" "$T/bad"
layer=$(jq -r '.layers[0].digest' "$T/img/blobs/sha256/${manifest#sha256:}")
size=$(stat -c %s "$T/bad/blobs/sha256/${layer#sha256:}")
head -c "$size" /dev/zero >"$T/bad/blobs/sha256/${layer#sha256:}"
ok 'import without keeping reads no known layer' lc import "oci:$T/bad:v1" bad:v1
ok 'remove the store' rm -rf "$T/s2"
ok 'a store that has only the layers' lc --store "$T/s2" import "oci:$T/anew:v1" app:v1
fails 1 'a bad blob of a known layer is refused' lc --store "$T/s2" import --keep-blobs "oci:$T/bad:v1" bad:v1
ok 'verify that store' lc --store "$T/s2" verify

# ---- what other tools made ----

f=${FIXTURES:-$T/fixtures}
mkdir -p "$f"
for a in "$here"/tests/fixtures/*.tar.zst; do
    [ ! -e "$a" ] || zstd -dcq "$a" | tar -x -C "$f"
done
for x in "$f"/*; do
    n=$(basename "$x")
    case $n in
    Dockerfile* | README* | '*') continue ;;
    cache-* | context-*) continue ;;
    *oci-archive*.tar) from=oci-archive:$x ;;
    *.tar) from=docker-archive:$x ;;
    *-dir) from=dir:$x ;;
    *) from=oci:$x ;;
    esac
    rm -rf "$T/fs"
    ok "$n comes in" lc --store "$T/fs" import --keep-blobs "$from" "fix/$n:v1"
    id=$(cut -d' ' -f2,3 "$T/out")
    ok 'and goes out' lc --store "$T/fs" export "fix/$n:v1" "oci:$T/$n.out:x"
    was=$(lc --store "$T/fs" show --json "fix/$n:v1" | jq -r .manifest)
    case $n in
    *-dir | *docker-save-26* | buildkit-docker.tar) # Docker's manifests; layouts have OCI's
        grep -q "manifest is Docker's" "$T/err"
        tap_report $? 'says that the manifest is another'
        ok 'dir:' lc --store "$T/fs" export "fix/$n:v1" "dir:$T/$n.dir"
        is 'has the manifest that came' "$(cut -d' ' -f3 "$T/out")" "$was"
        ;;
    *) is 'with the manifest that came' "$(cut -d' ' -f3 "$T/out")" "$was" ;;
    esac
    ok 'skopeo copies it' skopeo --insecure-policy copy -q "oci:$T/$n.out:x" "dir:$T/$n.copy"
    for kind in none gzip zstd; do
        ok "$n in $kind" lc --store "$T/fs" export "fix/$n:v1" "oci-archive:$T/$n.$kind.tar:x" --compression $kind
        ok 'comes back' lc --store "$T/fs.$kind" import "oci-archive:$T/$n.$kind.tar" "fix/$n:v1"
        is 'as the same image' "$(cut -d' ' -f2,3 "$T/out")" "$id"
    done
    ok "$n as a docker-archive" lc --store "$T/fs" export "fix/$n:v1" "docker-archive:$T/$n.docker.tar"
    ok 'comes back' lc --store "$T/fs.docker" import "docker-archive:$T/$n.docker.tar" "fix/$n:v1"
    is 'as the same image' "$(cut -d' ' -f2,3 "$T/out")" "$id"
done
done_testing
