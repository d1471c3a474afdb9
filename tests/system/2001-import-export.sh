#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An image goes in, is listed and explained, and each layer comes out byte for byte.
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq skopeo

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" big
ok 'import from an OCI layout' lc import "oci:$T/img:v1"
read -r name image chain <"$T/out"
is 'prints one line' "$(wc -l <"$T/out")" 1
is 'a bare tag takes the directory name' "$name" localhost/img:v1
manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"]=="v1").digest' "$T/img/index.json")
config=$(jq -r .config.digest "$T/img/blobs/sha256/${manifest#sha256:}")
is 'the image ID is the config digest' "$image" "$config"
before=$(du -sb --apparent-size "$T/store/packs" "$T/store/journal" | awk '{s+=$1} END {print s}')
ok 'importing it again' lc import "oci:$T/img:v1"
is 'prints the same line' "$(cat "$T/out")" "$name $image $chain"
after=$(du -sb --apparent-size "$T/store/packs" "$T/store/journal" | awk '{s+=$1} END {print s}')
is 'and adds no byte' "$after" "$before"
ok 'import under a name' lc import "oci:$T/img:v1" app:prod
is 'names are normalised' "$(cut -d' ' -f1 "$T/out")" docker.io/library/app:prod
ok 'import of a second image' lc import "oci:$T/img:big"
ok 'list' lc list
is 'is sorted by name' "$(cut -d' ' -f1 "$T/out" | paste -sd,)" \
    docker.io/library/app:prod,localhost/img:big,localhost/img:v1
ok 'list --json' lc list --json
cp "$T/out" "$T/json"
ok 'is JSON' jq -e 'length == 3 and .[0].name == "docker.io/library/app:prod"' "$T/json"
ok 'list layers' lc list layers
is 'has every layer' "$(wc -l <"$T/out")" 7
ok 'list chains' lc list chains
is 'has every chain' "$(wc -l <"$T/out")" 7

n=0
for d in $(jq -r '.layers[].digest' "$T/img/blobs/sha256/${manifest#sha256:}"); do
    zcat "$T/img/blobs/sha256/${d#sha256:}" >"$T/layer.tar"
    diffid=$(sha256sum <"$T/layer.tar" | cut -c1-64)
    n=$((n + 1))
    ok "layer $n is exported" lc export "$diffid" "tar:$T/out.tar"
    ok "layer $n is identical" cmp "$T/layer.tar" "$T/out.tar"
    if [ $n = 2 ]; then
        fails_saying 1 "hardlink target 'var/one'" "layer $n is no image without the one below" \
            lc import "tar:$T/layer.tar" "tar/l$n:v1"
    else
        ok "layer $n imports from its tar" lc import "tar:$T/layer.tar" "tar/l$n:v1"
    fi
done
ok 'show an image' lc show app:prod
grep -q "$image" "$T/out"
tap_report $? 'show names the image ID'
ok 'show --json' lc show --json app:prod
cp "$T/out" "$T/json"
ok 'is JSON too' jq -e .image "$T/json"
ok 'show by unique prefix' lc show "${image:7:12}"
ok 'show a layer' lc show "layer:$diffid"
ok 'show a chain' lc show "chain:${chain#sha256:}"
ok 'tag' lc tag app:prod other.example:5000/team/app:x
ok 'remove' lc remove app:prod
fails 3 'a removed name is gone' lc show app:prod
ok 'the other name is not' lc show other.example:5000/team/app:x
fails 3 'removing it again is not found' lc remove app:prod
ok 'verify' lc verify

for how in gzip zstd xz bzip2; do
    command -v $how >/dev/null || continue
    $how -c "$T/layer.tar" >"$T/layer.tar.$how"
    ok "tar: with $how" lc import "tar:$T/layer.tar.$how" "tar/$how:v1"
    is "$how gives the same chain" "$(cut -d' ' -f3 "$T/out")" "sha256:$diffid"
done
lc import tar:- piped:v1 <"$T/layer.tar" >"$T/out" 2>"$T/err"
tap_report $? 'tar:- reads standard input'

for to in oci-archive docker-archive dir; do
    case $to in
    oci-archive) dest=oci-archive:$T/a.oci.tar:v1 src=oci-archive:$T/a.oci.tar ;;
    docker-archive) dest=docker-archive:$T/a.docker.tar:team/saved:v2 src=docker-archive:$T/a.docker.tar ;;
    dir) dest=dir:$T/a.dir src=dir:$T/a.dir ;;
    esac
    skopeo --insecure-policy copy -q "oci:$T/img:v1" "$dest" >"$T/err" 2>&1
    ok "import from $to" lc import "$src"
    read -r got_name _ got_chain <"$T/out"
    is "$to gives the same chain" "$got_chain" "$chain"
    [ $to != docker-archive ] ||
        is 'docker-archive takes its RepoTags' "$got_name" docker.io/team/saved:v2
done
ok 'a compressed archive too' sh -c "gzip -k '$T/a.oci.tar' && '$BIN/layercache' import 'oci-archive:$T/a.oci.tar.gz' gz:v1"
ok 'verify after all of it' lc verify
done_testing
