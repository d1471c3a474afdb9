#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The requests of the docker command that the tests need, without the docker command, which is
not in the same package everywhere.

usage: engine.py SOCKET ping
       engine.py SOCKET load FILE            prints what docker load prints
       engine.py SOCKET id NAME              image ID
       engine.py SOCKET layers NAME          DiffIDs, one a line
       engine.py SOCKET save NAME... FILE
       engine.py SOCKET create NAME          a container, prints its ID
       engine.py SOCKET export ID FILE       its root filesystem as a tar
"""
import http.client
import json
import shutil
import socket
import sys
from urllib.parse import quote, urlencode


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(method, path, body=None, kind="application/json"):
    c = Unix(sys.argv[1])
    c.request(method, path, body, {"Content-Type": kind} if body else {})
    r = c.getresponse()
    if r.status >= 300:
        sys.exit("%s %s: %d %s" % (method, path, r.status, r.read().decode(errors="replace")))
    return r


def get(path):
    return json.load(ask("GET", path))


def to_file(path, name):
    with ask("GET", path) as r, open(name, "wb") as f:
        shutil.copyfileobj(r, f, 1 << 20)


what, args = sys.argv[2], sys.argv[3:]
if what == "ping":
    print(get("/version")["Version"])
elif what == "load":
    with open(args[0], "rb") as tar:
        bad = 0
        for line in ask("POST", "/images/load?quiet=1", tar, "application/x-tar"):
            said = json.loads(line)
            bad |= "error" in said
            print(said.get("stream") or said.get("error") or said, end="")
    sys.exit(bad)
elif what == "id":
    print(get("/images/%s/json" % quote(args[0], safe=""))["Id"])
elif what == "layers":
    print("\n".join(get("/images/%s/json" % quote(args[0], safe=""))["RootFS"]["Layers"]))
elif what == "save":
    to_file("/images/get?" + urlencode([("names", n) for n in args[:-1]]), args[-1])
elif what == "create":
    print(json.load(ask("POST", "/containers/create",
                        json.dumps({"Image": args[0], "Cmd": ["/bin/true"]})))["Id"])
elif what == "export":
    to_file("/containers/%s/export" % args[0], args[1])
else:
    sys.exit(__doc__)
