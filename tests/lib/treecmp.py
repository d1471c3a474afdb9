#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two directory trees completely.

usage: treecmp.py [--expect FILE] [--no-owner] [--ignore-xattr PREFIX]... A B

Types, modes, owners, mtimes (ns), sizes, contents, link targets, devices, hardlink groups,
xattrs (ACLs and capabilities are xattrs). Prints one line per difference, exits 1 if any.
--expect: lines "PATH<TAB>FIELD<TAB>WHY": this difference is known and must be there.
FIELD may be "only-a" or "only-b".
"""
import argparse
import hashlib
import os
import stat
import sys


def walk(root):
    """Yields every path below root, as bytes, parents first, without following links."""
    yield b""
    todo = [b""]
    while todo:
        base = todo.pop()
        with os.scandir(os.path.join(root, base) if base else root) as it:
            entries = sorted(it, key=lambda e: e.name)
        for e in entries:
            p = os.path.join(base, e.name) if base else e.name
            yield p
            if e.is_dir(follow_symlinks=False):
                todo.append(p)


def content(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            b = f.read(1 << 20)
            if not b:
                return h.hexdigest()
            h.update(b)


def xattrs(path, ignore):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {n: os.getxattr(path, n, follow_symlinks=False) for n in names
            if not any(n.startswith(p) for p in ignore)}


def describe(root, path, st, args):
    full = os.path.join(root, path) if path else root
    kind = stat.S_IFMT(st.st_mode)
    d = {"type": kind}
    if kind != stat.S_IFLNK:
        d["mode"] = oct(stat.S_IMODE(st.st_mode))
    d["mtime"] = st.st_mtime_ns
    if not args.no_owner:
        d["owner"] = (st.st_uid, st.st_gid)
    if kind == stat.S_IFREG:
        d["size"] = st.st_size
    if kind == stat.S_IFLNK:
        d["link"] = os.readlink(full)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        d["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    d["xattr"] = xattrs(full, args.ignore_xattr)
    return d


class Groups:
    """Hardlink groups: both sides must pair the same paths."""

    def __init__(self):
        self.of = ({}, {})
        self.pair = {}

    def check(self, side_ids):
        a, b = side_ids
        if self.pair.setdefault(("a", a), b) != b:
            return False
        return self.pair.setdefault(("b", b), a) == a


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--expect")
    ap.add_argument("--no-owner", action="store_true")
    ap.add_argument("--ignore-xattr", action="append", default=[])
    ap.add_argument("a")
    ap.add_argument("b")
    args = ap.parse_args()
    expected = {}
    if args.expect:
        with open(args.expect, "rb") as f:
            for line in f:
                if line.strip() and not line.startswith(b"#"):
                    path, field = line.rstrip(b"\n").split(b"\t")[:2]
                    expected[(path, field.decode())] = 0
    a, b = os.fsencode(args.a), os.fsencode(args.b)
    pa, pb = set(walk(a)), set(walk(b))
    bad = 0

    def report(path, field, text):
        nonlocal bad
        if (path, field) in expected:
            expected[(path, field)] += 1
            return
        bad += 1
        if bad <= 50:
            print("%s: %s: %s" % (os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
                                  .replace("\n", "\\n"), field, text))

    for p in sorted(pa - pb):
        report(p, "only-a", "missing in %s" % args.b)
    for p in sorted(pb - pa):
        report(p, "only-b", "missing in %s" % args.a)
    groups = Groups()
    hashed = {}
    for p in sorted(pa & pb):
        fa, fb = (os.path.join(a, p) if p else a), (os.path.join(b, p) if p else b)
        sa, sb = os.lstat(fa), os.lstat(fb)
        da, db = describe(a, p, sa, args), describe(b, p, sb, args)
        for field in sorted(set(da) | set(db)):
            if da.get(field) != db.get(field):
                report(p, field, "%r != %r" % (da.get(field), db.get(field)))
        if stat.S_ISDIR(sa.st_mode) or stat.S_ISDIR(sb.st_mode):
            continue
        if sa.st_nlink > 1 or sb.st_nlink > 1:
            if not groups.check(((sa.st_dev, sa.st_ino), (sb.st_dev, sb.st_ino))):
                report(p, "hardlink", "joined with other names")
            if sa.st_nlink != sb.st_nlink:
                report(p, "nlink", "%d != %d" % (sa.st_nlink, sb.st_nlink))
        if stat.S_ISREG(sa.st_mode) and stat.S_ISREG(sb.st_mode) and sa.st_size == sb.st_size:
            key = (sa.st_dev, sa.st_ino, sb.st_dev, sb.st_ino)
            if key not in hashed:
                hashed[key] = content(fa) == content(fb)
            if not hashed[key]:
                report(p, "content", "bytes differ")
    for (path, field), seen in sorted(expected.items()):
        if not seen:
            bad += 1
            print("%s: %s: expected difference is gone" % (os.fsdecode(path), field))
    if bad > 50:
        print("... %d differences in all" % bad)
    else:
        print("%d paths, %d differences" % (len(pa | pb), bad))
    sys.exit(1 if bad else 0)


main()
