#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes BuildKit build caches for the tests, as OCI layouts.

usage: mkcache.py hostile DIR   DIR/<case>/ layouts; DIR/cases: "<case> <pattern>"; and DIR/big,
                                a good one with many steps
Deterministic: the same command gives the same bytes.
"""
import hashlib
import io
import json
import os
import sys
import tarfile

PLAIN = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CACHE = "application/vnd.buildkit.cacheconfig.v0"
WHEN = "2026-01-02T03:04:05.6Z"


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(doc):
    return json.dumps(doc, separators=(",", ":")).encode()


def tar_of(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(name)
        tar.addfile(info, io.BytesIO(name.encode()))
    return out.getvalue()


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256")
        with open(path + "/oci-layout", "w", encoding="ascii") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, media_type, notes=None):
        digest = sha(data)
        with open(self.path + "/blobs/sha256/" + digest[7:], "wb") as f:
            f.write(data)
        desc = {"mediaType": media_type, "digest": digest, "size": len(data)}
        if notes:
            desc["annotations"] = notes
        return desc

    def layer(self, data, notes=True):
        return self.blob(data, PLAIN, {"containerd.io/uncompressed": sha(data)} if notes else None)

    def root(self, manifest, media_type=MANIFEST):
        desc = self.blob(dump(manifest), media_type,
                         {"org.opencontainers.image.ref.name": "latest"})
        with open(self.path + "/index.json", "wb") as f:
            f.write(dump({"schemaVersion": 2, "manifests": [desc]}))

    def cache(self, config, layers, config_type=CACHE):
        raw = config if isinstance(config, bytes) else dump(config)
        self.root({"schemaVersion": 2, "mediaType": MANIFEST,
                   "config": self.blob(raw, config_type), "layers": layers})


def record(name, link=None, layer=None):
    r = {}
    if layer is not None:
        r["layers"] = [{"layer": layer, "createdAt": WHEN}]
    r["digest"] = sha(name.encode())
    if link is not None:
        r["inputs"] = [[{"link": link}]]
    return r


def hostile(top):
    tar = tar_of("file")
    one = {"blob": sha(tar), "parent": -1}
    root = record("root")
    good = {"layers": [one], "records": [root, record("step", 0, 0)]}
    cases = []

    def case(name, pattern, config, notes=True, **kw):
        layout = Layout(f"{top}/{name}")
        layout.cache(config, [layout.layer(tar, notes)], **kw)
        cases.append(f"{name} {pattern}")

    case("not-json", "bad JSON", b"[[[")
    case("deep", "nested deeper", b"[" * 1000 + b"]" * 1000)
    case("huge", "larger than|too many values", b'{"x":"' + b"a" * (5 << 20) + b'"}')
    case("wide", "too many values", b'{"x":[' + b"1," * 700000 + b"1]}")
    case("parent-cycle", "own parents", {"layers": [{"blob": sha(tar)}], "records": [root]})
    case("parent-missing", "parent 7 is out of range",
         {"layers": [{"blob": sha(tar), "parent": 7}], "records": [root]})
    case("input-cycle", "own inputs", {"layers": [one], "records": [record("a", 1),
                                                                   record("b", 0)]})
    case("link-missing", "link 9 is out of range", {"layers": [one], "records": [record("a", 9)]})
    case("layer-missing", "layer 3 is out of range",
         {"layers": [one], "records": [record("a", None, 3)]})
    case("duplicate-keys", "duplicate", b'{"records":[],"records":[]}')
    case("case-twins", "mistaken", {"records": [], "RECORDS": []})
    case("digest-is-path", "digest", {"layers": [], "records": [{"digest": "sha256:../../../x"}]})
    case("selector-is-path", "digest", {"records": [root, {
        "digest": sha(b"s"), "inputs": [[{"selector": "/etc/passwd", "link": 0}]]}]})
    case("blob-is-path", "digest", {"layers": [{"blob": "/etc/passwd"}]})
    case("empty-input", "no record", {"records": [{"digest": sha(b"s"), "inputs": [[]]}]})
    case("no-diffid", "does not say its DiffID", good, notes=False)
    case("array", "not an object", b"[]")

    layout = Layout(f"{top}/wrong-diffid")
    layer = layout.layer(tar)
    layer["annotations"]["containerd.io/uncompressed"] = sha(b"other")
    layout.cache(good, [layer])
    cases.append("wrong-diffid DiffID")
    layout = Layout(f"{top}/blob-gone")
    layer = layout.layer(tar)
    layout.cache(good, [layer])
    os.unlink(f"{top}/blob-gone/blobs/sha256/{layer['digest'][7:]}")
    cases.append("blob-gone lacks|missing|no blob|not have")
    layout = Layout(f"{top}/layer-type")
    layer = layout.layer(tar)
    layer["mediaType"] = "text/plain"
    layout.cache(good, [layer])
    cases.append("layer-type unknown media type")
    layout = Layout(f"{top}/two-configs")
    config = layout.blob(dump(good), CACHE)
    layout.root({"schemaVersion": 2, "mediaType": INDEX,
                 "manifests": [layout.layer(tar), config, config]}, INDEX)
    cases.append("two-configs ambiguous")
    layout = Layout(f"{top}/short")
    config = layout.blob(dump(good), CACHE)
    config["size"] -= 1
    layout.root({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                 "layers": [layout.layer(tar)]})
    cases.append("short has the size")
    with open(top + "/cases", "w", encoding="ascii") as f:
        f.write("".join(c + "\n" for c in cases))


def big(path):
    """2000 steps: 500 chains of four layers, on one base."""
    layout = Layout(path)
    tars = [tar_of(f"f{i}") for i in range(4)]
    layers, records = [], [record("base")]
    for chain in range(500):
        for i in range(4):
            at = len(layers)
            layers.append({"blob": sha(tars[(i + chain) % 4])})
            if i == 0:
                layers[-1]["parent"] = -1
            elif at > 1:
                layers[-1]["parent"] = at - 1
            records.append(record(f"step {chain} {i}", len(records) - 1 if i else 0, at))
    layout.cache({"layers": layers, "records": records}, [layout.layer(t) for t in tars])


def main():
    if sys.argv[1] == "hostile":
        os.makedirs(sys.argv[2])
        hostile(sys.argv[2])
        big(sys.argv[2] + "/big")
    else:
        sys.exit(__doc__)


main()
