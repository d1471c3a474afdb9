#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How long importing an image takes, against doing the least that has to be done (decode and
# hash its layers) and against other ways to get at its files. Input in the page cache, output
# to disk.
. "$(dirname "$0")/lib.sh"

# ---- the candidates; $target, $tag and $layers are the image ----

fresh() { # the scratch of the run before is gone, nothing of it waits to be written
    umount "$W/containers/overlay" 2>/dev/null # a mount that containers-storage leaves
    rm -rf "$W/store" "$W/tree" "$W/containers" "$W/containers.run" "$W/bundle" "$W/borg"
    drop_caches
    # shellcheck disable=SC2086
    warm $layers "$CORPORA/$target"/blobs/sha256/* "$BIN/layercache"
}
fresh_borg() {
    fresh
    borg init -e none "$W/borg"
}
floor() {
    local l
    for l in $layers; do igzip -dc "$l" | openssl dgst -sha256; done
}
import() { lc import "oci:$CORPORA/$target:$tag"; }
untar() {
    local l
    mkdir "$W/tree"
    for l in $layers; do tar -xzf "$l" -C "$W/tree"; done
}
skopeo_copy() {
    skopeo --insecure-policy copy -q "oci:$CORPORA/$target:$tag" \
        "containers-storage:[overlay@$W/containers+$W/containers.run]localhost/bench:$tag"
}
umoci_unpack() { umoci unpack --image "$CORPORA/$target:$tag" "$W/bundle"; }
borg_import() {
    local l n=0
    for l in $layers; do
        n=$((n + 1))
        borg import-tar --compression zstd,3 --tar-filter 'igzip -dc' "$W/borg::$n" "$l" || return 1
    done
}
export BORG_BASE_DIR=$W/borg.home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes

peak() {
    fresh
    python3 "$here/tests/bench/rss.py" "$W/peak" "$BIN/layercache" --store "$W/store" import \
        "oci:$CORPORA/$target:$tag" >/dev/null 2>&1 && cat "$W/peak"
}

for image in python-app:v4 node-app:v1 toolchain:bookworm; do
    target=${image%:*} tag=${image#*:}
    say "import of $image"
    layers=$(layers_of "$target" "$tag")
    candidate ours fresh import
    candidate floor fresh floor
    candidate tar fresh untar
    candidate skopeo fresh skopeo_copy
    candidate umoci fresh umoci_unpack
    candidate borg fresh_borg borg_import
    measure "$ROUNDS" ours floor tar
    goal "import $image: decode and hash alone" ours floor '<=' 1.7
    goal "import $image: \`tar -xzf\` of its layers" ours tar '<' 1.0
    # The slow ones again beside ours, fewer times.
    candidate ours fresh import
    measure $(((ROUNDS + 1) / 2)) ours skopeo umoci borg
    faster "import $image: \`skopeo copy\` to containers-storage" ours skopeo 3
    faster "import $image: \`umoci unpack\`" ours umoci 3
    faster "import $image: \`borg import-tar\` (zstd,3)" ours borg 3
    kib=$(peak)
    bound "import $image: peak of anonymous memory" "${kib:-failed}" "$((${kib:-0} / 1024)) MiB" '<=' \
        131072 '128 MiB'
done

# ---- new layers, known files ----

say 'python-app:v5 after v4'
target=python-app tag=v4
fresh
import >/dev/null 2>&1
rm -rf "$W/with-v4"
mv "$W/store" "$W/with-v4"
tag=v5
# Only those that v4 does not have: a known layer is read by nobody.
layers=$(comm -13 <(layers_of python-app v4 | sort) <(layers_of python-app v5 | sort))
with_v4() {
    fresh
    cp -a "$W/with-v4" "$W/store"
    drop_caches
    # shellcheck disable=SC2086
    warm $layers "$CORPORA/$target"/blobs/sha256/* "$BIN/layercache" "$W/store"/packs/* "$W/store"/catalog/*
}
candidate ours with_v4 import
candidate floor fresh floor
measure "$ROUNDS" ours floor
goal 'import python-app:v5 after v4 (files mostly known): decode and hash of its new layers' ours floor '<=' 1.15

say 'python-app:v4 again'
tag=v4
with_v4
candidate again : import
measure $((2 * ROUNDS)) again
bound 'import of a known image' "$(time_of again)" "$(seconds "$(time_of again)")" '<' 0.05 '50 ms'
