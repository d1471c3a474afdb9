#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes OCI image layouts for the tests: good ones and hostile ones.

usage: mkimage.py layered DIR [TAG]     three layers with every kind of entry
       mkimage.py big DIR [TAG] [SEED]  many files, several layers (kill and load tests)
       mkimage.py small DIR [TAG]       two layers, a bit of everything, little to store
       mkimage.py hostile DIR           DIR/<case>/ layouts; DIR/cases: "<case> <pattern>"
Deterministic: the same command gives the same bytes.
"""
import gzip
import hashlib
import io
import json
import os
import random
import sys
import tarfile

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
T0 = 1700000000


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(doc):
    return json.dumps(doc, separators=(",", ":"), sort_keys=True).encode()


class Tar:
    """One layer's tar, PAX where needed, entries in the order of the calls."""

    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT,
                                errors="surrogateescape", encoding="utf-8")

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=None, uid=0, gid=0, mtime=T0,
            link="", dev=(0, 0), pax=None):
        info = tarfile.TarInfo(name)
        info.type = kind
        info.size = len(data)
        info.mode = mode if mode is not None else (0o755 if kind == tarfile.DIRTYPE else 0o644)
        info.uid, info.gid, info.mtime, info.linkname = uid, gid, mtime, link
        info.devmajor, info.devminor = dev
        info.pax_headers = dict(pax or {})
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def dir(self, name, **kw):
        return self.add(name, tarfile.DIRTYPE, **kw)

    def sym(self, name, link, **kw):
        return self.add(name, tarfile.SYMTYPE, link=link, mode=0o777, **kw)

    def hard(self, name, link, **kw):
        return self.add(name, tarfile.LNKTYPE, link=link, **kw)

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256", exist_ok=True)
        self.index = []

    def blob(self, data, name=None):
        digest = sha(data)
        with open("%s/blobs/sha256/%s" % (self.path, name or digest[7:]), "wb") as f:
            f.write(data)
        return {"digest": digest, "size": len(data)}

    def image(self, tars, tag, platform=None, edit_manifest=None, edit_config=None,
              blobs=None):
        descs, diffs = [], []
        for n, tar in enumerate(tars):
            data = blobs[n] if blobs else gzip.compress(tar, 1, mtime=0)
            descs.append({"mediaType": GZIP, **self.blob(data)})
            diffs.append(sha(tar))
        config = {"architecture": "amd64", "os": "linux", "created": "2023-11-14T22:13:20Z",
                  "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
                  "rootfs": {"type": "layers", "diff_ids": diffs},
                  "history": [{"created_by": "layer %d" % n} for n in range(len(tars))],
                  "x-unknown-field": {"kept": [1, 2.5, "three"]}}
        if edit_config:
            edit_config(config)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                    "config": {"mediaType": CONFIG, **self.blob(dump(config))},
                    "layers": descs}
        if edit_manifest:
            edit_manifest(manifest)
        desc = {"mediaType": MANIFEST, **self.blob(dump(manifest))}
        if platform:
            desc["platform"] = platform
        if tag:
            desc["annotations"] = {"org.opencontainers.image.ref.name": tag}
        self.index.append(desc)
        return desc

    def finish(self, index=None):
        with open(self.path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        with open(self.path + "/index.json", "wb") as f:
            f.write(dump(index or {"schemaVersion": 2, "manifests": self.index}))


def vocabulary():
    r = random.Random("words")
    return ["".join(r.choices("abcdefghijklmnop", k=r.randint(2, 9))) for _ in range(4000)]


WORDS = vocabulary()


def text(seed, size):
    r = random.Random(seed)
    words = r.sample(WORDS, 400)
    out = " ".join(r.choices(words, k=size // 6 + 16))
    while len(out) < size:
        out += " " + r.choice(words)
    return out[:size].encode()


def busybox():
    for p in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(p):
            with open(p, "rb") as f:
                return f.read()
    return text("no busybox", 100000)


def layered():
    a = Tar()
    a.dir("./", mode=0o755)
    for d in ("bin/", "dev/", "etc/", "tmp/", "usr/", "usr/lib/", "var/", "o/", "many/"):
        a.dir(d, mode=0o1777 if d == "tmp/" else 0o755)
    a.add("bin/busybox", data=busybox(), mode=0o755)
    for applet in ("sh", "ls", "cat", "echo"):
        a.sym("bin/" + applet, "busybox")
    a.sym("lib", "usr/lib")
    a.add("etc/passwd", data=b"root:x:0:0:root:/:/bin/sh\n")
    a.add("etc/gone", data=b"removed by layer 2\n")
    a.add("etc/shadow", data=b"root:*::::::\n", mode=0o640, gid=42)
    for n in (0, 1, 511, 512, 513, 4095, 4096, 4097, 65536, 262144, 262145, 1048577):
        a.add("var/size-%d" % n, data=text("size", n), uid=1000, gid=1000)
    a.add("var/random", data=random.Random("r").randbytes(3 << 20))
    a.add("var/zeros", data=bytes(2 << 20))
    a.add("var/one", data=b"one inode, three names\n", mode=0o600)
    a.hard("var/two", "var/one")
    a.hard("usr/three", "var/one")
    a.add("var/setuid", data=b"#!/bin/sh\n", mode=0o4755)
    a.add("var/fifo", tarfile.FIFOTYPE)
    a.add("dev/null", tarfile.CHRTYPE, mode=0o666, dev=(1, 3))
    a.add("dev/disk", tarfile.BLKTYPE, mode=0o660, dev=(8, 1), gid=6)
    a.add("var/xattr", data=b"x", pax={"SCHILY.xattr.user.test": "value",
                                       "SCHILY.xattr.user.empty": ""})
    a.add("var/early", data=b"before 1970", mtime=-123456)
    a.add("var/nano", data=b"ns", mtime=T0, pax={"mtime": "1700000000.123456789"})
    a.add("var/late", data=b"year 2400", mtime=13569465600)  # ext4 ends in 2446
    a.add("var/" + "n" * 255, data=b"longest name")
    deep = "var/" + "/".join(["d" * 100] * 20)
    a.add(deep + "/file", data=b"deep")
    a.sym("var/long-link", "/".join(["target" * 20] * 20))
    a.sym("var/dangling", "/nowhere/at/all")
    a.add("var/caf\udce9-\udcff\udcfe", data=b"not UTF-8")
    a.add("var/caf\u00e9 \u2603", data=b"UTF-8")
    a.add("var/new\nline", data=b"control")
    a.add("o/lower", data=b"hidden by opaque")
    a.dir("o/sub/").add("o/sub/file", data=b"hidden too")
    a.dir("swap-dir/").add("swap-dir/f", data=b"dir becomes file")
    a.add("swap-file", data=b"file becomes dir")
    for n in range(2000):
        a.add("many/file-%04d.txt" % n, data=text(n, n % 700))

    b = Tar()
    b.dir("etc/", mtime=T0 + 1)
    b.add("etc/.wh.gone", mode=0)
    b.add("etc/passwd", data=b"root:x:0:0:changed:/:/bin/sh\n", mtime=T0 + 1)
    b.dir("o/", mode=0o700)
    b.add("o/.wh..wh..opq")
    b.add("o/upper", data=b"only this is left\n")
    b.add("lib/through-link", data=b"goes to usr/lib\n")
    b.hard("var/four", "var/one")
    b.add("swap-dir", data=b"now a file\n")
    b.dir("swap-file/").add("swap-file/f", data=b"now a directory\n")
    b.add("implied/parent/file", data=b"no entries for its parents\n")
    b.dir("many/").add("many/.wh.file-0001.txt")

    c = Tar()
    c.dir("back/").add("back/one", data=b"1")
    c.dir("var/", mode=0o750)
    c.add("var/.wh.size-1", mode=0)
    c.add("many/.wh.file-0002.txt")
    c.add("many/file-0002.txt", data=b"whiteout and file in one layer\n")
    c.dir("many/").add("many/file-0000.txt", data=b"changed\n")
    return [t.bytes() for t in (a, b, c)]


def small():
    a = Tar()
    a.dir("./").dir("etc/").dir("var/").dir("tmp/", mode=0o1777)
    a.add("etc/passwd", data=b"root:x:0:0:root:/:/bin/sh\n")
    a.add("etc/gone", data=b"removed by layer 2\n")
    a.add("var/empty")
    a.add("var/noise", data=random.Random("small").randbytes(3000))
    part = text("part", 5000)
    # Above the size from which content is cut into chunks, with a hole of chunks of zeros.
    a.add("var/large", data=part * 60 + bytes(1 << 20) + part[::-1] * 60, mode=0o755)
    for n in range(40):
        a.add("var/file-%02d.txt" % n, data=text("f%d" % n, 40 + 11 * n), uid=1000, gid=n)
    a.hard("var/link", "var/noise").sym("var/sym", "../etc/passwd")
    a.add("var/null", tarfile.CHRTYPE, mode=0o666, dev=(1, 3)).add("var/fifo", tarfile.FIFOTYPE)
    a.add("var/xattr", data=b"x", pax={"SCHILY.xattr.user.test": "value"})
    a.add("var/nano", data=b"ns", pax={"mtime": "1700000000.123456789"})
    a.add("var/early", data=b"before 1970", mtime=-123456)
    a.add("var/caf\udce9", data=b"not UTF-8")
    b = Tar()
    b.add("etc/.wh.gone", mode=0)
    b.dir("tmp/", mode=0o700).add("tmp/.wh..wh..opq")
    b.hard("var/lower", "var/noise")
    b.add("implied/parent/file", data=b"no entries for its parents\n")
    return [t.bytes() for t in (a, b)]


def big(seed):
    tars = []
    for layer in range(4):
        r = random.Random("%s-%d" % (seed, layer))
        t = Tar()
        for d in range(12):
            base = "l%d/d%02d/" % (layer, d)
            t.dir(base)
            for f in range(60):
                t.add("%sf%03d.%s" % (base, f, r.choice(["py", "js", "h", "txt"])),
                      data=text("%s%d" % (seed, r.randint(0, 3000)), r.randint(0, 9000)))
            t.add(base + "blob.so", data=r.randbytes(200000) + text(d, 400000))
        tars.append(t.bytes())
    return tars


def hostile(root):
    cases = []

    def case(name, pattern):
        cases.append("%s %s" % (name, pattern))
        return Layout("%s/%s" % (root, name))

    def simple():
        return Tar().dir("d/").add("d/f", data=text("f", 5000)).bytes()

    def with_tar(name, pattern, tar):
        lay = case(name, pattern)
        lay.image([tar], "t")
        lay.finish()

    tar = simple()
    good = gzip.compress(tar, 6, mtime=0)

    def with_blob(name, pattern, blob):
        lay = case(name, pattern)
        lay.image([tar], "t", blobs=[blob])
        lay.finish()

    with_blob("gzip-truncated", "trunc|ends early|unexpected end", good[:-20])
    with_blob("gzip-crc", "CRC|checksum|damaged|corrupt", good[:-8] + b"\0\0\0\0" + good[-4:])
    with_blob("gzip-garbage", "after|trailing|garbage", good + b"garbage")
    with_blob("gzip-flip", ".", good[:len(good) // 2] + b"\xff\xff\xff" + good[len(good) // 2 + 3:])
    with_blob("not-gzip", "not a tar|tar|gzip", text("x", 3000))

    lay = case("blob-digest", "digest")
    d = lay.image([tar], "t")
    m = json.load(open("%s/blobs/sha256/%s" % (lay.path, d["digest"][7:])))
    p = "%s/blobs/sha256/%s" % (lay.path, m["layers"][0]["digest"][7:])
    data = bytearray(open(p, "rb").read())
    data[4] ^= 1  # the gzip header's time: decodes as before
    open(p, "wb").write(data)
    lay.finish()

    def edit(name, pattern, em=None, ec=None):
        lay = case(name, pattern)
        lay.image([tar], "t", edit_manifest=em, edit_config=ec)
        lay.finish()

    def set_size(delta):
        return lambda m: m["layers"][0].__setitem__("size", m["layers"][0]["size"] + delta)

    edit("size-small", "size|longer|larger", set_size(-1))
    edit("size-large", "size|shorter|early|ends", set_size(+1))
    edit("size-negative", "size", lambda m: m["layers"][0].__setitem__("size", -5))
    edit("size-huge", "size|shorter|early|ends", lambda m: m["layers"][0].__setitem__("size", 1 << 62))
    edit("size-string", "size|expected|integer", lambda m: m["layers"][0].__setitem__("size", "12"))
    edit("digest-path", "digest", lambda m: m["layers"][0].__setitem__("digest", "sha256:../../../../etc/passwd"))
    edit("digest-short", "digest", lambda m: m["layers"][0].__setitem__("digest", "sha256:abcd"))
    edit("digest-upper", "digest", lambda m: m["layers"][0].__setitem__("digest", m["layers"][0]["digest"].upper().replace("SHA", "sha")))
    edit("config-size", "size", lambda m: m["config"].__setitem__("size", 3))
    edit("diffid-wrong", "[Dd]iffID", ec=lambda c: c["rootfs"].__setitem__("diff_ids", [sha(b"x")]))
    edit("diffid-count", "diff_ids|layers", ec=lambda c: c["rootfs"]["diff_ids"].append(sha(b"x")))
    edit("diffid-none", "diff_ids|layers|rootfs", ec=lambda c: c.__setitem__("rootfs", {}))
    edit("both-kinds", "both|ambiguous|manifests", lambda m: m.__setitem__("manifests", []))
    edit("schema1", "schema", lambda m: m.__setitem__("schemaVersion", 1))
    edit("media-type", "media", lambda m: m.__setitem__("mediaType", "application/vnd.oci.image.index.v1+json"))
    edit("manifest-huge", "large|size|limit|bytes", lambda m: m.__setitem__("annotations", {"a": "x" * (5 << 20)}))

    lay = case("missing-blob", "No such|not found|missing|cannot open|does not exist")
    lay.image([tar], "t", edit_manifest=lambda m: m["layers"][0].__setitem__("digest", sha(b"missing")))
    lay.finish()
    lay = case("index-cycle", "nest|cycl|deep|digest|loop")
    inner = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    desc = None
    for _ in range(12):
        inner["manifests"] = [desc] if desc else []
        desc = {"mediaType": "application/vnd.oci.image.index.v1+json", **lay.blob(dump(inner))}
    lay.finish({"schemaVersion": 2, "manifests": [desc]})
    lay = case("index-json", "JSON|json|line|parse")
    lay.finish()
    open(lay.path + "/index.json", "w").write('{"schemaVersion":2,"manifests":[')
    lay = case("index-deep", "JSON|json|deep|depth|nest")
    lay.finish()
    open(lay.path + "/index.json", "w").write("[" * 200000)
    lay = case("index-duplicate", "JSON|json|duplicate")
    lay.finish()
    open(lay.path + "/index.json", "w").write('{"schemaVersion":2,"manifests":[],"manifests":[]}')

    def t():
        return Tar()

    with_tar("dotdot", "\\.\\.", t().add("../escape", data=b"x").bytes())
    with_tar("dotdot-inside", "\\.\\.", t().add("a/../../escape", data=b"x").bytes())
    with_tar("name-long", "255|long|limit", t().add("n" * 256, data=b"x").bytes())
    with_tar("path-long", "4096|long|limit", t().add("/".join(["d" * 200] * 30), data=b"x").bytes())
    with_tar("hardlink-missing", "hardlink|target", t().hard("a", "no/such/file").bytes())
    with_tar("hardlink-dir", "hardlink|director", t().dir("d/").hard("a", "d").bytes())
    with_tar("hardlink-dotdot", "\\.\\.|hardlink", t().hard("a", "../../etc/passwd").bytes())
    with_tar("whiteout-bare", "whiteout|\\.wh\\.", t().add("d/.wh.").bytes())
    broken = bytearray(simple())
    broken[150] ^= 0x3f
    with_tar("header-checksum", "checksum|header|tar", bytes(broken))
    with_tar("tar-truncated", "trunc|ends|inside|tar", simple()[:2000])
    def extension(kind, body):
        info = tarfile.TarInfo("././@PaxHeader")
        info.type, info.size = kind, len(body)
        return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)

    def record(key, value):
        size = len(key) + len(value) + 3
        size += len(str(size + len(str(size))))
        return b"%d %s=%s\n" % (size, key, value)

    comment = record(b"comment", b"x" * (700 << 10))
    with_tar("pax-endless", "headers of entry 0 are longer than",
             extension(b"g", comment) * 80 + t().add("f").bytes())
    with_tar("pax-row", "extension headers in a row",
             extension(b"g", record(b"comment", b"x")) * 80 + t().add("f").bytes())
    with_tar("pax-twice", "followed by another", extension(b"x", comment) * 8 + t().add("f").bytes())
    with_tar("pax-malformed", "malformed", extension(b"x", comment[:-3]) + t().add("f").bytes())
    with_tar("pax-record", "limit|large|bytes|PAX|pax", t().add("f", pax={"comment": "x" * (2 << 20)}).bytes())
    # 1 EiB in each of the ways to say it.
    eib = str(1 << 60)
    version = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
               "GNU.sparse.realsize": eib}
    with_tar("sparse-bomb", "'s': a sparse file of 1152921504606846976 bytes, more than",
             t().add("s", data=(b"1\n" + eib.encode() + b"\n0\n").ljust(512, b"\0"), pax=version).bytes())
    with_tar("sparse-bomb-data", "'s': a sparse file of 1152921504606846976 bytes, more than",
             t().add("s", data=b"1\n0\n1\n".ljust(512, b"\0") + b"x", pax=version).bytes())
    with_tar("sparse-bomb-pax", "'s': a sparse file of 1152921504606846976 bytes, more than",
             t().add("s", pax={"GNU.sparse.size": eib, "GNU.sparse.numblocks": "1",
                               "GNU.sparse.map": eib + ",0"}).bytes())
    old = bytearray(t().add("s").bytes())
    old[156:157] = b"S"
    old[257:265] = b"ustar  \0"
    old[345:386] = bytes(41)
    old[386:410] = b"%011o\0%011o\0" % (0, 0)
    old[483:495] = b"\x80" + (1 << 60).to_bytes(11, "big")
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    with_tar("sparse-bomb-old", "'s': a sparse file of 1152921504606846976 bytes, more than", bytes(old))
    huge = bytearray(t().add("s").bytes())
    huge[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    huge[148:156] = b" " * 8
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    with_tar("file-huge", "bytes|cut short", bytes(huge))
    with_tar("sparse-mapless", "sparse map is missing", t().add("s", pax=version).bytes())
    lay = case("bomb-entries", "more than 4194304 entries")
    # 5,001,216 times the same file, 4096 in each gzip member; refused long before its DiffID counts.
    member = gzip.compress(tarfile.TarInfo("e").tobuf(tarfile.USTAR_FORMAT) * 4096, 1, mtime=0)
    lay.image([b""], "t", blobs=[member * 1221])
    lay.finish()
    with open(root + "/cases", "w") as f:
        f.write("\n".join(cases) + "\n")


def entries(count):
    """A tar of COUNT empty files, each with a name of its own, to stdout."""
    block = b"".join(tarfile.TarInfo("@@@@/%04d" % k).tobuf(tarfile.USTAR_FORMAT) for k in range(4096))
    # Directories whose bytes add up to the same, so that the checksums stay right.
    names = (bytes((64 - x, 64 + x, 64 - y, 64 + y)) for x in range(-32, 32) for y in range(-32, 32)
             if abs(x) != 17 and abs(y) != 17)  # no '/'
    try:
        for at in range(0, count, 4096):
            sys.stdout.buffer.write(block.replace(b"@@@@", next(names))[:512 * (count - at)])
        sys.stdout.buffer.write(bytes(1024))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main():
    what, out = sys.argv[1], sys.argv[2]
    if what == "entries":
        return entries(int(out))
    if what == "hostile":
        os.makedirs(out, exist_ok=True)
        return hostile(out)
    lay = Layout(out)
    tag = sys.argv[3] if len(sys.argv) > 3 else "v1"
    makers = {"layered": layered, "small": small,
              "big": lambda: big(sys.argv[4] if len(sys.argv) > 4 else "0")}
    lay.image(makers[what](), tag)
    if os.path.exists(out + "/index.json"):
        old = json.load(open(out + "/index.json"))["manifests"]
        lay.index = [d for d in old if d.get("annotations", {}).get(
            "org.opencontainers.image.ref.name") != tag] + lay.index
    lay.finish()
    return None


main()
