#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What changed between two zstd:chunked images of one layout, in compressed bytes.

usage: chunked_changed.py LAYOUT OLD NEW

Prints "CONTENT TABLES LAYERS": content that OLD does not have, tables of contents and
tar-split of the layers that are new, and these layers as a whole.
"""
import json
import subprocess
import sys


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


def main(layout, old_tag, new_tag):
    have = set()
    images = {v: m["layers"] for v, m in manifests(layout)}
    for layer in images[old_tag]:
        for whole, chunk, _ in table(layout, layer)[0]:
            have |= {whole, chunk}
    old = {layer["digest"] for layer in images[old_tag]}
    content = tables = layers = 0
    for layer in images[new_tag]:
        if layer["digest"] in old:
            continue
        rows, extra = table(layout, layer)
        content += sum(n for whole, chunk, n in rows if whole not in have and chunk not in have)
        tables += extra
        layers += layer["size"]
    print(content, tables, layers)


main(*sys.argv[1:])
