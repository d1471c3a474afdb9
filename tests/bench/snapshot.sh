#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Snapshots of a large tree: the first, one of the unchanged tree, and one of an overlay's upper
# directory, against backup programs and builders that do the same.
. "$(dirname "$0")/lib.sh"
export BORG_BASE_DIR=$W/borg.home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$W/restic.cache
target=node-app tag=v1
tree=$W/tree
scratch=$W/scratch

lc import -q "oci:$CORPORA/$target:$tag" base:1 >/dev/null || exit 1
mkdir "$tree"
lc export -q base:1 tar:- --flatten | tar -x -p --numeric-owner -C "$tree" || exit 1
entries=$("$BIN/tests/statwalk" "$tree")
say "a tree of $entries entries"

# ---- the first one ----

fresh() {
    rm -rf "$scratch"
    mkdir "$scratch"
    sync
    tar -c -C "$tree" . | cat >/dev/null
}
first() { "$BIN/layercache" --store "$scratch/store" snapshot -q "$tree"; }
restic_first() { restic init -q -r "$scratch/restic" && restic backup -q -r "$scratch/restic" "$tree"; }
casync_first() { casync make --store="$scratch/casync" "$scratch/tree.caidx" "$tree"; }
borg_first() { borg init -e none "$scratch/borg" && borg create --compression zstd,3 "$scratch/borg::1" "$tree"; }
umoci_fresh() {
    fresh
    umoci init --layout "$scratch/oci" && umoci new --image "$scratch/oci:x" &&
        umoci unpack --image "$scratch/oci:x" "$scratch/bundle" &&
        cp -a "$tree/." "$scratch/bundle/rootfs/"
}
umoci_first() { umoci repack --image "$scratch/oci:x" "$scratch/bundle"; }
# What buildah commit is asked for is the same: a container's changed directory as a layer.
buildah_() {
    STORAGE_DRIVER=overlay buildah --root "$W/containers" --runroot "$W/containers.run" "$@"
}
buildah_fresh() {
    fresh
    buildah_ rm --all
    buildah_ rmi --all --force
    container=$(buildah_ from scratch) && into=$(buildah_ mount "$container") && cp -a "$tree/." "$into/" && sync
}
buildah_first() { buildah_ commit -q "$container" first; }
candidate first fresh first
candidate buildah buildah_fresh buildah_first
candidate restic fresh restic_first
candidate casync fresh casync_first
candidate borg fresh borg_first
candidate umoci umoci_fresh umoci_first
measure "$ROUNDS" first restic casync borg umoci buildah
what="first snapshot of a tree of $entries entries"
faster "$what: restic" first restic 2.5
faster "$what: casync" first casync 4
faster "$what: \`umoci repack\`" first umoci 4
faster "$what: \`buildah commit\`" first buildah 4
row "$what: borg (zstd,3)" "$(seconds "$(time_of first)")" "$(seconds "$(time_of borg)")" \
    "$(short "$(ratio_of borg first)") x faster" - -

# ---- nothing changed ----

fresh
first >/dev/null && restic_first >/dev/null && borg_first >/dev/null || exit 1
n=1
again() { "$BIN/layercache" --store "$scratch/store" snapshot -q "$tree"; }
walked() { "$BIN/tests/statwalk" "$tree"; }
restic_again() { restic backup -q -r "$scratch/restic" "$tree"; }
borg_again() {
    n=$((n + 1))
    borg create --compression zstd,3 "$scratch/borg::$n" "$tree"
}
candidate again : again
candidate walked : walked
candidate restic : restic_again
candidate borg : borg_again
measure "$ROUNDS" again walked restic borg
what="snapshot of the unchanged tree"
goal "$what: a walk that asks for all attributes" again walked '<=' 1.2
faster "$what: restic" again restic 10
faster "$what: borg" again borg 10

# ---- what an overlay changed ----

mkdir "$W/merged" "$W/upper"
mkdir "$W/mnt" && lc mount "$W/mnt" || exit 1
lc overlay base:1 "$W/merged" --upper "$W/upper" >/dev/null || exit 1
# shellcheck disable=SC2016
find "$W/merged/usr" -type f -size -64k | head -n 5000 | awk 'NR % 50 == 1' |
    while read -r f; do echo "# $f" >>"$f"; done
lc unmount "$W/merged"
lc unmount "$W/mnt"
changed=$(find "$W/upper" -type f | wc -l)
uppers=0
upper() {
    uppers=$((uppers + 1)) # another layer each time
    echo "$uppers" >"$W/upper/round"
    lc snapshot -q "$W/upper" --upper --parent base:1
}
candidate upper : upper
measure $((2 * ROUNDS)) upper
bound "snapshot of an upper directory with $changed changed files over it" "$(time_of upper)" \
    "$(seconds "$(time_of upper)")" '<' 0.05 '50 ms'
