#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All corpora recompressed by `repack`: how long, how small, and what that does to cold reads.
#   TARGETS='python-app'   only some of them
. "$(dirname "$0")/lib.sh"
export BORG_BASE_DIR=$W/borg.home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
read -r -a targets <<<"${TARGETS:-debian python-app node-app toolchain}"

bytes() { find "$1" -type f -printf '%s\n' | awk '{s += $1} END {printf "%.0f\n", s}'; } # of files
mb() { awk -v b="$1" 'BEGIN {printf "%.0f MB\n", b / 1e6}'; }
for t in "${targets[@]}"; do
    lc import --quiet "oci:$CORPORA/$t" >/dev/null || exit 1
    for tag in $(tags_of "$t"); do layers_of "$t" "$tag"; done
done | awk -F/ '!seen[$NF]++' >"$W/layers"
borg init -e none "$W/borg"
n=0
while read -r l; do
    n=$((n + 1))
    borg import-tar --compression zstd,19 --tar-filter 'igzip -dc' "$W/borg::$n" "$l"
done <"$W/layers"
imported=$(bytes "$W/store")
cp -a "$W/store" "$W/imported"

# ---- repack ----

whole() { lc repack -q; }
again() { lc repack -q; }
candidate whole : whole
candidate again : again
measure 1 whole again
lc verify -q >/dev/null || say 'verify: damage'
ours=$(bytes "$W/store") borg=$(bytes "$W/borg")
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {print a / b}'; }
what="store of ${targets[*]} after \`repack\`"
row "$what: time; the second time" "$(seconds "$(time_of whole)"); $(seconds "$(time_of again)")" - - - -
fact "$what: as imported" "$(mb "$ours")" "$(mb "$imported")" "$(ratio "$ours" "$imported")" '<' 1
row "$what: borg (zstd,19)" "$(mb "$ours")" "$(mb "$borg")" "$(short "$(ratio "$ours" "$borg")")" - -

# ---- cold reads ----

image=$(lc list | awk '{print $1; exit}')
chain=$(lc list | awk '{print $3; exit}' | sed 's/^sha256://')
mkdir "$W/mnt"
cold() { # store
    "$BIN/layercache" --store "$W/store" unmount "$W/mnt"
    "$BIN/layercache" --store "$W/imported" unmount "$W/mnt"
    "$BIN/layercache" --store "$1" mount "$W/mnt"
    find "$W/mnt/chains/sha256/$chain" -type f -size -64k | sort | awk 'NR % 40 == 1' >"$W/files"
    drop_caches
    warm "$1"/catalog/* "$1"/trees/* "$BIN/layercache"
}
cold_repacked() { cold "$W/store"; }
cold_imported() { cold "$W/imported"; }
some() { xargs -d '\n' cat <"$W/files"; }
all() { tar -C "$W/mnt/chains/sha256/$chain" -cf - . | cat; }
candidate some_repacked cold_repacked some
candidate some_imported cold_imported some
candidate all_repacked cold_repacked all
candidate all_imported cold_imported all
measure "$ROUNDS" some_repacked some_imported all_repacked all_imported
row "cold reads of one small file in 40 of $image after \`repack\`: before" \
    "$(seconds "$(time_of some_repacked)")" "$(seconds "$(time_of some_imported)")" \
    "$(short "$(ratio_of some_repacked some_imported)")" - -
row 'all files of it, cold' "$(seconds "$(time_of all_repacked)")" "$(seconds "$(time_of all_imported)")" \
    "$(short "$(ratio_of all_repacked all_imported)")" - -
"$BIN/layercache" --store "$W/imported" unmount "$W/mnt" >/dev/null 2>&1
