#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Layers out of the store, against compressors that are given their tars.
. "$(dirname "$0")/lib.sh"
target=toolchain tag=trixie layer=2
tar=$W/layer.tar

lc import -q "oci:$CORPORA/$target:$tag" x:1 >/dev/null || exit 1
lc export -q x:1 "tar:$tar" --layer $layer || exit 1
cpus=$(nproc)
warmed() { # both have what they read in the page cache
    rm -f "$W/out"
    warm "$tar" "$W"/store/packs/*
}
ours() { lc export -q x:1 "tar:$W/out" --layer $layer "$@"; }
plain() { ours; }
gz() { ours --compression gzip; }
zst() { ours --compression zstd; }
sha() { openssl dgst -sha256 "$tar"; }
pigz6() { pigz -6 -p "$cpus" -c "$tar" >"$W/out"; }
igzip1() { igzip -1 -T "$cpus" -c "$tar" >"$W/out"; }
zstd3() { zstd -q -f -3 -T"$cpus" "$tar" -o "$W/out"; }
for c in plain gz zst sha pigz6 igzip1 zstd3; do candidate $c warmed $c; done
measure "$ROUNDS" plain sha gz pigz6 igzip1 zst zstd3
what="export of a layer of $target:$tag ($(($(stat -c %s "$tar") / 1000000)) MB)"
size() { # function
    rm -f "$W/out"
    "$1" >/dev/null
    stat -c %s "$W/out"
}
# Speed, as a part of the other's: its time over ours.
rate() { # title ours peer limit
    row "$1" "$(seconds "$(time_of "$2")")" "$(seconds "$(time_of "$3")")" "$(short "$(ratio_of "$3" "$2")") x its speed" \
        ">= $4" "$(verdict "$(ratio_of "$3" "$2")" '>=' "$4")"
}
mb() { awk -v b="$1" 'BEGIN {printf "%.0f MB\n", b / 1e6}'; }
sizes() { # title ours peer limit
    local a b
    a=$(size "$2") b=$(size "$3")
    fact "$1" "$(mb "$a")" "$(mb "$b")" "$(awk -v a="$a" -v b="$b" 'BEGIN {print a / b}')" '<=' "$4"
}
rate "$what, tar: SHA-256 of it" plain sha 0.8
rate "$what, gzip: \`pigz -6\`" gz pigz6 5
sizes "the same: size" gz pigz6 1.10
rate "$what, gzip: \`igzip -1 -T $cpus\`" gz igzip1 0.8
rate "$what, zstd: \`zstd -3 -T$cpus\`" zst zstd3 1
sizes "the same: size" zst zstd3 1.10
