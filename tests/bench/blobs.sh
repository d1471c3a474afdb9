#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `import --match-blobs` costs and saves, and, in $OUT/blobs.md, of which producers'
# compressed layers it makes the very bytes again.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$W # the store is of one image at a time

# ---- per producer ----

: >"$W/seen"
# One line per layer that came compressed, each blob once: the producer and what became of it.
look() { # producer source [option...]
    local producer=$1
    shift
    rm -rf "$W/store" "$W/out"
    lc import -q "$@" localhost/x:1 >/dev/null && lc export localhost/x:1 "oci:$W/out:1" >/dev/null 2>"$W/said" ||
        say "$producer: $(tail -1 "$W/said")"
    # The blob that came is the last word of a line on another one.
    sed -n 's/^layercache: layer [0-9]* of [0-9]* \(sha256:[0-9a-f]*\): \(.*\)/\1 \2/p' "$W/said" |
        awk -v p="$producer" '/the plain tar/ {next}
            {came = /it came as/ ? $NF : $1}
            !seen[came]++ {print came "|" p "|" (match($0, /made again by .*/) ? substr($0, RSTART + 14) : "-")}' >>"$W/seen"
}
for t in debian python-app node-app toolchain; do
    for tag in $(tags_of "$t"); do look "buildah ($t)" "oci:$CORPORA/$t:$tag"; done
done
mkdir "$W/f"
zstd -dcq "$here/tests/fixtures/images.tar.zst" | tar -x -C "$W/f"
for x in "$W"/f/*; do
    n=$(basename "$x")
    case $n in
    Dockerfile* | README* | cache-*) continue ;;
    *oci-archive*.tar) look "$n" "oci-archive:$x" ;;
    *.tar) look "$n" "docker-archive:$x" ;;
    skopeo-dir) look "$n" "dir:$x" ;;
    *) look "$n" "oci:$x" ;;
    esac
done
{
    echo '| blobs of | gzip or zstd blobs | made again bit for bit | as what |'
    echo '|---|---|---|---|'
    sort -u "$W/seen" | awk -F'|' '{n[$2]++} $3 != "-" {made[$2]++; if (!((w = $2 SUBSEP $3) in had)) {had[w] = 1; how[$2] = how[$2] (how[$2] ? ", " : "") $3}}
        END {for (p in n) printf "| %s | %d | %d | %s |\n", p, n[p], made[p], how[p] ? how[p] : "-"}' | sort
} >"$OUT/blobs.md"
cat "$OUT/blobs.md" >&2

# ---- what it costs ----

bytes() { find "$W/store" -type f -printf '%s\n' | awk '{s += $1} END {printf "%.1f MB\n", s / 1e6}'; }
fresh() {
    rm -rf "$W/store"
    drop_caches
    find "$CORPORA/$t/blobs" -type f -exec cat {} + >/dev/null
    warm "$BIN/layercache"
}
import() { lc import -q "$@" "oci:$CORPORA/$t:$tag"; }
plain() { import; }
match() { import --match-blobs; }
keep() { import --keep-blobs; }
n=0
for x in python-app:v4 toolchain:bookworm; do
    t=${x%:*} tag=${x#*:}
    candidate plain fresh plain
    candidate match fresh match
    candidate keep fresh keep
    measure "$ROUNDS" plain match keep
    for how in plain match keep; do
        fresh
        $how >/dev/null
        size[$((n++))]=$(bytes)
    done
    row "import --match-blobs of $x: without" "$(seconds "$(time_of match)")" "$(seconds "$(time_of plain)")" \
        "$(short "$(ratio_of match plain)")" - -
    row 'the same: with --keep-blobs' "$(seconds "$(time_of match)")" "$(seconds "$(time_of keep)")" \
        "$(short "$(ratio_of match keep)")" - -
    row 'the store then: without, with --keep-blobs' "${size[n - 2]}" "${size[n - 3]}, ${size[n - 1]}" - - -
    rm -rf "$W/out" "$W/store"
    match >/dev/null
    out() { rm -rf "$W/out" && lc export -q "$1" "oci:$W/out:1" "${@:2}"; }
    name=$(lc list | cut -d' ' -f1)
    candidate made : again
    candidate anew : anew
    again() { out "$name"; }
    anew() { out "$name" --compression gzip; }
    measure "$ROUNDS" made anew
    row "export $x as it came, made again: compressed anew" "$(seconds "$(time_of made)")" \
        "$(seconds "$(time_of anew)")" "$(short "$(ratio_of made anew)")" - -
done
