#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What all images of the four corpora take on disk, right after import.
. "$(dirname "$0")/lib.sh"
export BORG_BASE_DIR=$W/borg.home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
targets='debian python-app node-app toolchain'

bytes() { find "$1" -type f -printf '%s\n' | awk '{s += $1} END {printf "%.0f\n", s}'; } # of files
mb() { awk -v b="$1" 'BEGIN {printf "%.0f MB\n", b / 1e6}'; }
for t in $targets; do
    for tag in $(tags_of "$t"); do layers_of "$t" "$tag"; done
done | awk -F/ '!seen[$NF]++' >"$W/layers"
say "$(wc -l <"$W/layers") layers"
for t in $targets; do
    lc import --quiet "oci:$CORPORA/$t" >/dev/null || exit 1
done
borg init -e none "$W/borg"
mkdir "$W/casync"
n=0
while read -r l; do
    n=$((n + 1))
    borg import-tar --compression zstd,3 --tar-filter 'igzip -dc' "$W/borg::$n" "$l"
    igzip -dc "$l" >"$W/layer.tar"
    casync make --store="$W/casync" "$W/$n.caibx" "$W/layer.tar" >/dev/null
done <"$W/layers"
rm -f "$W/layer.tar"
sync
ours=$(bytes "$W/store") borg=$(bytes "$W/borg") casync=$(bytes "$W/casync")
# shellcheck disable=SC2046
gzip=$(du -c --block-size=1 --apparent-size $(cat "$W/layers") | tail -1 | cut -f1)
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {print a / b}'; }
fact 'store of all four corpora: borg (zstd,3)' "$(mb "$ours")" "$(mb "$borg")" "$(ratio "$ours" "$borg")" '<=' 0.92
row 'the same: casync' "$(mb "$ours")" "$(mb "$casync")" "$(short "$(ratio "$ours" "$casync")")" - -
row 'the same: their layers as gzip' "$(mb "$ours")" "$(mb "$gzip")" "$(short "$(ratio "$ours" "$gzip")")" - -
row 'of that: packs, catalog' "$(mb "$(bytes "$W/store/packs")"), $(mb "$(bytes "$W/store/catalog")")" - - - -
