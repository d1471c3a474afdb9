#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A store of 1,000 layers and 10^6 objects: what gc, adding, listing and mounting cost there.
#   LAYERS=1000 FILES=1000   another size
. "$(dirname "$0")/lib.sh"
layers=${LAYERS:-1000} files=${FILES:-1000}
python3 "$here/tests/bench/layers.py" 0 "$layers" "$files" \
    "$BIN/layercache" --store "$W/store" import -q tar:- big:{} || exit 1
packs=$(du -sm "$W/store/packs" | cut -f1)
objects=$((layers * files))
what="a store of $layers layers and $objects objects"
per_object() { awk -v b="$(stat -c %s "$W/store/catalog/data.mdb")" -v n="$objects" 'BEGIN {printf "%.0f", b / n}'; }
grown=$(per_object)

# ---- gc, lists ----

with_memory() { python3 "$here/tests/bench/rss.py" "$W/rss.$1" "$BIN/layercache" --store "$W/store" "${@:2}"; }
mib() { awk '{printf "%.0f MiB", $1 / 1024}' "$W/rss.$1"; }
mark() { with_memory mark gc --dry-run; }
sweep() { with_memory sweep gc; }
list_layers() { with_memory list list layers; }
show() { with_memory show show "big:$((layers / 2))"; }
stats() { with_memory stats stats; }
candidate mark : mark
candidate sweep : sweep
candidate list : list_layers
candidate show : show
candidate stats : stats
measure "$ROUNDS" mark sweep list show stats
row "$what: packs; catalog per object after these imports, after gc" \
    "$packs MB; $grown bytes, $(per_object) bytes" - - - -
bound "$what: \`gc --dry-run\` ($(mib mark) of anonymous memory)" "$(time_of mark)" \
    "$(seconds "$(time_of mark)")" '<' 5 '5 s'
for c in sweep:gc list:'list layers' show:show stats:stats; do
    row "the same: \`${c#*:}\` ($(mib "${c%%:*}"))" "$(seconds "$(time_of "${c%%:*}")")" - - - -
done

# ---- one more layer ----

n=10000
next_layer() {
    n=$((n + 1))
    python3 "$here/tests/bench/layers.py" "$n" 1 "$files" dd of="$W/layer.tar" status=none
    sync
}
mkdir "$W/empty"
empty() {
    rm -rf "$W/empty/store"
    "$BIN/layercache" --store "$W/empty/store" init
    sync
}
add() { "$BIN/layercache" --store "$1" import -q "tar:$2" "one:more"; }
small_there() { add "$W/store" "$W/layer.tar"; }
small_empty() { add "$W/empty/store" "$W/layer.tar"; }
candidate there next_layer small_there
candidate empty empty small_empty
measure $((3 * ROUNDS)) there empty
goal "adding a layer of $files small files: to an empty store" there empty '<=' 1.1

real=$(layers_of python-app v1 | xargs ls -S | head -1)
cp -a "$W/store" "$W/full" # gc would not take all of an import away again
renew() {
    rm -rf "$W/store"
    cp -a "$W/full" "$W/store"
    sync
}
real_there() { add "$W/store" "$real"; }
real_empty() { add "$W/empty/store" "$real"; }
candidate there renew real_there
candidate empty empty real_empty
measure "$ROUNDS" there empty
goal "adding the largest layer of python-app:v1 ($(($(stat -c %s "$real") / 1000000)) MB): to an empty store" \
    there empty '<=' 1.1

# ---- the mount ----

mkdir "$W/mnt"
last=$(lc list layers | tail -1 | grep -o 'sha256:[0-9a-f]*' | head -1)
unmounted() {
    lc unmount "$W/mnt"
    :
}
mount_it() { lc mount "$W/mnt"; }
mounted() {
    unmounted
    mount_it
}
ls_all() { [ "$(ls "$W/mnt/layers/sha256" | wc -l)" -ge "$layers" ]; }
ls_one() { ls "$W/mnt/layers/sha256/${last#sha256:}/srv"; }
candidate mount unmounted mount_it
candidate ls_all mounted ls_all
candidate ls_one mounted ls_one
measure "$ROUNDS" mount ls_all ls_one
row "$what: mount, first \`ls\` of layers/, of one layer" "$(seconds "$(time_of mount)"), $(seconds "$(time_of ls_all)"), $(seconds "$(time_of ls_one)")" - - - -
