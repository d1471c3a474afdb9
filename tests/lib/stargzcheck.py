#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads an eStargz blob by its footer and its table of contents alone, as a lazy reader does.

usage: stargzcheck.py BLOB TOC-DIGEST [PLAIN-TAR]

Every chunk is inflated from its offset, cut off at the next one, and compared with its digest;
every gzip member is where the specification wants one. Then the blob is read from front to end
as any tar.gz: with PLAIN-TAR, the layer as it was, entries before the landmark and the table
have to be the same bytes. Prints "ENTRIES CHUNKS DIFFID TAR-SIZE".
"""
import hashlib
import io
import json
import sys
import tarfile
import zlib

TOC = "stargz.index.json"
LANDMARKS = (".no.prefetch.landmark", ".prefetch.landmark")


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def want(condition, text):
    if not condition:
        sys.exit("stargzcheck: " + text)


def member(blob, at):
    """One gzip member at AT: its plain bytes, and where it ends."""
    want(blob[at:at + 2] == b"\x1f\x8b", "no gzip member at %d" % at)
    d = zlib.decompressobj(31)
    data = d.decompress(blob[at:])
    want(d.eof, "a gzip member at %d has no end" % at)
    return data, len(blob) - len(d.unused_data)


def members(blob):
    """Plain bytes from front to end, and where each member begins in both."""
    plain, places, at = [], {}, 0
    pos = 0
    while at < len(blob):
        places[at] = pos
        d = zlib.decompressobj(31)
        # A window at a time: unused_data of all the rest for each member would be slow.
        step = 1 << 16
        begin = at
        while not d.eof:
            part = blob[begin:begin + step]
            want(part, "a gzip member at %d has no end" % at)
            data = d.decompress(part)
            plain.append(data)
            pos += len(data)
            begin += len(part)
        at = begin - len(d.unused_data)
    return b"".join(plain), places


def read_toc(blob, digest):
    footer = blob[-51:]
    want(footer[:16] == b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0", "the footer's head")
    want(footer[32:] == b"STARGZ\x01\0\0\xff\xff" + bytes(8), "the footer's end")
    at = int(footer[16:32], 16)
    data, end = member(blob, at)
    want(end == len(blob) - 51, "the table is not one member")
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        names = t.getnames()
        want(names == [TOC], "entries at the end: %s" % names)
        text = t.extractfile(TOC).read()
    want(data.endswith(bytes(1024)), "the tar has no end")
    want(sha(text) == digest, "the table has the digest " + sha(text))
    return json.loads(text), at


def check_chunk(blob, e, at, end, size):
    want("chunkDigest" in e, "no chunkDigest: %s" % e["name"])
    d = zlib.decompressobj(31)
    data = d.decompress(blob[at:end], size)
    while len(data) < size and not d.unconsumed_tail and d.eof and d.unused_data:
        rest = d.unused_data
        d = zlib.decompressobj(31)
        data += d.decompress(rest, size - len(data))
    want(len(data) == size, "%s: %d bytes of %d" % (e["name"], len(data), size))
    want(sha(data) == e["chunkDigest"], "%s: a chunk has another digest" % e["name"])
    return data


def check_files(blob, entries, toc_at):
    offsets = [e["offset"] for e in entries if e.get("offset")]
    want(offsets == sorted(set(offsets)), "offsets do not rise")
    ends = dict(zip(offsets, offsets[1:] + [toc_at]))
    file, have, whole, count = None, 0, None, 0
    for e in entries:
        if e["type"] != "chunk":
            want(not file or have == file["size"], "a file without its end")
            file = None
            if e["type"] != "reg" or not e.get("size"):
                continue
            file, have, whole = e, 0, hashlib.sha256()
        want(e["name"] == file["name"], "a chunk of another file")
        want(e.get("chunkOffset", 0) == have, "a chunk that leaves a gap")
        size = e.get("chunkSize") or file["size"] - have
        data = check_chunk(blob, e, e["offset"], ends[e["offset"]], size)
        if e is file and file["name"] in LANDMARKS:
            want(data == b"\x0f", "the landmark's content")
        whole.update(data)
        have += size
        count += 1
        if have == file["size"]:
            want("chunkSize" not in e, "the last chunk says its size")
            want("sha256:" + whole.hexdigest() == file["digest"], "a file's digest")
    return count


def check_tar(plain, places, entries):
    """The table says what the headers say, and members begin where files do."""
    kinds = {"reg": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE,
             "hardlink": tarfile.LNKTYPE, "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE,
             "fifo": tarfile.FIFOTYPE}
    rows = [e for e in entries if e["type"] != "chunk"]
    with tarfile.open(fileobj=io.BytesIO(plain)) as t:
        infos = t.getmembers()
    want(infos[-1].name == TOC, "the table is not the last entry")
    want(len(rows) == len(infos) - 1, "%d rows for %d entries" % (len(rows), len(infos)))
    want(sum(e["name"].lstrip("./") in (n.lstrip("./") for n in LANDMARKS) for e in rows) == 1,
         "not one landmark")
    for e, i in zip(rows, infos):
        kind = tarfile.REGTYPE if i.type == tarfile.AREGTYPE else i.type
        want(kinds[e["type"]] == kind and e["name"].rstrip("/") == i.name.rstrip("/"),
             "a row of another entry: %s, %s" % (e["name"], i.name))
        want((e["mode"] & 0o7777, e["uid"], e["gid"], e.get("size", 0) if kind == tarfile.REGTYPE else 0,
              e.get("userName", ""), e.get("groupName", "")) ==
             (i.mode & 0o7777, i.uid, i.gid, i.size if kind == tarfile.REGTYPE else 0, i.uname, i.gname),
             "a row that says something else: %s" % e["name"])
        if i.issym() or i.islnk():
            want(e["linkName"] == i.linkname, "another target: %s" % e["name"])
        if kind == tarfile.REGTYPE and i.size:
            want(places.get(e["offset"]) == i.offset_data, "no member begins with %s" % e["name"])


def check_same(plain, tar):
    """All entries of TAR, byte for byte, are at the beginning."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        old = [i for i in t.getmembers() if i.name != TOC]
    with tarfile.open(fileobj=io.BytesIO(plain)) as t:
        new = {i.name: i for i in t.getmembers()}
    end = 0
    if old:
        last = old[-1]
        end = last.offset_data + (last.size + 511) // 512 * 512 * last.isreg()
    want(plain[:end] == tar[:end], "entries are not what they were")
    more = set(new) - {i.name for i in old}
    want(more <= {TOC, *LANDMARKS}, "entries that were not there: %s" % more)


def main():
    with open(sys.argv[1], "rb") as f:
        blob = f.read()
    toc, toc_at = read_toc(blob, sys.argv[2])
    want(toc["version"] == 1, "the version")
    chunks = check_files(blob, toc["entries"], toc_at)
    plain, places = members(blob)
    want(toc_at in places and len(blob) - 51 in places, "table and footer begin no member")
    check_tar(plain, places, toc["entries"])
    if len(sys.argv) > 3:
        with open(sys.argv[3], "rb") as f:
            check_same(plain, f.read())
    print(sum(e["type"] != "chunk" for e in toc["entries"]), chunks, sha(plain), len(plain))


main()
