#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves as it is told, for the tests of the client.

usage: stubregistry.py LAYOUT LOG PORTFILE

Serves the image of an OCI layout on two loopback ports (written to PORTFILE: "PORT PORT2") in
any repository "<behaviour>/app"; what a behaviour does stands in the methods below. What is
pushed stays in memory. LOG gets a line "METHOD PATH STATUS AUTHORIZATION" per request;
requests that reach the second port with an Authorization are marked LEAK.
"""
import base64
import hashlib
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

BASIC = "Basic " + base64.b64encode(b"ci:s3cret").decode()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
lock = threading.Lock()
blobs = {}      # digest -> bytes, of the layout
tags = {}       # tag -> digest
pushed = {}     # repo -> {digest or tag -> bytes}
types = {}      # (repo, reference) -> media type
seen = {}       # how often a request came
uploads = {}    # id -> bytearray
tokens = set()
ports = []


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def load(layout):
    for name in os.listdir(layout + "/blobs/sha256"):
        with open(layout + "/blobs/sha256/" + name, "rb") as f:
            blobs["sha256:" + name] = f.read()
    with open(layout + "/index.json") as f:
        for m in json.load(f)["manifests"]:
            tag = m.get("annotations", {}).get("org.opencontainers.image.ref.name", "latest")
            tags[tag] = m["digest"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    # ---- answers ----

    def note(self, status):
        far = self.server.server_address[1] == ports[1]
        mark = " LEAK" if far and self.headers.get("Authorization") else ""
        with lock:
            self.server.log.write("%s %s %s %s%s\n" % (
                self.command, self.path, status,
                (self.headers.get("Authorization") or "-").split()[0], mark))
            self.server.log.flush()

    def answer(self, status, body=b"", length=None, **headers):
        self.note(status)
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        if length is None:
            length = len(body)
        if length >= 0:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code="UNKNOWN", message="no", **headers):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, body, **headers)

    def first(self, what=""):
        """Whether this is the first request of its kind."""
        key = (self.command, self.path.split("?")[0], what)
        with lock:
            seen[key] = seen.get(key, 0) + 1
            return seen[key] == 1

    def cut(self, data, total):
        """The headers of TOTAL bytes, some of them, and the end of the connection."""
        self.note(200)
        self.send_response(200)
        self.send_header("Content-Length", str(total))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    # ---- authorization ----

    def allowed(self, behaviour):
        auth = self.headers.get("Authorization") or ""
        here = "http://127.0.0.1:%d" % ports[0]
        if behaviour == "basic" and auth != BASIC:
            self.error(401, WWW_Authenticate='Basic realm="registry, \\"quoted\\""')
        elif behaviour in ("token", "anon", "away", "refresh", "stale") and not (
                auth.startswith("Bearer ") and auth[7:] in tokens):
            self.error(401, WWW_Authenticate='Negotiate, Bearer realm="%s/%s",service="stub, '
                       'inc",scope="repository:x:pull"' % (here, behaviour))
        elif behaviour == "downgrade":
            self.error(401, WWW_Authenticate='Bearer realm="ftp://127.0.0.1/token"')
        elif behaviour == "expire" and auth and not self.first("expire"):
            return True
        elif behaviour == "expire":
            self.error(401, WWW_Authenticate='Bearer realm="%s/anon",service="s"' % here)
        else:
            return True
        return False

    def token(self, behaviour, query):
        auth = self.headers.get("Authorization")
        if behaviour == "refresh":
            return self.answer(405)
        if behaviour in ("token", "away") and auth != BASIC:
            return self.error(401, message="who are you")
        scopes = query.get("scope", [])
        if behaviour != "expire" and query.get("service") == ["stub, inc"] and not any(
                s.startswith("repository:%s/app:pull" % behaviour) for s in scopes):
            return self.error(400, message="bad scope %s" % scopes)
        value = "t%d.%s" % (len(tokens), behaviour)
        if behaviour != "stale":
            tokens.add(value)
        key = "access_token" if behaviour == "anon" else "token"
        return self.answer(200, json.dumps({key: value}).encode())

    def refresh(self):
        size = int(self.headers.get("Content-Length") or 0)
        form = urllib.parse.parse_qs(self.rfile.read(size).decode())
        if form.get("refresh_token") != ["id+token/="] or form["grant_type"] != ["refresh_token"]:
            return self.error(401, message="bad refresh token")
        tokens.add("fresh")
        return self.answer(200, b'{"access_token": "fresh"}')

    # ---- requests ----

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/v2/":
            return self.answer(200, b"{}")
        parts = url.path.strip("/").split("/")
        if len(parts) == 1:
            return self.token(parts[0], query)
        if parts[0] == "far":
            return self.blob("far", parts[1], blobs[parts[1]])
        if len(parts) < 5 or parts[0] != "v2":
            return self.error(404)
        behaviour, kind, what = parts[1], parts[3], parts[4]
        repo = "/".join(parts[1:3])
        if not self.allowed(behaviour):
            return None
        if kind == "tags":
            return self.tag_list(behaviour, query)
        if kind == "referrers" and behaviour.startswith("ref"):
            return self.referrers(behaviour, what)
        own = pushed.get(repo, {})
        if kind == "manifests":
            return self.manifest(behaviour, own, repo, what)
        data = own.get(what, None if behaviour.startswith("up") else blobs.get(what))
        if data is None:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown")
        return self.blob(behaviour, what, data)

    def tag_list(self, behaviour, query):
        all_tags = ["t%03d" % i for i in range(250)]
        last = query.get("last", [""])[0]
        page = [t for t in all_tags if t > last][:100]
        if behaviour == "notags":
            return self.answer(200, b'{"name": "x", "tags": null}')
        if behaviour == "round":
            return self.answer(200, b'{"tags": ["a"]}', Link='<%s>; rel="next"' % self.path)
        more = {}
        if page and page[-1] != all_tags[-1]:
            more = {"Link": '</v2/%s/app/tags/list?n=100&last=%s>; foo="a,b"; rel="next"'
                            % (behaviour, page[-1])}
        return self.answer(200, json.dumps({"name": "x", "tags": page}).encode(), **more)

    def manifest(self, behaviour, own, repo, reference):
        data = own.get(reference)
        if data is None and not behaviour.startswith("up"):
            data = blobs.get(tags.get(reference, reference))
        headers = {"Content_Type": types.get((repo, reference), MANIFEST)}
        if data is None:
            if behaviour == "html":
                return self.answer(404, b"<html>" + b"x" * 100000, Content_Type="text/html")
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if "Accept" not in self.headers or MANIFEST not in self.headers["Accept"]:
            return self.error(400, message="no Accept")
        if behaviour == "bare":
            return self.answer(200, data, length=-1, Content_Type="text/plain; charset=utf-8")
        if behaviour == "huge":
            return self.answer(200, b"{" + b" " * (5 << 20) + b"}")
        if behaviour == "endless":
            self.answer(200, length=-1)
            try:
                while True:
                    self.wfile.write(b" " * 65536)
            except OSError:
                return None
        if behaviour == "baddoc":
            return self.answer(200, data + b" ", Docker_Content_Digest=digest_of(data))
        if behaviour == "down" or (behaviour == "busy" and self.first()):
            return self.error(503)
        return self.answer(200, data, Docker_Content_Digest=digest_of(data), **headers)

    def about(self, subject, text, layer=None, **more):
        """A descriptor of an artifact about SUBJECT, which is there from now on."""
        empty, data = b"{}", text.encode()
        blobs.setdefault(digest_of(empty), empty)
        blobs.setdefault(digest_of(data), data)
        part = {"mediaType": "application/x.sig", "digest": digest_of(data), "size": len(data)}
        doc = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x.sig",
               "config": {"mediaType": "application/vnd.oci.empty.v1+json",
                          "digest": digest_of(empty), "size": len(empty)},
               "layers": [dict(part, **(layer or {}))],
               "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1}}
        doc.update(more)
        data = json.dumps(doc).encode()
        blobs[digest_of(data)] = data
        return {"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data)}

    def referrers(self, behaviour, subject):
        """What is about SUBJECT; "good" is about the image wherever something bad is."""
        more = {}
        own = tags["v1"]
        other = digest_of(b"other")
        listed = [self.about(own, "good")] if subject == own else []
        if behaviour == "refhtml":
            return self.answer(200, b"<html>", Content_Type="text/html")
        if behaviour == "refdenied":
            return self.error(403, "DENIED", "requested access is denied")
        if behaviour == "refbroken":
            return self.error(500)
        if behaviour == "refhuge":
            return self.answer(200, b'{"manifests": [' + b" " * (5 << 20) + b"]}")
        if behaviour == "refdeep":
            return self.answer(200, b"[" * 100000)
        if behaviour == "refmany" and subject == own:
            listed = [dict(self.about(own, "n%d" % i)) for i in range(200)]
        if behaviour == "refpages" and subject == own:
            page = int((self.path + "&page=0").split("page=")[1].split("&")[0])
            listed = [self.about(own, "p%d" % page)]
            more = {"Link": '</v2/refpages/app/referrers/%s?page=%d>; rel="next"'
                            % (subject, page + 1)} if page < 2 else {}
        if behaviour == "refendless":
            more = {"Link": '<%s>; rel="next"' % self.path}
        if behaviour == "refother":
            listed.append(self.about(other, "other"))
        if behaviour == "refnothing":
            listed.append({"mediaType": MANIFEST, "digest": own, "size": len(blobs[own])})
            listed.append({"mediaType": MANIFEST, "digest": digest_of(b"none"), "size": 4})
        if behaviour == "refcycle":
            listed = [self.about(own, "good"), {"mediaType": MANIFEST, "digest": own,
                                                "size": len(blobs[own])}]
        if behaviour == "refchain":
            listed = [self.about(subject, "good" if subject == own else "on " + subject)]
        if behaviour == "refsize":
            listed.append(dict(self.about(own, "size"), size=7))
        if behaviour == "reflie":
            lie = self.about(own, "lie")
            blobs[lie["digest"]] = blobs[lie["digest"]].replace(b"x.sig", b"y.sig")
            listed.append(lie)
        if behaviour == "reftype" and subject == own:
            listed += [dict(self.about(own, "t1"), mediaType="text/plain"),
                       dict(self.about(own, "t2"), mediaType="application/vnd.oci.image.index.v1+json"),
                       {"mediaType": MANIFEST, "digest": "sha256:../../x", "size": 1},
                       {"mediaType": MANIFEST, "digest": "sha512:" + "0" * 128, "size": 1},
                       17, None, {"digest": 5}]
        if behaviour == "refbig":
            listed.append(self.about(own, "big", {"size": 1 << 40}))
        if behaviour == "refblob":
            listed.append(self.about(own, "blob", {"digest": other}))
            blobs[other] = b"blo?"
        if behaviour == "refinner":
            listed.append(self.about(own, "inner", {"mediaType": MANIFEST}))
        if behaviour == "refindex":
            listed.append(self.about(own, "index", manifests=[]))
        body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": listed}
        return self.answer(200, json.dumps(body).encode(),
                           Content_Type="application/vnd.oci.image.index.v1+json", **more)

    def blob(self, behaviour, what, data):
        start, _, end = (self.headers.get("Range") or "bytes=0-").split("=")[1].partition("-")
        start = int(start)
        size = len(data)
        end = min(int(end) + 1, size) if end else size
        half = size // 2
        if behaviour == "away":
            return self.answer(307, Location="http://127.0.0.1:%d/far/%s" % (ports[1], what))
        if behaviour == "loop":
            return self.answer(302, Location=self.path)
        if behaviour == "busy" and self.first():
            return self.error(429, Retry_After="0")
        if behaviour == "later":
            return self.error(429, Retry_After="100000")
        if behaviour == "lost" or (behaviour == "gone" and size > 1000):
            return self.error(404, "BLOB_UNKNOWN", "blob unknown")
        if behaviour == "baddigest":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if behaviour == "badsize":
            data += b"x"
        if behaviour == "bare":
            return self.answer(200, data, length=-1)
        if behaviour == "endlessblob":
            self.answer(200, data, length=-1)
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return None
        if behaviour == "never":
            return self.cut(b"", size)
        if behaviour in ("cut", "norange", "refuse", "wrongrange", "changed") and size > 1000:
            if self.first() and start == 0:
                return self.cut(data[:half], size)
            if behaviour == "refuse" and start:
                return self.error(416)
        if behaviour in ("slow", "stall") and (behaviour == "stall" or self.first()):
            self.cut(data[:half], size)
            time.sleep(3)
            return None
        if (start or end < size) and behaviour != "norange":
            first = start + 1 if behaviour == "wrongrange" else start
            total = size + 1 if behaviour == "changed" else size
            part = bytearray(data[start:end])
            # Behind the table of contents of a zstd:chunked layer is a footer of 72 bytes.
            if behaviour == ("badtable" if end == size - 72 else "badchunk"):
                part[len(part) // 2] ^= 1
            # That of an eStargz layer ends at a footer of 51 bytes.
            if behaviour == ("badend" if end == size and end - start > 51 else "badpart") \
                    and end - start != 51:
                part[len(part) // 2] ^= 1
            if behaviour == "nofooter" and end == size:
                part[-51] ^= 1
            return self.answer(206, bytes(part), Content_Range="bytes %d-%d/%d"
                               % (first, end - 1, total))
        return self.answer(200, data)

    # ---- uploads ----

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        parts = url.path.strip("/").split("/")
        if parts[0] == "refresh":
            return self.refresh()
        if len(parts) < 5 or not self.allowed(parts[1]):
            return None
        behaviour = parts[1]
        repo = "/".join(parts[1:3])
        if behaviour == "updenied":
            return self.error(403, "DENIED", "requested access is denied")
        mount = query.get("mount", [None])[0]
        if mount in blobs and behaviour == "upmount":
            pushed.setdefault(repo, {})[mount] = blobs[mount]
            return self.answer(201)
        name = "u%d" % len(uploads)
        uploads[name] = bytearray()
        path = "/upload/%s/%s?_state=a%%2Fb" % (repo, name)
        if behaviour == "upabsolute":
            path = "http://127.0.0.1:%d%s" % (ports[0], path)
        if behaviour == "upplain":
            path = "/upload/%s/%s" % (repo, name)
        return self.answer(202, Location=path)

    def body(self):
        out = bytearray()
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while True:
                size = int(self.rfile.readline().strip(), 16)
                out += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return bytes(out)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PATCH(self):
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        behaviour, name = parts[1], parts[3]
        if behaviour == "upreset" and self.server.patched < 1:
            self.server.patched += 1
            self.rfile.read(1)
            self.note(0)
            self.connection.close()
            return None
        data = self.body()
        if behaviour == "upbusy" and self.server.patched < 1:
            self.server.patched += 1
            return self.error(500)
        if behaviour == "upexpire" and self.server.patched < 1:
            self.server.patched += 1
            return self.error(401, WWW_Authenticate='Bearer realm="http://127.0.0.1:%d/anon",'
                              'service="s"' % ports[0])
        if url.query != "_state=a%2Fb" and behaviour != "upplain":
            return self.error(400, message="state lost")
        uploads[name] += data
        if behaviour == "upquiet":
            return self.answer(201)
        return self.answer(202, Location="/upload/%s/%s?_state=2" % ("/".join(parts[1:3]), name))

    def do_PUT(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        parts = url.path.strip("/").split("/")
        data = self.body()
        if parts[0] == "upload":
            behaviour, name = parts[1], parts[3]
            repo = "/".join(parts[1:3])
            data = bytes(uploads[name]) + data
            wanted = query.get("digest", [""])[0]
            if digest_of(data) != wanted:
                return self.error(400, "DIGEST_INVALID", "digest invalid")
            pushed.setdefault(repo, {})[wanted] = data
            return self.answer(201)
        behaviour, reference = parts[1], parts[4]
        repo = "/".join(parts[1:3])
        doc = json.loads(data)
        own = pushed.setdefault(repo, {})
        if self.headers.get("Content-Type") != doc.get("mediaType", MANIFEST):
            return self.error(400, "MANIFEST_INVALID", "content type")
        for item in doc.get("layers", []) + doc.get("manifests", []) + \
                ([doc["config"]] if "config" in doc else []):
            if item["digest"] not in own:
                return self.error(400, "MANIFEST_BLOB_UNKNOWN", item["digest"])
        if behaviour == "uprace" and self.first():
            return self.error(400, "DIGEST_INVALID",
                              "provided digest did not match uploaded content")
        own[reference] = own[digest_of(data)] = data
        types[(repo, reference)] = self.headers["Content-Type"]
        said = digest_of(data + b"x") if behaviour == "upother" else digest_of(data)
        return self.answer(201, Docker_Content_Digest=said)

    def do_DELETE(self):
        self.answer(204)


def main():
    load(sys.argv[1])
    log = open(sys.argv[2], "w")
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    for s in servers:
        s.daemon_threads = True
        s.log = log
        s.patched = 0
        ports.append(s.server_address[1])
        threading.Thread(target=s.serve_forever, daemon=True).start()
    with open(sys.argv[3] + ".new", "w") as f:
        f.write("%d %d\n" % tuple(ports))
    os.rename(sys.argv[3] + ".new", sys.argv[3])
    threading.Event().wait()


main()
