#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The key of a build step, written from FORMAT.md ("Keys") and not from the program.

    stepkey.py [--parent TEXT] [--scope S] [--instruction T] [--env N=V]... [--arg N=V]...
               [--workdir D] [--user U] [--network N] [--platform P] [--owner UID:GID]
               [--input PATH:DEST]... [--document] [CMD...]
    stepkey.py --own TEXT [--scope S]
    stepkey.py --content PATH      "DIGEST RECORD" of an input, as BuildKit has them

TEXT of --parent is what the document has: "none", "key sha256:...", "chain sha256:...".
"""
import argparse
import hashlib
import os
import stat
import sys


def sha(data):
    return hashlib.sha256(data).hexdigest()


def text(digest):
    return b"sha256:" + digest.encode()


class Content:
    def __init__(self, owner):
        self.owner = owner

    def entry(self, path, rel):
        """(header, line without its digest)"""
        st = os.lstat(path)
        fmt = stat.S_IFMT(st.st_mode)
        kind = {stat.S_IFREG: "0", stat.S_IFLNK: "2", stat.S_IFCHR: "3", stat.S_IFBLK: "4",
                stat.S_IFDIR: "5", stat.S_IFIFO: "6"}[fmt]
        mode = 0o777 if kind == "2" else stat.S_IMODE(st.st_mode)
        size = st.st_size if kind == "0" else 0
        link = os.readlink(path) if kind == "2" else b""
        device = (os.major(st.st_rdev), os.minor(st.st_rdev)) if kind in "34" else (0, 0)
        names = sorted(os.fsencode(n) for n in os.listxattr(path, follow_symlinks=False)
                       if not n.startswith("system.") and
                       (not n.startswith("security.") or n == "security.capability"))
        values = [(n, os.getxattr(path, n, follow_symlinks=False)) for n in names]
        header = b"namemode%duid%dgid%dsize%dtypeflag%slinkname%sunamegname" % (
            mode, *self.owner, size, kind.encode(), link)
        header += b"devmajor%ddevminor%d" % device
        header += b"".join(n + v for n, v in values)
        line = b" %s %o %d %d %d %d %d %d:%s %d:%s" % (
            kind.encode(), mode, *self.owner, size, *device, len(rel), rel, len(link), link)
        for n, v in values:
            line += b" %d:%s=%s" % (len(n), n, sha(v).encode())
        return kind, header, line + b"\n"

    def walk(self, path, rel):
        """(digest, listing lines)"""
        kind, header, line = self.entry(path, rel)
        if kind == "0":
            with open(path, "rb") as f:
                digest = sha(header + f.read())
        elif kind != "5":
            digest = sha(header)
        else:
            return self.directory(path, rel, header, line)
        return digest, digest.encode() + line

    def directory(self, path, rel, header, line):
        whole = b"\0" + text(sha(header))
        rest = b""
        for name in sorted(os.listdir(path)):
            below = os.path.join(path, name)
            if stat.S_ISSOCK(os.lstat(below).st_mode):
                continue
            digest, lines = self.walk(below, os.path.join(rel, name) if rel else name)
            whole += b"\0" + name + text(digest)
            rest += lines
        return sha(whole), sha(whole).encode() + line + rest

    def input(self, path):
        path = os.fsencode(path)
        if os.path.isdir(path) and os.path.basename(path.rstrip(b"/")) == b".":
            line = b" 5 0 0 0 0 0 0 0: 0:\n"
            digest, lines = self.directory(path, b"", b"", line)
        else:
            digest, lines = self.walk(os.path.realpath(path), b"")
        return digest, b"layercache content 1\n" + lines


def field(name, value):
    return b"%s %d:%s\n" % (name, len(value), value)


def variables(name, given):
    last = {}
    for v in given:
        last[v.split(b"=", 1)[0]] = v
    return b"".join(field(name, last[k]) for k in sorted(last))


def document(o):
    enc = os.fsencode
    if o.own is not None:
        return b"layercache own key 1\n" + field(b"scope", enc(o.scope)) + field(b"key", enc(o.own))
    out = b"layercache step 1\n" + field(b"scope", enc(o.scope)) + field(b"parent", enc(o.parent))
    out += field(b"instruction", enc(o.instruction))
    out += b"".join(field(b"command", enc(c)) for c in o.command)
    out += variables(b"env", map(enc, o.env)) + variables(b"arg", map(enc, o.arg))
    for name in "workdir", "user", "network", "platform":
        out += field(enc(name), enc(getattr(o, name)))
    for given in o.input:
        path, dest = given.rsplit(":", 1)
        digest, listing = Content(tuple(map(int, o.owner.split(":")))).input(path)
        out += field(b"input", b"%s %s %s" % (text(digest), text(sha(listing)), enc(dest)))
    return out


def main():
    p = argparse.ArgumentParser()
    for name in "scope", "instruction", "workdir", "user", "platform":
        p.add_argument("--" + name, default="")
    for name in "env", "arg", "input":
        p.add_argument("--" + name, action="append", default=[])
    p.add_argument("--parent", default="none")
    p.add_argument("--network", default="host")
    p.add_argument("--owner", default="0:0")
    p.add_argument("--own")
    p.add_argument("--content")
    p.add_argument("--document", action="store_true")
    p.add_argument("command", nargs="*")
    o = p.parse_args()
    if o.content:
        digest = Content((0, 0)).input(o.content)[0]
        record = sha(text(sha(text(digest))) + b"@-1")
        print("sha256:%s sha256:%s" % (digest, record))
        return
    doc = document(o)
    if o.document:
        sys.stdout.buffer.write(doc)
    else:
        print("sha256:" + sha(doc))


main()
