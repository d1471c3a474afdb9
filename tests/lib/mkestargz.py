#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes eStargz layers, as other producers do, out of an OCI layout.

usage: mkestargz.py FROM TO [OPTION...]

TO becomes a layout with the images of FROM, every layer of which (tar, gzip) is eStargz; what
an earlier run added to a layer is left out:
    chunk=N     bytes of a chunk (4 MiB)
    pack=N      content of less than N compressed bytes shares a member with what follows
    prefetch=N  the landmark stands behind N entries (none: it is the first)
    gnu         headers as of GNU tar
    records     every header has a time in nanoseconds, which the table does not tell
    lossless    headers stay as they are, and so do the blocks that end the input tar
    old         the footer is that of stargz
    wrong       the manifest has another digest of the table
"""
import base64
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import time
import zlib

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
NOTE = "containerd.io/snapshot/stargz/toc.digest"
NOTE_SIZE = "io.containers.estargz.uncompressed-size"
TYPES = {tarfile.REGTYPE: "reg", tarfile.AREGTYPE: "reg", tarfile.DIRTYPE: "dir",
         tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink", tarfile.CHRTYPE: "char",
         tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}
PREFIX = "SCHILY.xattr."
ADDED = ("stargz.index.json", ".no.prefetch.landmark", ".prefetch.landmark")


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pad(data):
    return data + bytes(-len(data) % 512)


# ---- headers, as Go's archive/tar writes them ----

def block(name, kind, size, gnu, mode=0, uid=0, gid=0, mtime=0, link=b"", owner=None, prefix=b""):
    b = bytearray(512)

    def put(at, width, value):
        b[at:at + min(width, len(value))] = value[:width]
        if len(value) > width and b[at + width - 1:at + width] == b"/":
            b[at + len(value[:width - 1].rstrip(b"/"))] = 0

    def number(at, width, value):
        if value < 8 ** (width - 1):
            put(at, width, b"%0*o\0" % (width - 1, value))
        elif gnu:
            put(at, width, b"\x80" + value.to_bytes(width - 1, "big"))
        else:
            put(at, width, b"%0*o\0" % (width - 1, 0))
    put(0, 100, name)
    number(100, 8, mode)
    number(108, 8, uid)
    number(116, 8, gid)
    number(124, 12, size)
    number(136, 12, mtime)
    put(148, 8, b" " * 8)
    put(156, 1, kind)
    put(157, 100, link)
    put(257, 8, b"ustar  \0" if gnu else b"ustar\x0000")
    if owner:
        put(265, 32, owner[0].encode())
        put(297, 32, owner[1].encode())
        number(329, 8, owner[2])
        number(337, 8, owner[3])
    put(345, 155, prefix)
    put(148, 8, b"%06o\0 " % sum(b))
    return bytes(b)


def record(key, value):
    rest = len(key) + len(value) + 3
    total = rest + 1
    while total != rest + len(str(total)):
        total = rest + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)


def split(name):
    """Where ustar's prefix ends, or 0."""
    for cut in range(min(len(name) - 2, 155), 0, -1):
        if name[cut:cut + 1] == b"/":
            return cut if len(name) - cut - 1 <= 100 else 0
    return 0


def header(m, name, xattrs, options):
    gnu = "gnu" in options
    link = m.linkname.encode("utf-8", "surrogateescape")
    kind = b"0" if m.type == tarfile.AREGTYPE else m.type
    size = m.size if kind == b"0" else 0
    device = kind in (tarfile.CHRTYPE, tarfile.BLKTYPE)
    rest = {"mode": m.mode, "uid": m.uid, "gid": m.gid, "mtime": int(m.mtime),
            "owner": (m.uname, m.gname, m.devmajor if device else 0, m.devminor if device else 0)}
    records = {(PREFIX + k).encode(): v for k, v in xattrs.items()}
    if "records" in options:
        records[b"mtime"] = b"%d.123456789" % int(m.mtime)
    out = b""
    if gnu and not records:
        for text, extra in (name, b"L"), (link, b"K"):
            if len(text) > 100:
                out += block(b"././@LongLink", extra, len(text) + 1, True) + pad(text + b"\0")
        return out + block(name, kind, size, True, link=link, **rest)
    cut = split(name) if len(name) > 100 and name.isascii() else 0
    if not link.isascii() or len(link) > 100:
        records[b"linkpath"] = link
    for key in "uid", "gid":
        if rest[key] >= 8 ** 7:
            records[key.encode()] = b"%d" % rest[key]
    if not name.isascii() or (len(name) > 100 and (records or not cut)):
        records[b"path"] = name
    if not records:
        return block(name[cut + 1:] if cut else name, kind, size, False, link=link,
                     prefix=name[:cut], **rest)
    data = b"".join(record(k, v) for k, v in sorted(records.items()))
    plain = bytes(c for c in name if c < 128)
    top, _, last = name.rpartition(b"/")
    where = b"/".join([p for p in top.split(b"/") if p not in (b"", b".")] + [b"PaxHeaders.0", last])
    where = bytes(c for c in where if c < 128)[:100].rstrip(b"/")
    return block(where, b"x", len(data), False) + pad(data) + \
        block(plain, kind, size, False, link=bytes(c for c in link if c < 128), **rest)


# ---- the blob ----

