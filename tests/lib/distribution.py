#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a registry what the OCI distribution specification says it must answer.

    distribution.py HOST:PORT PART [ARGUMENT...]

Prints "ok TITLE" or "not ok TITLE" for each check. PART is the name of a function below.
"""
import hashlib
import http.client
import json
import os
import socket
import sys
import threading
import time

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution.manifest."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
ADDRESS = ""


def check(title, passed, seen=""):
    print("%s %s" % ("ok" if passed else "not ok", title))
    if not passed:
        print("# %.600s" % (seen,))
    sys.stdout.flush()


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __str__(self):
        return "%d %s %r" % (self.status, dict(self.headers), self.body[:200])

    def json(self):
        return json.loads(self.body)

    def code(self):
        try:
            return self.json()["errors"][0]["code"]
        except (ValueError, KeyError):
            return None


def ask(method, path, body=None, connection=None, **headers):
    c = connection or http.client.HTTPConnection(ADDRESS, timeout=60)
    c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    reply = Reply(c.getresponse())
    if not connection:
        c.close()
    return reply


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put_blob(repo, data):
    at = ask("POST", "/v2/%s/blobs/uploads/" % repo).headers["Location"]
    return ask("PUT", at + "?digest=" + digest(data), data, Content_Type="application/octet-stream")


def put_manifest(repo, ref, document, media_type=MANIFEST):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ask("PUT", "/v2/%s/manifests/%s" % (repo, ref), data, Content_Type=media_type), data


def describe(data, media_type, **more):
    return dict({"mediaType": media_type, "digest": digest(data), "size": len(data)}, **more)


def artifact(blobs, config=b"{}", **more):
    return dict({"schemaVersion": 2, "mediaType": MANIFEST,
                 "config": describe(config, "application/vnd.oci.empty.v1+json"),
                 "layers": [describe(b, "application/x.test") for b in blobs]}, **more)


# ---- pull and discovery ----


def pull(repo, tag, layout):
    """The image of a layout, imported without its blobs and served as plain tars."""
    base = "/v2/%s/" % repo
    r = ask("GET", "/v2/")
    check("the base answers", r.status == 200 and
          r.headers["Docker-Distribution-API-Version"] == "registry/2.0", r)
    r = ask("GET", base + "manifests/" + tag)
    check("a manifest by tag", r.status == 200 and r.headers["Content-Type"] == MANIFEST, r)
    check("says its digest", r.headers["Docker-Content-Digest"] == digest(r.body), r)
    h = ask("HEAD", base + "manifests/" + tag)
    check("HEAD says the same", h.status == 200 and not h.body and
          h.headers["Content-Length"] == str(len(r.body)) and
          h.headers["Docker-Content-Digest"] == digest(r.body), h)
    d = ask("GET", base + "manifests/" + digest(r.body))
    check("the same manifest by digest", d.status == 200 and d.body == r.body, d)
    n = ask("GET", base + "manifests/" + tag, If_None_Match=r.headers["ETag"])
    check("and not again for who has it", n.status == 304 and not n.body, n)
    m = r.json()
    with open(os.path.join(layout, "index.json")) as f:
        index = json.load(f)["manifests"]
    came = [x for x in index if x["annotations"]["org.opencontainers.image.ref.name"] == tag][0]
    o = ask("GET", base + "manifests/" + came["digest"])
    check("the old manifest, whose blobs were not kept, is not there", o.status == 404 and
          o.code() == "MANIFEST_UNKNOWN", o)
    with open(os.path.join(layout, "blobs/sha256", came["digest"][7:])) as f:
        old = json.load(f)
    check("config and image ID are the old ones", m["config"]["digest"] == old["config"]["digest"])
    config = ask("GET", base + "blobs/" + m["config"]["digest"])
    check("the config comes verbatim", digest(config.body) == m["config"]["digest"], config)
    diffids = config.json()["rootfs"]["diff_ids"]
    check("layers are named by their DiffIDs", [x["digest"] for x in m["layers"]] == diffids)
    for i, layer in enumerate(m["layers"]):
        b = ask("GET", base + "blobs/" + layer["digest"])
        check("layer %d has its digest and size" % i, digest(b.body) == layer["digest"] and
              len(b.body) == layer["size"], b)
        h = ask("HEAD", base + "blobs/" + layer["digest"])
        check("layer %d: HEAD says so" % i, h.headers["Content-Length"] == str(layer["size"]), h)
        ranges(base + "blobs/" + layer["digest"], b.body, "layer %d" % i)
    missing = "sha256:" + "0" * 64
    r = ask("GET", base + "blobs/" + missing)
    check("an unknown blob", r.status == 404 and r.code() == "BLOB_UNKNOWN", r)
    r = ask("GET", base + "manifests/" + missing)
    check("an unknown manifest", r.status == 404 and r.code() == "MANIFEST_UNKNOWN", r)
    r = ask("GET", base + "manifests/none")
    check("an unknown tag", r.status == 404 and r.code() == "MANIFEST_UNKNOWN", r)
    r = ask("GET", base + "referrers/" + m["config"]["digest"])
    check("nothing is about it: an empty index", r.status == 200 and
          r.headers["Content-Type"] == INDEX and r.json()["manifests"] == [], r)
    for method, path in (("PUT", "manifests/new"), ("DELETE", "manifests/" + tag),
                         ("POST", "blobs/uploads/"), ("DELETE", "blobs/" + missing)):
        r = ask(method, base + path, b"")
        check("read-only: no %s" % method, r.status == 405 and r.code() == "UNSUPPORTED" and
              "PUT" not in r.headers.get("Allow", ""), r)


def ranges(path, data, what):
    n = len(data)
    good = [("bytes=0-0", 0, 1), ("bytes=0-", 0, n), ("bytes=%d-" % (n - 1), n - 1, n),
            ("bytes=-7", n - 7, n), ("bytes=%d-%d" % (n // 3, n // 2), n // 3, n // 2 + 1),
            ("bytes=10-99999999999", 10, n), ("bytes=-99999999999", 0, n)]
    bad = ""
    for text, a, b in good:
        r = ask("GET", path, Range=text)
        if r.status != 206 or r.body != data[a:b] or \
                r.headers["Content-Range"] != "bytes %d-%d/%d" % (a, b - 1, n):
            bad += "%s: %s; " % (text, r)
    check("%s in ranges" % what, not bad, bad)
    bad = ""
    for text in ("bytes=5-2", "bytes=a-b", "bytes", "lines=1-2", "bytes=1-2,4-5", "bytes=--1",
                 "bytes=99999999999999999999999-", "bytes=-"):
        r = ask("GET", path, Range=text)
        if r.status != 200 or r.body != data:
            bad += "%s: %s; " % (text, r)
    check("%s whole where the range is none" % what, not bad, bad)
    bad = [r for r in (ask("GET", path, Range=t) for t in ("bytes=%d-" % n, "bytes=-0"))
           if r.status != 416 or r.headers["Content-Range"] != "bytes */%d" % n]
    check("%s: no range outside of it" % what, not bad, bad and bad[0])
    r = ask("GET", path, Range="bytes=1-2", If_Range='"other"')
    check("%s whole if it is another one" % what, r.status == 200, r)


def lists(repo, *tags):
    path, seen = "/v2/%s/tags/list?n=2" % repo, []
    for _ in range(9):
        r = ask("GET", path)
        seen += r.json()["tags"]
        if "Link" not in r.headers:
            break
        path = r.headers["Link"].split(">")[0][1:]
    check("tags by pages", seen == sorted(tags), seen)
    r = ask("GET", "/v2/%s/tags/list" % repo)
    check("tags at once", r.json() == {"name": repo, "tags": sorted(tags)}, r)
    r = ask("GET", "/v2/%s/tags/list?n=0" % repo)
    check("no tags", r.json()["tags"] == [] and "Link" not in r.headers, r)
    r = ask("GET", "/v2/%s/tags/list?n=x" % repo)
    check("n must be a number", r.status == 400, r)
    r = ask("GET", "/v2/nothing/of/it/tags/list")
    check("tags of an unknown repository", r.status == 404 and r.code() == "NAME_UNKNOWN", r)


def catalog(*repos):
    r = ask("GET", "/v2/_catalog")
    check("all repositories", r.json()["repositories"] == list(repos), r)
    r = ask("GET", "/v2/_catalog?n=1&last=" + repos[0])
    check("one of them", r.json()["repositories"] == [repos[1]] and "Link" in r.headers, r)


def same(repo, tag, path):
    """What a repository and tag gives has the image ID that a file has."""
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, tag))
    check("%s:%s" % (repo, tag), r.status == 200 and r.json()["config"]["digest"] == path, r)


# ---- push and management ----


def uploads():
    base, data = "/v2/up/load/blobs/", os.urandom(300000)
    name = digest(data)
    r = put_blob("up/load", data)
    check("POST, then PUT", r.status == 201 and r.headers["Docker-Content-Digest"] == name, r)
    r = ask("GET", r.headers["Location"])
    check("the blob is there at its Location", r.status == 200 and r.body == data, r)
    ranges(base + name, data, "an uploaded blob")
    one = os.urandom(5000)
    r = ask("POST", base + "uploads/?digest=" + digest(one), one)
    check("all in one POST", r.status == 201 and
          ask("HEAD", base + digest(one)).headers["Content-Length"] == "5000", r)
    r = ask("POST", base + "uploads/")
    check("an upload begins", r.status == 202 and r.headers["Range"] == "0-0", r)
    at, chunks = r.headers["Location"], os.urandom(70000)
    for a, b in ((0, 20000), (20000, 20001), (20001, 70000)):
        r = ask("PATCH", at, chunks[a:b], Content_Range="%d-%d" % (a, b - 1))
        check("a piece", r.status == 202 and r.headers["Range"] == "0-%d" % (b - 1), r)
        at = r.headers["Location"]
    r = ask("PATCH", at, b"x" * 10, Content_Range="5-14")
    check("a piece at the wrong place", r.status == 416 and r.headers["Range"] == "0-69999", r)
    r = ask("PATCH", at, b"x" * 10, Content_Range="70000-70004")
    check("a piece of the wrong length", r.status == 400, r)
    r = ask("GET", at)
    check("how far it is", r.status == 204 and r.headers["Range"] == "0-69999", r)
    r = ask("PUT", at + "?digest=" + digest(chunks))
    check("and the end", r.status == 201 and ask("GET", base + digest(chunks)).body == chunks, r)
    r = ask("PATCH", at, b"x")
    check("an upload that has ended", r.status == 404 and r.code() == "BLOB_UPLOAD_UNKNOWN", r)
    at = ask("POST", base + "uploads/").headers["Location"]
    r = ask("DELETE", at)
    check("given up", r.status == 204 and ask("GET", at).status == 404, r)
    at = ask("POST", base + "uploads/").headers["Location"]
    r = ask("PUT", at + "?digest=" + digest(b"other"), b"this")
    check("another digest than said", r.status == 400 and r.code() == "DIGEST_INVALID" and
          ask("HEAD", base + digest(b"other")).status == 404 and
          ask("HEAD", base + digest(b"this")).status == 404, r)
    at = ask("POST", base + "uploads/").headers["Location"]
    for query in ("", "?digest=", "?digest=sha256:12", "?digest=md5:" + "0" * 32):
        r = ask("PUT", at + query, b"this")
        check("no digest: %r" % query, r.status == 400 and r.code() == "DIGEST_INVALID", r)
    r = ask("POST", base + "uploads/?mount=%s&from=some/where" % name)
    check("mounted from another repository", r.status == 201 and
          r.headers["Location"] == base + name, r)
    r = ask("POST", base + "uploads/?mount=%s&from=some/where" % digest(b"nothing"))
    check("not mounted: an upload", r.status == 202 and "uploads/" in r.headers["Location"], r)
    r = ask("DELETE", base + name)
    check("a blob that nothing needs goes", r.status == 202 and
          ask("HEAD", base + name).status == 404, r)
    r = ask("DELETE", base + name)
    check("but once", r.status == 404, r)


def broken_off():
    """A connection that ends in the middle: what came stays, and can be gone on with."""
    data = os.urandom(200000)
    at = ask("POST", "/v2/b/blobs/uploads/").headers["Location"]
    host, port = ADDRESS.split(":")
    with socket.create_connection((host, int(port))) as s:
        s.sendall(b"PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" % at.encode())
        s.sendall(data[:50000])
    have = 0
    for _ in range(100):
        r = ask("GET", at)
        have = int(r.headers.get("Range", "0-0").split("-")[1]) + 1
        if r.status == 204 and have > 1:
            break
        time.sleep(0.1)
    check("a truncated piece counts as far as it came", 1 < have <= 50000, r)
    ask("PATCH", at, data[have:])
    r = ask("PUT", at + "?digest=" + digest(data))
    check("and the rest makes it whole", r.status == 201, r)


def artifacts():
    blobs = [os.urandom(70000), b"small", b""]
    for b in blobs + [b"{}"]:
        put_blob("art", b)
    document = artifact(blobs, artifactType="application/x.art", annotations={"k": "v"})
    r, data = put_manifest("art", "v1", document)
    check("an artifact", r.status == 201 and r.headers["Docker-Content-Digest"] == digest(data), r)
    for ref in ("v1", digest(data)):
        r = ask("GET", "/v2/art/manifests/" + ref)
        check("comes back verbatim", r.body == data and r.headers["Content-Type"] == MANIFEST, r)
    bad = [b for b in blobs if ask("GET", "/v2/art/blobs/" + digest(b)).body != b]
    check("and so do its blobs", not bad, bad)
    about = artifact([b"small"], subject=describe(data, MANIFEST), artifactType="application/x.sig")
    r, sig = put_manifest("art", digest(json.dumps(about).encode()), about)
    check("something about it", r.status == 201 and r.headers["OCI-Subject"] == digest(data), r)
    r = ask("GET", "/v2/art/referrers/" + digest(data))
    check("is among its referrers", r.json()["manifests"] == [describe(
        sig, MANIFEST, artifactType="application/x.sig")], r)
    r = ask("GET", "/v2/art/referrers/%s?artifactType=application/x.sig" % digest(data))
    check("of this type", len(r.json()["manifests"]) == 1 and
          r.headers["OCI-Filters-Applied"] == "artifactType", r)
    r = ask("GET", "/v2/art/referrers/%s?artifactType=other" % digest(data))
    check("of no other", r.json()["manifests"] == [], r)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [describe(data, MANIFEST)]}
    r, both = put_manifest("art", "index", index, INDEX)
    check("an index of artifacts", r.status == 201 and
          ask("GET", "/v2/art/manifests/index").body == both, r)
    cache = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        describe(blobs[0], OCI + "layer.v1.tar+gzip"),
        describe(b"small", "application/vnd.buildkit.cacheconfig.v0")]}
    r, old = put_manifest("art", "cache", cache, INDEX)
    check("BuildKit's cache in its older form", r.status == 201 and
          ask("GET", "/v2/art/manifests/cache").body == old, r)
    r = ask("DELETE", "/v2/art/manifests/" + digest(sig))
    check("deleted by digest", r.status == 202, r)
    r = ask("GET", "/v2/art/manifests/" + digest(sig))
    check("it is gone", r.status == 404 and
          ask("GET", "/v2/art/referrers/" + digest(data)).json()["manifests"] == [], r)
    r = ask("DELETE", "/v2/art/manifests/" + digest(sig))
    check("but once", r.status == 404 and r.code() == "MANIFEST_UNKNOWN", r)
    r = ask("DELETE", "/v2/art/manifests/cache")
    check("deleted by tag", r.status == 202 and
          ask("GET", "/v2/art/manifests/cache").status == 404 and
          ask("GET", "/v2/art/manifests/v1").status == 200, r)
    r = ask("DELETE", "/v2/art/blobs/" + digest(b"small"))
    check("a blob in use stays", r.status == 405, r)
    with open(os.environ["T"] + "/artifact", "w") as f:
        f.write(json.dumps({"manifest": digest(data), "blobs": [digest(b) for b in blobs]}))


def artifact_there():
    with open(os.environ["T"] + "/artifact") as f:
        known = json.load(f)
    r = ask("GET", "/v2/art/manifests/v1")
    check("the artifact is still there", digest(r.body) == known["manifest"], r)
    bad = [b for b in known["blobs"] if digest(ask("GET", "/v2/art/blobs/" + b).body) != b]
    check("with its blobs", not bad, bad)


def indexes(layout):
    """An index as buildx pushes it: two platforms, and what says how one was built."""
    def blob(d):
        with open(os.path.join(layout, "blobs/sha256", d[7:]), "rb") as f:
            return f.read()

    with open(os.path.join(layout, "index.json")) as f:
        manifest = json.loads(blob(json.load(f)["manifests"][0]["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    for layer in manifest["layers"]:
        put_blob("multi", blob(layer["digest"]))
    items, bodies = [], []
    for arch in ("amd64", "arm64"):
        other = json.dumps(dict(config, architecture=arch)).encode()
        put_blob("multi", other)
        data = json.dumps(dict(manifest, config=describe(other, CONFIG))).encode()
        r, _ = put_manifest("multi", digest(data), data)
        check("an image without a name: " + arch, r.status == 201 and
              ask("GET", "/v2/multi/manifests/" + digest(data)).body == data, r)
        bodies.append(data)
        items.append(describe(data, MANIFEST, platform={"architecture": arch, "os": "linux"}))
    for b in (b"{}", b"in-toto"):
        put_blob("multi", b)
    says = json.dumps(artifact([b"in-toto"])).encode()
    put_manifest("multi", digest(says), says)
    items.append(describe(says, MANIFEST, platform={"architecture": "unknown", "os": "unknown"},
                          annotations={"vnd.docker.reference.type": "attestation-manifest",
                                       "vnd.docker.reference.digest": digest(bodies[0])}))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": items}
    r, data = put_manifest("multi", "v1", index, INDEX)
    check("an index", r.status == 201, r)
    for ref in ("v1", digest(data)):
        r = ask("GET", "/v2/multi/manifests/" + ref)
        check("comes back verbatim", r.body == data and r.headers["Content-Type"] == INDEX, r)
    r = ask("GET", "/v2/multi/manifests/v1", Accept="text/html, %s;q=0.5" % MANIFEST)
    check("one image for who takes no index", r.status == 200 and
          r.headers["Content-Type"] == MANIFEST and r.body in bodies, r)
    r = ask("GET", "/v2/multi/manifests/v1", Accept="*/*")
    check("all for who takes anything", r.body == data, r)
    r = ask("GET", "/v2/multi/manifests/" + digest(says))
    check("what is about one is there", r.body == says, r)
    index["manifests"] = items[:1] + [dict(items[1], digest="sha256:" + "5" * 64)]
    r, _ = put_manifest("multi", "v2", index, INDEX)
    check("an index of what is not here", r.status == 400 and
          r.code() == "MANIFEST_BLOB_UNKNOWN", r)
    with open(os.environ["T"] + "/index", "w") as f:
        f.write(json.dumps([digest(data), digest(says)]))


def indexes_there():
    with open(os.environ["T"] + "/index") as f:
        index, says = json.load(f)
    r = ask("GET", "/v2/multi/manifests/v1")
    check("the index is still there", digest(r.body) == index, r)
    r = ask("GET", "/v2/multi/manifests/" + says)
    check("and what is about its image", digest(r.body) == says, r)


def platforms(repo, tag, count):
    """An index that was made of images whose blobs were not kept."""
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, tag))
    check("several platforms are an index", r.headers["Content-Type"] == INDEX and
          len(r.json()["manifests"]) == int(count), r)
    again = ask("GET", "/v2/%s/manifests/%s" % (repo, digest(r.body)))
    check("which is there by its digest", again.body == r.body, again)
    for m in r.json()["manifests"]:
        one = ask("GET", "/v2/%s/manifests/%s" % (repo, m["digest"]))
        check("as is each image: " + m["platform"]["architecture"], one.status == 200 and
              digest(one.body) == m["digest"] and len(one.body) == m["size"], one)


def image_deleted(repo, tag):
    """By the digest that is served, whatever manifest it was made from."""
    d = ask("HEAD", "/v2/%s/manifests/%s" % (repo, tag)).headers["Docker-Content-Digest"]
    r = ask("DELETE", "/v2/%s/manifests/%s" % (repo, d))
    check("an image deleted by digest", r.status == 202, r)
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, tag))
    check("is gone by tag", r.status == 404, r)
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, d))
    check("and by digest", r.status == 404, r)


def deleted_here(repo, tag, other, other_tag):
    """By its digest, from one of two repositories that have it."""
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, tag))
    r = ask("DELETE", "/v2/%s/manifests/%s" % (repo, digest(r.body)))
    check("an image deleted from one repository", r.status == 202, r)
    r = ask("GET", "/v2/%s/manifests/%s" % (repo, tag))
    check("is gone there", r.status == 404, r)
    r = ask("GET", "/v2/%s/manifests/%s" % (other, other_tag))
    check("and not in the other", r.status == 200, r)


def refused(layer):
    """Manifests that are no good."""
    with open(layer, "rb") as f:
        tar = f.read()
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [digest(b"something else")]}}).encode()
    for b in (tar, config):
        put_blob("bad", b)
    image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": describe(config, CONFIG),
             "layers": [describe(tar, OCI + "layer.v1.tar+gzip")]}
    r, data = put_manifest("bad", "x", image)
    check("a wrong DiffID", r.status == 400 and r.code() == "MANIFEST_INVALID", r)
    check("leaves nothing", ask("GET", "/v2/bad/manifests/x").status == 404 and
          ask("GET", "/v2/bad/manifests/" + digest(data)).status == 404)
    r, _ = put_manifest("bad", "x", artifact([b"unknown"]))
    check("an unknown blob", r.status == 400 and r.code() == "MANIFEST_BLOB_UNKNOWN", r)
    put_blob("bad", b"{}")
    put_blob("bad", b"known")
    wrong = artifact([b"known"])
    wrong["layers"][0]["size"] = 99
    r, _ = put_manifest("bad", "x", wrong)
    check("a wrong size", r.status == 400, r)
    good = artifact([b"known"])
    for title, document in (
            ("no JSON", b"{"), ("nothing", b""), ("a list", b"[]"), ("no manifest", b"{}"),
            ("both forms", json.dumps(dict(good, manifests=[])).encode()),
            ("duplicate keys", b'{"schemaVersion":2,"schemaVersion":2}'),
            ("schema 1", b'{"schemaVersion":1}'), ("deep", b"[" * 100000),
            ("a path as digest", json.dumps(dict(good, config=dict(
                good["config"], digest="sha256:../../../../etc/passwd"))).encode())):
        r, _ = put_manifest("bad", "x", document)
        check("refused: " + title, r.status in (400, 413) and r.code() in (
            "MANIFEST_INVALID", "SIZE_INVALID"), r)
    r, _ = put_manifest("bad", "x", good, INDEX)
    check("refused: another media type than said", r.status == 400, r)
    r, _ = put_manifest("bad", "sha256:" + "1" * 64, good)
    check("refused: another digest than asked for", r.status == 400, r)
    r, _ = put_manifest("bad", "x", b" " * (4 << 20) + b"{}")
    check("refused: too large", r.status == 413 and r.code() == "SIZE_INVALID", r)
    r = ask("PUT", "/v2/bad/manifests/x", iter([b"y" * 1000000] * 5),
            Content_Type=MANIFEST)
    check("refused: too large, in pieces", r.status == 413, r)
    check("nothing of it is there", ask("GET", "/v2/bad/tags/list").status == 404)


def many(layout, tag, repo):
    """The same image pushed by several at once, to names of their own and to one."""
    with open(os.path.join(layout, "index.json")) as f:
        index = json.load(f)["manifests"]
    came = [x for x in index if x["annotations"]["org.opencontainers.image.ref.name"] == tag][0]

    def blob(d):
        with open(os.path.join(layout, "blobs/sha256", d[7:]), "rb") as f:
            return f.read()

    manifest = blob(came["digest"])
    parts = [json.loads(manifest)["config"]] + json.loads(manifest)["layers"]
    replies = []

    def push(i):
        name = "%s/%d" % (repo, i)
        for p in parts:
            put_blob(name, blob(p["digest"]))
        replies.append(put_manifest(name, "v", manifest)[0])
        replies.append(put_manifest(repo, "v", manifest)[0])

    threads = [threading.Thread(target=push, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    bad = [str(r) for r in replies if r.status != 201]
    check("pushed by several at once", len(replies) == 8 and not bad, bad)
    bad = [i for i in range(4)
           if ask("GET", "/v2/%s/%d/manifests/v" % (repo, i)).body != manifest]
    check("and there for each", not bad and
          ask("GET", "/v2/%s/manifests/v" % repo).body == manifest, bad)


# ---- hostile ----


def raw(data, wait=5):
    host, port = ADDRESS.split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as s:
        got = b""
        try:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    return got
                got += more
        except OSError:
            return got


def hostile():
    for path in ("/v2/../../etc/passwd/blobs/x", "/v2/a/../b/manifests/x", "/v2/A/manifests/x",
                 "/v2/a//b/manifests/x", "/v2//manifests/x", "/v2/a/manifests/..",
                 "/v2/%2e%2e/manifests/x", "/v2/a%2f..%2fb/tags/list", "/v2/a%00b/manifests/x",
                 "/v2/a/blobs/../../../x", "/v2/a/blobs/sha256:../../x", "/v2/.a/tags/list",
                 "/v2/a-/tags/list", "/v2/a___b/tags/list", "/v2/a..b/tags/list",
                 "/v2/" + "a" * 300 + "/tags/list", "/v2/a/manifests/" + "t" * 200,
                 "/v2/a/blobs/uploads/../../x", "/v2/a/blobs/uploads/" + "z" * 32,
                 "/v2/a/blobs/sha256:" + "A" * 64, "/v2/a/blobs/sha512:" + "a" * 128,
                 "/v2/a/manifests/-x", "/v3/", "/", "/v2x", "/v2/_catalog/x", "//v2/"):
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            r = ask(method, path, b"" if method != "GET" else None)
            if r.status not in (400, 404, 405) or b"root:" in r.body or not r.code():
                check("%s %s" % (method, path), False, r)
                return
    check("paths that are none", True)
    r = raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n")
    check("a huge header is refused", r.startswith(b"HTTP/1.1 4") or r == b"", r[:80])
    r = raw(b"GET /" + b"y" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    check("a huge path is refused", r.startswith(b"HTTP/1.1 4") or r == b"", r[:80])
    r = raw(b"GET /v2/ HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n")
    check("many headers are refused", r.startswith(b"HTTP/1.1 4") or r == b"", r[:80])
    r = raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), 3)
    check("TLS is answered without, for clients that try it first", r.startswith(b"HTTP/1.0 400 "), r[:80])
    r = raw(os.urandom(5000), 3)
    check("noise is none of it", b"200 OK" not in r, r[:80])
    r = raw(b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 3)
    check("a negative length", b" 20" not in r[:16], r[:80])
    r = ask("BREW", "/v2/")
    check("an unknown method", r.status == 405, r)
    c = http.client.HTTPConnection(ADDRESS, timeout=60)
    good = all(ask("GET", "/v2/", None, c).status == 200 for _ in range(500))
    check("many requests on one connection", good)
    held = [socket.create_connection(tuple(ADDRESS.rsplit(":", 1)), timeout=5) for _ in range(150)]
    for s in held:
        s.sendall(b"GET /v2/ HT")
    check("half-sent heads hold nobody up", ask("GET", "/v2/").status == 200)
    for s in held:
        s.close()
    check("it still answers", ask("GET", "/v2/").status == 200)


def slow_head():
    """Something comes all the time, but never a whole head."""
    host, port = ADDRESS.split(":")
    started = time.time()
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.sendall(b"GET /v2/ HTTP/1.1\r\n")
        try:
            for _ in range(60):
                s.sendall(b"A")
                time.sleep(0.5)
        except OSError:
            pass
    check("a head that comes byte by byte is cut off", 8 < time.time() - started < 25,
          time.time() - started)


if __name__ == "__main__":
    ADDRESS = sys.argv[1]
    globals()[sys.argv[2]](*sys.argv[3:])
