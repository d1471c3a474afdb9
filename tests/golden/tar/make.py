#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the sample archives anew and, with Python's own reader, what is in them.

Each NAME.tar is what some real program writes, or once wrote; all are accepted. NAME.txt
lists its entries as a third reader sees them (the tests compare ours with it); where that
reader knows less than ours, the line is given here. Runs as root; needs GNU tar, bsdtar,
setfattr, setfacl, git. The archives are kept, so this is only for adding more.
"""
import hashlib, io, os, re, shutil, struct, subprocess, sys, tarfile, tempfile

here = os.path.dirname(os.path.abspath(__file__))
work = tempfile.mkdtemp(prefix="tarzoo")
T = 1700000000


def path(name):
    return os.path.join(work, name)


def run(*args, **kw):
    subprocess.run(args, check=True, cwd=work, **kw)


def put(name, data, mtime=T, mode=0o644):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as f:
        f.write(data)
    os.chmod(path(name), mode)
    ns = mtime if isinstance(mtime, int) and abs(mtime) > 1 << 40 else mtime * 10**9
    os.utime(path(name), ns=(ns, ns))


def put_sparse(name, size, pieces):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as f:
        f.truncate(size)
        for off, data in pieces:
            f.seek(off)
            f.write(data)
    os.utime(path(name), (T, T))


# ---- headers by hand ----

def header(name, typeflag=b"0", size=0, link=b"", magic=b"ustar\x0000", mode=b"0000644\0",
           uid=b"0000000\0", mtime=b"14524770400\0", prefix=b"", rest=None, size_field=None):
    h = bytearray(512)

    def at(off, data):
        h[off:off + len(data)] = data
    at(0, name)
    at(100, mode)
    at(108, uid)
    at(116, b"0000000\0")
    at(124, size_field if size_field is not None else b"%011o\0" % size)
    at(136, mtime)
    at(156, typeflag)
    at(157, link)
    at(257, magic)
    at(345, rest if rest is not None else prefix)
    at(148, b" " * 8)
    at(148, b"%06o\0 " % sum(h))
    return bytes(h)


def padded(data, fill=b"\0"):
    return data + fill * (-len(data) % 512)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    n = len(body) + 1
    while len(b"%d" % n) + len(body) != n:
        n += 1
    return b"%d" % n + body


def pax(records, typeflag=b"x"):
    body = b"".join(record(k, v) for k, v in records)
    return header(b"PaxHeaders/x", typeflag, len(body)) + padded(body)


END = bytes(1024)


# ---- lists ----

def quote(b):
    return re.sub(rb"[^!-\[\]-~]", lambda m: b"\\x%02x" % m[0][0], b).decode("ascii")


def raw(s):
    return s.encode("utf-8", "surrogateescape")


KIND = {b"0": "file", b"\0": "file", b"7": "file", b"S": "file", b"1": "hardlink",
        b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}


def line(tar, m):
    mtime = re.sub(r"\.0*$", "", m.pax_headers.get("mtime", str(int(m.mtime))))
    kind = KIND[m.type]
    if kind == "file" and m.isdir():
        kind = "dir"
    size = m.size if kind == "file" else 0
    out = [kind, "%o" % (m.mode & 0o7777), str(m.uid), str(m.gid), mtime, str(size),
           quote(raw(m.name)) or "."]
    if m.linkname and kind in ("hardlink", "symlink"):
        out += ["->", quote(raw(m.linkname))]
    if kind in ("char", "block"):
        out.append("%d,%d" % (m.devmajor, m.devminor))
    if kind == "file":
        out.append(hashlib.sha256(tar.extractfile(m).read()).hexdigest()[:16])
    for k in sorted(m.pax_headers):
        if k.startswith("SCHILY.xattr."):
            out.append(k[13:] + "=" + raw(m.pax_headers[k]).hex())
    return " ".join(out)


def archive(name, data=None, text=None):
    file = os.path.join(here, name)
    if data is not None:
        with open(file + ".tar", "wb") as f:
            f.write(data)
    if text is None:
        with tarfile.open(file + ".tar", "r:", encoding="utf-8",
                          errors="surrogateescape") as t:
            text = "".join(line(t, m) + "\n" for m in t)
    with open(file + ".txt", "w") as f:
        f.write(text)


def gnu(name, *args):
    run("tar", "-b1", "--sort=name", "--owner=0", "--group=0", "--pax-option=delete=atime,"
        "delete=ctime" if "--format=pax" in args else "-b1",
        "-cf", os.path.join(here, name + ".tar"), *args)
    archive(name)


LONG = "l" * 90 + "/" + "m" * 60 + "/" + "n" * 90
os.makedirs(path("d"))
put("d/file", b"hello\n")
put("d/empty", b"")
put("d/block", bytes(range(256)) * 2)
put("d/more", b"x" * 1000, mode=0o4755)
os.link(path("d/file"), path("d/hard"))
os.symlink("file", path("d/link"))
os.mkfifo(path("d/fifo"))
os.mknod(path("d/null"), 0o020666, os.makedev(1, 3))
os.mknod(path("d/disk"), 0o060660, os.makedev(259, 65535))
for n in ("d/link", "d/fifo", "d/null", "d/disk", "d"):
    os.utime(path(n), (T, T), follow_symlinks=False)

run("tar", "-b1", "--sort=name", "--format=v7", "--owner=0", "--group=0", "-cf",
    os.path.join(here, "gnu-v7.tar"), "d/block", "d/empty", "d/file", "d/hard", "d/link",
    "d/more")
archive("gnu-v7")
gnu("gnu-ustar", "--format=ustar", "d")
gnu("gnu-oldgnu", "--format=oldgnu", "d")
gnu("gnu-gnu", "--format=gnu", "d")
gnu("gnu-pax", "--format=pax", "d")

put("long/" + LONG, b"long")
put("long/" + "p" * 40 + "/" + "q" * 95, b"prefix")
put("long/caf\u00e9/" + "e\u0301" * 60, b"nfd")
put(os.fsdecode(b"long/\xff\xfe/" + b"\xfd" * 110), b"bytes")
put(os.fsdecode(b"long/short-\xe9"), b"latin")
os.symlink(LONG, path("long/sym"))
os.link(path("long/" + LONG), path("long/hard"))
for root, dirs, _ in os.walk(path("long")):
    os.utime(root, (T, T))
os.utime(path("long/sym"), (T, T), follow_symlinks=False)
gnu("gnu-long-gnu", "--format=gnu", "long")
gnu("gnu-long-pax", "--format=pax", "long")

put("time/nsec", b"", 1700000000123456789)
put("time/before", b"", -1500000000)
put("time/just", b"", -1)
os.utime(path("time/just"), ns=(-250000000, -250000000))
os.utime(path("time/before"), ns=(-86400 * 10**9 + 1, -86400 * 10**9 + 1))
os.utime(path("time/nsec"), ns=(T * 10**9 + 123456789,) * 2)
put("time/future", b"", 9000000000)
put("time/negative", b"", -2000)
os.utime(path("time"), (T, T))
gnu("gnu-time-gnu", "--format=gnu", "time")
gnu("gnu-time-pax", "--format=pax", "time")

put("own/big", b"owned")
os.chown(path("own/big"), 3000000, 4294967294)
os.utime(path("own"), (T, T))
for fmt in ("gnu", "pax"):
    run("tar", "-b1", "--format=" + fmt, "--numeric-owner", "--pax-option=delete=atime,delete="
        "ctime" if fmt == "pax" else "-b1", "-cf", os.path.join(here, "gnu-owner-%s.tar" % fmt),
        "own")
    archive("gnu-owner-" + fmt)

put_sparse("sp/two", 300000, [(8192, b"A" * 4096), (200704, b"B" * 100)])
put_sparse("sp/many", 1 << 20, [(i * 40960, b"%d" % i * 1000) for i in range(8)])
put_sparse("sp/hole", 500000, [])
put_sparse("sp/tail", 100000, [(0, b"head" * 1024)])
put("sp/whole", b"w" * 5000)
os.utime(path("sp"), (T, T))
gnu("gnu-sparse-old", "--format=gnu", "--sparse", "sp")
gnu("gnu-sparse-oldgnu", "--format=oldgnu", "--sparse", "sp")
for v in ("0.0", "0.1", "1.0"):
    gnu("gnu-sparse-" + v, "--format=pax", "--sparse", "--sparse-version=" + v, "sp")

put("xa/file", b"attributes")
run("setfattr", "-n", "user.note", "-v", "0x6100620a3d", path("xa/file"))
run("setfattr", "-n", "user.empty", path("xa/file"))
run("setfattr", "-n", "security.capability", "-v",
    "0x0100000200040000000000000000000000000000", path("xa/file"))
put("xa/plain", b"none")
os.utime(path("xa"), (T, T))
gnu("gnu-xattr", "--format=pax", "--xattrs", "--xattrs-include=*", "xa")
run("bsdtar", "-b1", "--format=pax", "--xattrs", "-cf", os.path.join(here, "bsd-xattr.tar"),
    "xa/file", "xa/plain")
archive("bsd-xattr")

put("acl/file", b"acl")
run("setfacl", "-m", "u:1234:rw,g:77:r,m:rwx", path("acl/file"))
os.mkdir(path("acl/dir"), 0o750)
run("setfacl", "-m", "d:u:54321:rx,d:g::r", path("acl/dir"))
for n in ("acl/dir", "acl"):
    os.utime(path(n), (T, T))
access = struct.pack("<IHHIHHIHHIHHIHHIHHI", 2, 1, 6, 2**32 - 1, 2, 6, 1234, 4, 4, 2**32 - 1,
                     8, 4, 77, 16, 7, 2**32 - 1, 32, 4, 2**32 - 1).hex()
default = struct.pack("<IHHIHHIHHIHHIHHI", 2, 1, 7, 2**32 - 1, 2, 5, 54321, 4, 4, 2**32 - 1,
                      16, 5, 2**32 - 1, 32, 0, 2**32 - 1).hex()
sha = hashlib.sha256(b"acl").hexdigest()[:16]
acl_text = ("dir 755 0 0 %d 0 acl\n"
            "dir 750 0 0 %d 0 acl/dir system.posix_acl_default=%s\n"
            "file 674 0 0 %d 3 acl/file %s system.posix_acl_access=%s\n"
            % (T, T, default, T, sha, access))
run("tar", "-b1", "--sort=name", "--format=pax", "--acls", "--numeric-owner",
    "--pax-option=delete=atime,delete=ctime", "-cf", os.path.join(here, "gnu-acl.tar"), "acl")
archive("gnu-acl", text=acl_text)
run("bsdtar", "-b1", "--format=pax", "--acls", "--no-xattrs", "--numeric-owner", "-cf",
    os.path.join(here, "bsd-acl.tar"), "-n", "acl", "acl/dir", "acl/file")
archive("bsd-acl", text=acl_text)
run("bsdtar", "-b1", "--format=ustar", "-cf", os.path.join(here, "bsd-ustar.tar"), "d")
archive("bsd-ustar")
run("bsdtar", "-b1", "--format=gnutar", "-cf", os.path.join(here, "bsd-gnu.tar"), "d")
archive("bsd-gnu")

for fmt, code in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT),
                  ("pax", tarfile.PAX_FORMAT)):
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w", format=code) as t:
        t.add(path("d"), "d", filter=lambda m: m.replace(
            uname="root", gname="root", deep=False))
        if fmt != "ustar":
            t.add(path("long"), "long")
            t.add(path("time"), "time")
    data = buf.getvalue().rstrip(b"\0")
    archive("python-" + fmt, padded(data) + END)

run("git", "init", "-q", "repo")
put("repo/a.txt", b"committed\n")
run("git", "-C", "repo", "add", ".")
run("git", "-C", "repo", "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m",
    env=dict(os.environ, GIT_AUTHOR_DATE="%d +0000" % T, GIT_COMMITTER_DATE="%d +0000" % T))
run("git", "-C", "repo", "archive", "-o", os.path.join(here, "git-archive.tar"), "HEAD")
archive("git-archive")

# What old and odd programs write.
archive("hand-v7", header(b"dir/", b"\0", magic=bytes(8)) +
        header(b"dir/f", b"\0", 3, magic=bytes(8)) + padded(b"abc") +
        header(b"dir/h", b"1", 0, b"dir/f", magic=bytes(8)) + END)
archive("hand-old-directory", header(b"old/") + header(b"old/f", b"0", 1) + padded(b"x") + END,
        "dir 644 0 0 %d 0 old\nfile 644 0 0 %d 1 old/f %s\n" %
        (T, T, hashlib.sha256(b"x").hexdigest()[:16]))
archive("hand-contiguous", header(b"c", b"7", 600) + padded(b"c" * 600) + END)
archive("hand-dirty-padding", header(b"p", b"0", 5) + padded(b"dirty", b"\xee") + END)
archive("hand-no-end", header(b"n", b"0", 5) + padded(b"noend"))
archive("hand-one-zero-block", header(b"n", b"0", 5) + padded(b"noend") + bytes(512))
archive("hand-garbage-behind", header(b"n", b"0", 1) + padded(b"n") + END + b"garbage" * 300)
archive("hand-empty", END)
archive("hand-global", pax([(b"comment", b"c"), (b"mtime", b"-1.5"), (b"uid", b"7")], b"g") +
        header(b"g", b"0", 1) + padded(b"g") + pax([(b"mtime", b"12")]) +
        header(b"h") + END,
        "file 644 7 0 -1.5 1 g %s\nfile 644 7 0 12 0 h %s\n" %
        (hashlib.sha256(b"g").hexdigest()[:16], hashlib.sha256(b"").hexdigest()[:16]))
archive("hand-hardlink-content", pax([(b"mtime", b"5")]) + header(b"f", b"0", 3) +
        padded(b"abc") + header(b"l", b"1", 700, b"f") + padded(b"z" * 700) +
        header(b"after") + END,
        "file 644 0 0 5 3 f %s\nhardlink 644 0 0 %d 0 l -> f\nfile 644 0 0 %d 0 after %s\n" %
        (hashlib.sha256(b"abc").hexdigest()[:16], T, T, hashlib.sha256(b"").hexdigest()[:16]))
archive("hand-hardlink-size", header(b"f", b"0", 3) + padded(b"abc") +
        header(b"l", b"1", 3, b"f") + header(b"after") + END,
        "file 644 0 0 %d 3 f %s\nhardlink 644 0 0 %d 0 l -> f\nfile 644 0 0 %d 0 after %s\n" %
        (T, hashlib.sha256(b"abc").hexdigest()[:16], T, T,
         hashlib.sha256(b"").hexdigest()[:16]))
archive("hand-size-of-nothing", header(b"d/", b"5", 4096) + header(b"s", b"2", 9, b"target") +
        header(b"f", b"6", 1) + END,
        "dir 644 0 0 %d 0 d\nsymlink 644 0 0 %d 0 s -> target\nfifo 644 0 0 %d 0 f\n" %
        (T, T, T))
archive("hand-base256", header(b"b", b"0", magic=b"ustar  \0", size_field=b"\x80" + bytes(10) +
                               b"\x03", mtime=b"\xff" * 11 + b"\xfe",
                               uid=b"\x80\0\0\0\xff\xff\xff\xfe") +
        padded(b"abc") + END)
archive("hand-blank-fields", header(b"b", b"0", mode=b"   644 \0", uid=b" " * 8,
                                    size_field=b"          2 ") + padded(b"hi") + END,
        "file 644 0 0 %d 2 b %s\n" % (T, hashlib.sha256(b"hi").hexdigest()[:16]))
archive("hand-mac", header(b"._f", b"0", 4) + padded(b"\0\5\x16\7") + header(b"f") + END)
shutil.rmtree(work)
