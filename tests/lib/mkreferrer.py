#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds to an OCI layout an artifact that is about a manifest, and prints its digest.

usage: mkreferrer.py LAYOUT SUBJECT TYPE TEXT

SUBJECT is a digest, TEXT the artifact's content. index.json lists it without a name.
"""
import hashlib
import json
import os
import sys

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def put(layout, data, media_type):
    name = hashlib.sha256(data).hexdigest()
    with open(os.path.join(layout, "blobs/sha256", name), "wb") as f:
        f.write(data)
    return {"mediaType": media_type, "digest": "sha256:" + name, "size": len(data)}


def main(layout, subject, kind, text):
    path = os.path.join(layout, "blobs/sha256", subject.split(":")[1])
    size = os.stat(path).st_size if os.path.exists(path) else 1
    made = put(layout, json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
        "config": put(layout, b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [put(layout, text.encode(), kind)],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": size},
        "annotations": {"org.example.note": text[:20]}}).encode(), MANIFEST)
    made["artifactType"] = kind
    with open(layout + "/index.json", encoding="utf-8") as f:
        index = json.load(f)
    index["manifests"].append(made)
    with open(layout + "/index.json", "w", encoding="utf-8") as f:
        json.dump(index, f)
    print(made["digest"])


main(*sys.argv[1:])
