#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How long a pull over loopback takes, from `layercache serve` and from docker-registry, and
# how soon a manifest is there. Both have the image on disk and in the page cache.
. "$(dirname "$0")/lib.sh"
target=node-app tag=v1

start_registry 8197 quiet || exit 1
lc import "oci:$CORPORA/$target:$tag" plain:1 >/dev/null 2>&1
"$BIN/layercache" --store "$W/kept" import --keep-blobs "oci:$CORPORA/$target:$tag" kept:1 >/dev/null 2>&1
"$BIN/layercache" --store "$W/store" serve --quiet 127.0.0.1:8198 >/dev/null &
plain=$!
"$BIN/layercache" --store "$W/kept" serve --quiet 127.0.0.1:8199 >/dev/null &
kept=$!
sleep 2
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$CORPORA/$target:$tag" docker://127.0.0.1:8197/app:1

empty() { rm -rf "$W/pulled"; }
pull() { skopeo --insecure-policy copy -q --src-tls-verify=false "docker://127.0.0.1:$1" "dir:$W/pulled"; }
ours() { pull 8198/plain:1; }
ours_kept() { pull 8199/kept:1; }
peer() { pull 8197/app:1; }
candidate ours empty ours
candidate kept empty ours_kept
candidate peer empty peer
measure "$ROUNDS" ours kept peer
goal "pull $target:$tag by skopeo, as it came: docker-registry" kept peer '<=' 1.1
row 'the same of one that was not kept, as plain tars' "$(seconds "$(time_of ours)")" \
    "$(seconds "$(time_of peer)")" "$(short "$(ratio_of ours peer)")" - -

first_byte() { # port/name/reference
    python3 - "$1" <<'END'
import http.client, statistics, sys, time
port, rest = sys.argv[1].split("/", 1)
c, times = http.client.HTTPConnection("127.0.0.1", int(port)), []
for _ in range(200):
    started = time.perf_counter()
    c.request("GET", "/v2/" + rest, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    c.getresponse().read()
    times.append(time.perf_counter() - started)
print("%.6f" % statistics.median(times))
END
}
a=$(first_byte 8198/plain/manifests/1)
b=$(first_byte 8197/app/manifests/1)
micro() { awk -v s="$1" 'BEGIN {printf "%.2f ms\n", s * 1000}'; }
fact 'a manifest over loopback: docker-registry' "$(micro "$a")" "$(micro "$b")" \
    "$(awk -v a="$a" -v b="$b" 'BEGIN {print a / b}')" '<=' 1.0
kill "$plain" "$kept"
wait "$plain" "$kept"
