#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Images go out in every form and come back the same; other tools read them; what fails leaves
# nothing.
. "$(dirname "$0")/../lib/tap.sh"
need root python3 jq skopeo umoci

s() { skopeo --insecure-policy "$@"; }
# What an import must say again: image ID and ChainID (which has every DiffID in it).
identity() { lc list | awk -v n="$1" '$1 == n {print $2, $3}'; }
# Directories without entries of their own get the time of unpacking.
differences() { python3 "$lib/treecmp.py" "$@" | grep -vE ': mtime: |[0-9]+ differences?$'; }
# What a killed process may leave and the next one clears.
strays() { find "$1" -name '*.part*' -o -name new -o -name '*.tmp-*'; }

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" big
ok 'import' lc import "oci:$T/img:v1" team/app:v1
ok 'import a large one' lc import "oci:$T/img:big" team/big:v1

for n in app big; do
    name=docker.io/team/$n:v1
    want=$(identity $name)
    for to in "oci:$T/$n.layout:x" "oci-archive:$T/$n.oci.tar:x" "dir:$T/$n.dir" \
        "docker-archive:$T/$n.docker.tar:team/$n:x"; do
        form=${to%%:*}
        ok "$n to $form" lc export team/$n:v1 "$to"
        read -r got id manifest rest <"$T/out"
        is "$n to $form prints name and image ID" "$got $id$rest" "$name ${want% *}"
        [ "$form" = docker-archive ] ||
            is 'and the digest that skopeo computes' \
                "$(s inspect --raw "$to" | sha256sum | cut -c1-64)" "${manifest#sha256:}"
        ok "skopeo copies $n from $form" s copy -q "$to" "dir:$T/copy"
        is 'with the same config' "sha256:$(jq -r .config.digest "$T/copy/manifest.json" | cut -d: -f2)" "$id"
        ok "$n comes back from $form" lc import "$to" "back/$n:$form"
        is 'as the same image' "$(identity "docker.io/back/$n:$form")" "$want"
        rm -rf "$T/copy"
    done
    ok "umoci unpacks $n" umoci unpack --image "$T/$n.layout:x" "$T/$n.bundle"
    ok 'umoci unpacks what came' umoci unpack --image "$T/img:$([ $n = app ] && echo v1 || echo big)" "$T/$n.was"
    is 'to the same tree' "$(differences "$T/$n.was/rootfs" "$T/$n.bundle/rootfs")" ''
    for kind in none gzip zstd; do
        ok "$n with --compression $kind" lc export team/$n:v1 "oci:$T/$n.layout:$kind" --compression $kind
        ok "comes back from $kind" lc import "oci:$T/$n.layout:$kind" "back/$n:$kind"
        is 'as the same image, too' "$(identity "docker.io/back/$n:$kind")" "$want"
        ok "skopeo copies $kind" s copy -q "oci:$T/$n.layout:$kind" "dir:$T/copy"
        rm -rf "$T/copy"
    done
done
is 'a layout keeps its other tags' \
    "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$T/app.layout/index.json" | sort | paste -sd,)" \
    gzip,none,x,zstd

# ---- names, streams, the same bytes ----

ok 'without a tag the image keeps its name' lc export team/app:v1 "oci:$T/named"
ok 'which import takes' lc --store "$T/other" import "oci:$T/named"
is 'in full' "$(cut -d' ' -f1 "$T/out")" docker.io/team/app:v1
lc export -q team/app:v1 oci-archive:-:x >"$T/stream.tar" 2>"$T/err"
tap_report $? 'an archive to standard output'
ok 'a file' lc export team/app:v1 "oci-archive:$T/stream2.tar:x"
ok 'has the very same bytes' cmp "$T/stream.tar" "$T/stream2.tar"
lc export -q team/app:v1 oci-archive:- 2>"$T/err" | lc --store "$T/other" import oci-archive:- piped:v1 >"$T/out"
tap_report $? 'import reads it from a pipe'
ok 'once' lc export team/big:v1 "oci-archive:$T/one.tar"
ok 'and again on one CPU' taskset -c 0 "$BIN/layercache" export team/big:v1 "oci-archive:$T/two.tar"
ok 'gives the same bytes' cmp "$T/one.tar" "$T/two.tar"
layer=$(lc list layers | sort -k2n -t' ' | tail -1 | cut -d' ' -f1)
ok 'a plain tar' lc export "$layer" "tar:$T/l.tar"
is 'is the layer' "sha256:$(sha256sum <"$T/l.tar" | cut -c1-64)" "$layer"
ok 'a compressed tar' lc export "$layer" "tar:$T/l.tar.gz" --compression gzip --level 6
zcat "$T/l.tar.gz" | cmp - "$T/l.tar" >"$T/out" 2>"$T/err"
tap_report $? 'gunzip gives the same tar'
ok 'all layers as one tar' lc export team/app:v1 "tar:$T/flat.tar" --flatten
ok 'is a layer' lc import "tar:$T/flat.tar" flat:v1
ok 'with the same tree' lc diff team/app:v1 flat:v1
is 'to the last attribute' "$(cat "$T/out")" ''
ok 'again' lc export flat:v1 "tar:$T/flat2.tar" --flatten
ok 'is the same tar' cmp "$T/flat.tar" "$T/flat2.tar"
fails_saying 1 'flatten' 'several layers are no tar' lc export team/app:v1 "tar:$T/x"
ok '--json' lc export --json team/app:v1 "dir:$T/json"
is 'tells of each layer' "$(jq '.[0].layers | length == 3 and all(.size > 0)' "$T/out")" true

