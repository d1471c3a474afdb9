#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: partial.sh [CORPORA] - pull of python-app:v5 where v4 is there, as zstd:chunked: bytes that
# docker-registry sends, against the content that changed and against whole layers. As root.
if [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
set -eu
corpora=${1:-${CORPORA:?where are the corpora?}}
here=$(cd "$(dirname "$0")/../.." && pwd)
lc() { "${BIN:-$here/build/release}/layercache" --store "$@"; }
T=$(mktemp -d "${TMPDIR:-/var/tmp}/layercache-partial.XXXXXX")
registry=
trap 'kill $registry; wait; rm -rf "$T"' EXIT
ip link set lo up
cat >"$T/reg.yml" <<Y
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/reg}}
http: {addr: "127.0.0.1:5000"}
Y
docker-registry serve "$T/reg.yml" >>"$T/reg.log" 2>&1 &
registry=$!
app=127.0.0.1:5000/python-app
for v in v4 v5; do
    lc "$T/a" import -q "oci:$corpora/python-app:$v" app:$v >/dev/null
    lc "$T/a" push -q app:$v $app:$v --compression zstd:chunked >/dev/null
    lc "$T/a" export -q app:$v "oci:$T/l:$v" --compression zstd:chunked >/dev/null
done
lc "$T/b" pull -q $app:v4 >/dev/null
truncate -s 0 "$T/reg.log"
began=$(date +%s%N)
lc "$T/b" pull $app:v5
echo "time: $((($(date +%s%N) - began) / 1000000)) ms"
echo "sent: $(grep -a '"GET /v2/' "$T/reg.log" | awk '{s += $10; n++} END {print s " bytes in " n " answers"}')"
python3 - "$T/l" "$corpora/python-app" <<'P'
import json, subprocess, sys

def manifests(layout):
    with open(layout + "/index.json") as f:
        for m in json.load(f)["manifests"]:
            with open(layout + "/blobs/" + m["digest"].replace(":", "/")) as b:
                yield m["annotations"]["org.opencontainers.image.ref.name"], json.load(b)

def table(layout, layer):
    """The digests of files and chunks with their compressed sizes, and bytes of metadata."""
    note = {k.rsplit(".", 1)[1]: v for k, v in layer["annotations"].items()}
    at, size = map(int, note["manifest-position"].split(":")[:2])
    split = int(note["tarsplit-position"].split(":")[1])
    with open(layout + "/blobs/" + layer["digest"].replace(":", "/"), "rb") as f:
        f.seek(at)
        text = subprocess.run(["zstd", "-dc"], input=f.read(size), stdout=subprocess.PIPE).stdout
    rows, out = json.loads(text)["entries"], []
    for row, after in zip(rows, rows[1:] + [{}]):
        if "offset" not in row:
            continue
        if row["type"] == "reg":
            whole, end = row["digest"], row["endOffset"]
        stop = after["offset"] if after.get("type") == "chunk" else end
        out.append((whole, row.get("chunkDigest", whole), stop - row["offset"]))
    return out, size + split

layout, corpus = sys.argv[1:]
have, layers = set(), {}
new = {v: m["layers"] for v, m in manifests(layout)}
for layer in new["v4"]:
    for whole, chunk, _ in table(layout, layer)[0]:
        have |= {whole, chunk}
old = {layer["digest"] for layer in new["v4"]}
content = metadata = whole_layers = 0
for layer in new["v5"]:
    if layer["digest"] in old:
        continue
    rows, extra = table(layout, layer)
    content += sum(n for whole, chunk, n in rows if whole not in have and chunk not in have)
    metadata += extra
    whole_layers += layer["size"]
gzip = {v: m["layers"] for v, m in manifests(corpus)}
known = {layer["digest"] for layer in gzip["v4"]}
print("changed content, compressed:", content)
print("tables of contents and tar-split:", metadata)
print("the new layers as a whole:", whole_layers)
print("the new layers as gzip:", sum(x["size"] for x in gzip["v5"] if x["digest"] not in known))
P
