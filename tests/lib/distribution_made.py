#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More parts of distribution.py, called like it: blobs that the registry makes for who asks."""
import sys
import threading

import distribution
from distribution import artifact, ask, check, digest, put_blob, put_manifest, ranges


def blob_as(repo, file):
    """A blob that is not in the store as it is: its bytes are made for who asks."""
    with open(file, "rb") as f:
        data = f.read()
    path = "/v2/%s/blobs/%s" % (repo, digest(data))
    h = ask("HEAD", path)
    check("HEAD of a blob that has to be made", h.status == 200 and not h.body and
          h.headers["Content-Length"] == str(len(data)) and
          h.headers["Docker-Content-Digest"] == digest(data), h)
    r = ask("GET", path)
    check("it is made", r.status == 200 and r.body == data, r)
    ranges(path, data, "a made blob")
    r = ask("POST", "/v2/x/blobs/uploads/?mount=%s&from=%s" % (digest(data), repo))
    check("it can be mounted, where that is allowed", r.status in (201, 405), r)
    seen = []
    def get():
        seen.append(ask("GET", path).body == data)
    threads = [threading.Thread(target=get) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("by many at once", seen == [True] * 4, seen)


def artifact_of(repo, file):
    """An artifact that has such a blob."""
    with open(file, "rb") as f:
        data = f.read()
    put_blob(repo, b"{}")
    r, document = put_manifest(repo, "artifact", artifact([data]))
    check("an artifact with a blob that is made", r.status == 201, r)
    check("and its blob", ask("GET", "/v2/%s/blobs/%s" % (repo, digest(data))).body == data)


def blob_gone(repo, name):
    r = ask("HEAD", "/v2/%s/blobs/%s" % (repo, name))
    check("what cannot be made is not there", r.status == 404, r)


if __name__ == "__main__":
    distribution.ADDRESS = sys.argv[1]
    globals()[sys.argv[2]](*sys.argv[3:])
