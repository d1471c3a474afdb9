#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `import --match-blobs` costs and saves, and, in $OUT/blobs.md, of which producers'
# compressed layers it makes the very bytes again.
. "$(dirname "$0")/lib.sh"

# ---- per producer ----

: >"$W/seen"
# One line per layer that came compressed, each blob once: the producer and what became of it.
look() { # producer source [option...]
    local producer=$1
    shift
    rm -rf "$W/store" "$W/out"
    if ! lc import -q "$@" localhost/x:1 >/dev/null || ! lc export localhost/x:1 "oci:$W/out:1" >/dev/null 2>"$W/said"; then
        say "$producer: $(tail -1 "$W/said")"
    fi
    # The blob that came is the last word of a line on another one.
    sed -n 's/^layercache: layer [0-9]* of [0-9]* \(sha256:[0-9a-f]*\): \(.*\)/\1 \2/p' "$W/said" |
        awk -v p="$producer" '/the plain tar/ {next}
            {came = /it came as/ ? $NF : $1}
            !seen[came]++ {print came "|" p "|" (match($0, /made again by .*/) ? substr($0, RSTART + 14) : "-")}' >>"$W/seen"
}
for t in debian python-app node-app toolchain; do
    for tag in $(tags_of "$t"); do look buildah "oci:$CORPORA/$t:$tag"; done
done
mkdir "$W/f"
zstd -dcq "$here/tests/fixtures/images.tar.zst" | tar -x -C "$W/f"
while read -r n from producer; do
    look "$producer" "$from:$W/f/$n"
done <<E
podman-save-4.3-oci-archive.tar oci-archive podman save
docker-save-26-containerd-store.tar docker-archive docker 26, containerd store
buildkit-docker-save-26-c8d.tar docker-archive docker 26, containerd store
inline-cache-docker20.10-oci oci docker 20.10, pushed
inline-generation2-docker20.10-oci oci docker 20.10, pushed
skopeo-dir dir docker 20.10, pushed
buildkit-docker.tar docker-archive BuildKit's exporters
buildkit-inline-image oci BuildKit's exporters
buildkit-oci-archive.tar oci-archive BuildKit's exporters
ctr-estargz oci ctr-remote, eStargz: many gzip members
skopeo1.18-zstd-chunked oci skopeo, zstd:chunked
E
{
    echo '| layers compressed by | different ones | made again bit for bit | as |'
    echo '|---|---|---|---|'
    sort -u "$W/seen" | awk -F'|' '{n[$2]++}
        $3 != "-" {made[$2]++; how[$2] = how[$2] (index(how[$2], $3) ? "" : (how[$2] ? ", " : "") $3)}
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
        size[n++]=$(bytes)
    done
    row "import --match-blobs of $x: without" "$(seconds "$(time_of match)")" "$(seconds "$(time_of plain)")" \
        "$(short "$(ratio_of match plain)")" - -
    row 'the same: with --keep-blobs' "$(seconds "$(time_of match)")" "$(seconds "$(time_of keep)")" \
        "$(short "$(ratio_of match keep)")" - -
    row 'the store then: without, with --keep-blobs' "${size[n - 2]}" "${size[n - 3]}, ${size[n - 1]}" - - -
    rm -rf "$W/out" "$W/store"
    match >/dev/null
    out() { rm -rf "$W/out" && lc export -q "$1" "oci:$W/out:1" "${@:2}"; }
    image=$(lc list | cut -d' ' -f1)
    candidate made : again
    candidate anew : anew
    again() { out "$image"; }
    anew() { out "$image" --compression gzip --level 1; }
    measure "$ROUNDS" made anew
    row "export $x as it came, made again: compressed anew" "$(seconds "$(time_of made)")" \
        "$(seconds "$(time_of anew)")" "$(short "$(ratio_of made anew)")" - -
done