class Blob:
    """Members of gzip, one behind the other."""

    def __init__(self):
        self.bytes = bytearray()
        self.tar = bytearray()
        self.member = None
        self.began = 0       # the tar's length where the member begins

    def write(self, data):
        if not self.member:
            self.member = zlib.compressobj(6, zlib.DEFLATED, 31)
            self.began = len(self.tar)
        self.bytes += self.member.compress(data)
        self.tar += data

    def close(self):
        if self.member:
            self.bytes += self.member.flush()
        self.member = None


class Layer:
    def __init__(self, options):
        self.options = options
        self.blob = Blob()
        self.rows = []
        self.at = 0
        self.names = {}

    def changed(self, kind, number, name):
        if self.names.get((kind, number), "") == name or not name:
            return None
        self.names[(kind, number)] = name
        return name

    def add(self, m, data, raw, options):
        kind = TYPES[m.type]
        name = m.name + ("/" if kind == "dir" else "")
        xattrs = {k[len(PREFIX):]: v.encode("utf-8", "surrogateescape")
                  for k, v in m.pax_headers.items() if k.startswith(PREFIX)}
        row = {"name": name, "type": kind, "size": len(data), "linkName": m.linkname,
               "modtime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(m.mtime)))
               if m.mtime else "",
               "mode": m.mode, "uid": m.uid, "gid": m.gid,
               "userName": self.changed("u", m.uid, m.uname),
               "groupName": self.changed("g", m.gid, m.gname),
               "devMajor": m.devmajor if kind in ("char", "block") else 0,
               "devMinor": m.devminor if kind in ("char", "block") else 0,
               "xattrs": {k: base64.b64encode(v).decode() for k, v in xattrs.items()}}
        self.blob.write(raw or header(m, name.encode("utf-8", "surrogateescape"), xattrs, options))
        if kind == "reg":
            row["digest"] = sha(data)
        if data:
            self.content(row, data)
        else:
            self.rows.append(row)
        self.blob.write(bytes(-len(data) % 512))

    def content(self, row, data):
        chunk, pack = int(self.options.get("chunk", 4 << 20)), int(self.options.get("pack", 0))
        for off in range(0, len(data), chunk):
            part = data[off:off + chunk]
            if not self.at or len(self.blob.bytes) - self.at >= pack:
                self.blob.close()
                self.at = len(self.blob.bytes)
            else:
                row["innerOffset"] = len(self.blob.tar) - self.blob.began
            row["offset"] = self.at
            row["chunkOffset"] = off
            row["chunkSize"] = len(part) if off + len(part) < len(data) else 0
            row["chunkDigest"] = sha(part)
            self.blob.write(part)
            self.rows.append(row)
            row = {"name": row["name"], "type": "chunk"}

    def landmark(self, name):
        m = tarfile.TarInfo(name)
        m.size = 1
        self.add(m, b"\x0f", b"", {})

    def finish(self):
        rows = [{k: v for k, v in r.items() if v} for r in self.rows]
        text = json.dumps({"version": 1, "entries": rows}, indent="\t").encode()
        if "lossless" in self.options:
            self.blob.write(bytes(1024))
        self.blob.close()
        at = len(self.blob.bytes)
        self.blob.write(block(b"stargz.index.json", b"0", len(text), False, owner=("", "", 0, 0)))
        self.blob.write(pad(text) + bytes(1024))
        self.blob.close()
        field = b"%016xSTARGZ" % at
        if "old" not in self.options:
            field = b"SG" + len(field).to_bytes(2, "little") + field
        footer = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + len(field).to_bytes(2, "little") + field + \
            b"\x01\0\0\xff\xff" + bytes(8)
        return bytes(self.blob.bytes) + footer, bytes(self.blob.tar), text


def convert(data, options):
    layer = Layer(options)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    after = int(options.get("prefetch", 0))
    lossless = "lossless" in options
    if not after and not lossless:
        layer.landmark(".no.prefetch.landmark")
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        for i, m in enumerate(t):
            if m.name in ADDED:
                continue
            layer.add(m, t.extractfile(m).read() if m.isreg() else b"",
                      data[m.offset:m.offset_data] if lossless else b"", options)
            if i + 1 == after:
                layer.landmark(".prefetch.landmark")
    return layer.finish()


# ---- layouts ----

def main():
    source, target = sys.argv[1:3]
    options = dict((o + "=").split("=")[:2] for o in sys.argv[3:])
    os.makedirs(target + "/blobs/sha256", exist_ok=True)

    def read(digest):
        with open("%s/blobs/%s" % (source, digest.replace(":", "/")), "rb") as f:
            return f.read()

    def put(data, descriptor):
        digest = sha(data)
        with open("%s/blobs/%s" % (target, digest.replace(":", "/")), "wb") as f:
            f.write(data)
        return dict(descriptor, digest=digest, size=len(data))

    with open(source + "/index.json") as f:
        index = json.load(f)
    for n, entry in enumerate(index["manifests"]):
        manifest = json.loads(read(entry["digest"]))
        config = json.loads(read(manifest["config"]["digest"]))
        for i, layer in enumerate(manifest["layers"]):
            blob, tar, text = convert(read(layer["digest"]), options)
            notes = {NOTE: sha(text + (b" " if "wrong" in options else b"")),
                     NOTE_SIZE: str(len(tar))}
            manifest["layers"][i] = put(blob, {"mediaType": GZIP, "annotations": notes})
            config["rootfs"]["diff_ids"][i] = sha(tar)
        manifest["config"] = put(json.dumps(config).encode(), manifest["config"])
        index["manifests"][n] = put(json.dumps(manifest).encode(), entry)
    with open(target + "/index.json", "w") as f:
        json.dump(index, f)
    with open(target + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')


main()