for i in 1 2 3 4; do lc export -q team/app:v1 "oci:$T/four:t$i" >/dev/null 2>>"$T/four.err" & done
wait
is 'four exports into one new layout' "$(jq '.manifests | length' "$T/four/index.json")$(cat "$T/four.err")" 4

# ---- several platforms ----

s copy -q "oci:$T/img:v1" "oci:$T/multi:one" >/dev/null 2>&1
python3 - "$T/multi" <<'PY'
import hashlib, json, sys
root = sys.argv[1]
def blob(d): return open(root + "/blobs/sha256/" + d[7:], "rb").read()
def put(b):
    d = "sha256:" + hashlib.sha256(b).hexdigest()
    open(root + "/blobs/sha256/" + d[7:], "wb").write(b)
    return {"digest": d, "size": len(b)}
index = json.load(open(root + "/index.json"))
m = json.loads(blob(index["manifests"][0]["digest"]))
out = []
for arch in "amd64", "arm64":
    config = json.loads(blob(m["config"]["digest"]))
    config["architecture"] = arch
    mm = dict(m, config=dict(m["config"], **put(json.dumps(config).encode())))
    out.append(dict(put(json.dumps(mm).encode()), mediaType=index["manifests"][0]["mediaType"],
                    platform={"os": "linux", "architecture": arch}))
top = put(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                      "manifests": out}).encode())
index["manifests"] = [dict(top, mediaType="application/vnd.oci.image.index.v1+json",
                           annotations={"org.opencontainers.image.ref.name": "all"})]
json.dump(index, open(root + "/index.json", "w"))
PY
ok 'import all platforms' lc import --all-platforms "oci:$T/multi:all" multi:v1
for to in "oci:$T/m.layout:x" "dir:$T/m.dir" "oci-archive:$T/m.tar:x"; do
    form=${to%%:*}
    ok "export both platforms to $form" lc export multi:v1 "$to"
    is 'prints two lines' "$(wc -l <"$T/out")" 2
    ok 'both come back' lc --store "$T/m.$form.store" import --all-platforms "$to" multi:v1
    is 'as the same images' "$(lc --store "$T/m.$form.store" list | cut -d' ' -f2-)" \
        "$(lc list | grep multi | cut -d' ' -f2-)"
done
ok 'one platform' lc export multi:v1 --platform linux/arm64 "oci:$T/m.one:x"
is 'is one line' "$(wc -l <"$T/out")" 1
is 'and a manifest' "$(s inspect --raw "oci:$T/m.one:x" | jq -r '.config.digest | length')" 71

# ---- what goes wrong leaves nothing ----

mkdir "$T/mine"
echo mine >"$T/mine/file"
fails_saying 1 'holds no image' 'a directory of something else is left alone' \
    lc export team/app:v1 "oci:$T/mine:x"
fails_saying 1 'holds no image' 'dir: too' lc export team/app:v1 "dir:$T/mine"
is 'and has what it had' "$(find "$T/mine" -type f)" "$T/mine/file"
fails 3 'an unknown image' lc export no/such:v1 "oci:$T/none"
[ ! -e "$T/none" ] && [ ! -e "$T/none.part" ]
tap_report $? 'makes no directory'
fails 2 'an unknown transport' lc export team/app:v1 "nowhere:$T/x"
fails 2 'a level without compression' lc export team/app:v1 "oci:$T/x" --level 3
fails 2 'compression in a docker-archive' lc export team/app:v1 "docker-archive:$T/x" --compression gzip
fails 1 'a layer is no image' lc export "layer:${layer#sha256:}" "oci:$T/x"

mkdir "$T/small"
mount -t tmpfs -o size=2m tmpfs "$T/small"
for to in oci:new oci-archive:a.tar docker-archive:d.tar dir:d tar:l.tar; do
    what=team/big:v1
    [ "${to%%:*}" != tar ] || what=$layer
    fails 1 "no space for ${to%%:*}" lc export "$what" "${to%%:*}:$T/small/${to#*:}" --compression none
    is 'nothing is left' "$(ls -A "$T/small")" ''
done
umount "$T/small"

cp -a "$T/app.layout" "$T/kill.layout"
index=$(sha256sum <"$T/kill.layout/index.json")
for ms in 5 20 50 100; do
    for to in "oci:$T/kill.layout:big" "oci-archive:$T/k.tar" "dir:$T/k.dir"; do
        "$BIN/layercache" export -q team/big:v1 "$to" --compression zstd --level 12 >/dev/null 2>&1 &
        sleep "$(printf '0.%03d' $ms)"
        kill -9 $! 2>/dev/null
        wait $! 2>/dev/null
    done
    [ -e "$T/k.tar" ] && ! lc --store "$T/k$ms" import -q "oci-archive:$T/k.tar" >"$T/out" 2>"$T/err"
    [ $? = 1 ] && { [ ! -e "$T/k.dir" ] || lc --store "$T/k$ms" import -q "dir:$T/k.dir" k:v1 >"$T/out" 2>"$T/err"; }
    tap_report $? "killed after $ms ms nothing half-done is there"
done
[ "$(sha256sum <"$T/kill.layout/index.json")" = "$index" ] || lc import -q "oci:$T/kill.layout:big" k:l >"$T/out" 2>"$T/err"
tap_report $? 'a layout has the image or not'
ok 'the next export works' lc export team/big:v1 "oci:$T/kill.layout:big"
ok 'into archives too' lc export team/big:v1 "oci-archive:$T/k.tar"
ok 'and directories' lc export team/big:v1 "dir:$T/k.dir"
is 'and clears what was left' "$(strays "$T/kill.layout"; ls -d "$T"/k.*part 2>/dev/null)" ''
ok 'all images in the layout are whole' lc import "oci:$T/kill.layout:big" k:again
ok 'verify' lc verify
done_testing
