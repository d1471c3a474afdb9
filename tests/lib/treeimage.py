# SPDX-License-Identifier: Apache-2.0
"""Reads tree images by store/FORMAT.md section 11, for reader.py; and prints directory trees
in the same form, so that both can be compared line by line.

usage: treeimage.py [--no-xattrs] DIRECTORY

A line: PATH TYPE MODE UID GID SIZE MTIME NLINK CONTENT [XATTR=HEX ...]
"/" is the root. TYPE: f d l c b p s, w a whiteout, h a hardlink into a lower layer. CONTENT:
SHA-256 of a file that is not empty, target of a link, MAJOR:MINOR of a device. "-": does not
apply. Bytes outside of printable ASCII, blanks and backslashes are \\xNN.
"""
import ctypes
import hashlib
import os
import stat
import struct
import sys

BLOCK = 4096
OPAQUE, IMPLIED, WHITEOUT, UNRESOLVED, DEVICE_ZERO = 1, 2, 4, 8, 16
PLAIN, INLINE, CHUNKS = 0, 2, 4
PREFIXES = {1: b"user.", 2: b"system.posix_acl_access", 3: b"system.posix_acl_default",
            4: b"trusted.", 6: b"security."}
TYPES = {stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFCHR: 3, stat.S_IFBLK: 4, stat.S_IFIFO: 5,
         stat.S_IFSOCK: 6, stat.S_IFLNK: 7}
LETTERS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
           stat.S_IFIFO: "p", stat.S_IFSOCK: "s", stat.S_IFLNK: "l"}


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def xxh128(data):
    xxh = ctypes.CDLL("libxxhash.so.0")
    xxh.XXH3_128bits.restype = Hash128
    xxh.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    h = xxh.XXH3_128bits(data, len(data))
    return struct.pack(">QQ", h.high, h.low)


class Damage(Exception):
    """The image breaks a rule of FORMAT.md."""


def need(condition, what):
    if not condition:
        raise Damage("tree: " + what)


def escape(data):
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x5C else "\\x%02x" % b for b in data)


def line(path, kind, mode, uid, gid, size, mtime, nlink, content, xattrs):
    fields = [escape(path or b"/"), kind, "%04o" % mode, str(uid), str(gid), size,
              "%d.%09d" % mtime, nlink, content]
    fields += ["%s=%s" % (escape(n), v.hex()) for n, v in sorted(xattrs)]
    return " ".join(fields)


class Node:
    """One inode, taken apart."""

    def __init__(self, image, nid):
        at = nid * 32
        need(1152 <= at <= image.blocks - 64, "inode %d lies outside" % nid)
        (form, icount, self.mode, zero, self.size, self.union, self.number, self.uid, self.gid,
         seconds, nsec, self.nlink, self.flags) = struct.unpack_from("<HHHHQIIIIqIII", image.data, at)
        need(form & 1 and form >> 1 in (PLAIN, INLINE, CHUNKS) and not zero, "form of inode %d" % nid)
        need(nsec < 10**9, "time of inode %d" % nid)
        self.nid, self.layout, self.mtime = nid, form >> 1, (seconds, nsec)
        self.kind = stat.S_IFMT(self.mode)
        need(self.kind in TYPES, "type of inode %d" % nid)
        self.xattrs = image.xattrs(at + 64, icount)
        self.tail = at + 64 + (12 + 4 * (icount - 1) if icount else 0)
        self.digest = b""
        if self.kind == stat.S_IFREG and self.size:
            self.file(image)

    def file(self, image):
        bits = min(max((self.size - 1).bit_length() - 12, 0), 31)
        need(self.layout == CHUNKS and self.union == bits, "layout of file %d" % self.nid)
        count = ((self.size - 1) >> (12 + bits)) + 1
        holes = image.data[self.tail:self.tail + 4 * count]
        need(holes == b"\xff" * (4 * count), "chunk map of file %d" % self.nid)
        need(len(self.xattrs) >= 2 and self.xattrs[0][0] == b"trusted.overlay.redirect" and
             self.xattrs[1] == (b"trusted.overlay.metacopy", b""), "content of file %d" % self.nid)
        path = self.xattrs[0][1]
        need(len(path) == 66 and path[0:1] == b"/" and path[3:4] == b"/", "redirect of %d" % self.nid)
        self.digest = bytes.fromhex((path[1:3] + path[4:]).decode())

    def own_xattrs(self):
        """Without those that the tree keeps for itself."""
        skip = 2 if self.digest else 1 if self.flags & (OPAQUE | UNRESOLVED) else 0
        return self.xattrs[skip:]


class TreeImage:
    def __init__(self, data):
        self.data = data
        need(len(data) >= 1152 and data[:8] == b"LCTREE01", "no tree image")
        (self.version, self.flags, length, self.inodes, zero, self.blocks) = struct.unpack_from(
            "<IIQIIQ", data, 8)
        need(length == len(data) and zero == 0 and not any(data[40:1024]), "header")
        need(length % BLOCK == 0 and 1152 < self.blocks <= length and self.blocks % BLOCK == 0,
             "header: lengths")
        magic, compat, bits = struct.unpack_from("<I4xIB", data, 1024)
        root, inodes = struct.unpack_from("<HQ", data, 1024 + 14)
        blocks = struct.unpack_from("<I", data, 1024 + 36)[0]
        incompat = struct.unpack_from("<I", data, 1024 + 80)[0]
        need((magic, compat, bits, root, incompat) == (0xE0F5E1E2, 2, 12, 36, 4), "superblock")
        need(inodes == self.inodes and blocks == length // BLOCK, "superblock: counts")
        need(data[1072:1088] == xxh128(data[1152:]), "superblock: UUID")

    def xattrs(self, at, icount):
        if not icount:
            return []
        need(not any(self.data[at:at + 12]), "xattr header")
        end, at, found = at + 12 + 4 * (icount - 1), at + 12, []
        while at < end:
            name_len, prefix, value_len = struct.unpack_from("<BBH", self.data, at)
            need(prefix in PREFIXES, "xattr prefix %d" % prefix)
            value = at + 4 + name_len
            need(value + value_len <= end, "xattr is cut short")
            found.append((PREFIXES[prefix] + self.data[at + 4:value], self.data[value:value + value_len]))
            at += (4 + name_len + value_len + 3) // 4 * 4
        need(at == end, "xattr area")
        return found

    def content(self, node):
        """Data of a directory or symlink."""
        need(node.layout in (PLAIN, INLINE), "layout of inode %d" % node.nid)
        whole = node.size if node.layout == PLAIN else node.size // BLOCK * BLOCK
        first = node.union * BLOCK
        need(not whole or (self.blocks <= first and first + whole <= len(self.data)),
             "data of inode %d" % node.nid)
        tail = node.size - whole
        need(not tail or node.tail % BLOCK + tail <= BLOCK, "tail of inode %d" % node.nid)
        return self.data[first:first + whole] + self.data[node.tail:node.tail + tail]

    def entries(self, node):
        data, last = self.content(node), b""
        for at in range(0, len(data), BLOCK):
            block = data[at:at + BLOCK]
            first = struct.unpack_from("<H", block, 8)[0]
            need(first and first % 12 == 0 and first <= len(block), "directory block")
            starts = [struct.unpack_from("<QHBB", block, 12 * i) for i in range(first // 12)]
            ends = [s[1] for s in starts[1:]] + [len(block)]
            for (nid, begin, kind, zero), end in zip(starts, ends):
                need(begin < end <= len(block) and not zero, "directory entry")
                name = block[begin:end]
                if end == len(block):
                    name = name.rstrip(b"\0")
                need(name > last and len(name) <= 255 and b"/" not in name and b"\0" not in name,
                     "name in a directory")
                last = name
                yield name, nid, kind

    def line(self, path, node):
        mode, size, nlink, content = stat.S_IMODE(node.mode), "-", str(node.nlink), "-"
        kind, xattrs = LETTERS[node.kind], node.own_xattrs()
        if node.flags & UNRESOLVED:
            need(node.xattrs and node.xattrs[0][0] == b"trusted.layercache.link", "hardlink's target")
            kind, content = "h", escape(node.xattrs[0][1])
        elif kind == "d":
            nlink = "-"
        elif kind == "f":
            size, content = str(node.size), node.digest.hex() or "-"
        elif kind == "l":
            size, content = str(node.size), escape(self.content(node))
        elif kind in "bc":
            major = node.union >> 8 & 0xFFF
            minor = node.union & 0xFF | node.union >> 12 & 0xFFF00
            if node.flags & DEVICE_ZERO:
                need((major, minor) == (0, 1), "device 0:0")
                minor = 0
            content = "%d:%d" % (major, minor)
        if node.flags & WHITEOUT:
            need(kind == "c" and content == "0:0", "whiteout")
            kind = "w"
        if node.flags & OPAQUE:
            need(node.xattrs and node.xattrs[0] == (b"trusted.overlay.opaque", b"y"), "opaque directory")
            xattrs = node.xattrs
        return line(path, kind, mode, node.uid, node.gid, size, node.mtime, nlink, content, xattrs)

    def lines(self):
        """Every entry, sorted by path; checks link counts on the way."""
        out, names, todo = [], {}, [(b"", 36)]
        nodes = {}
        while todo:
            path, nid = todo.pop()
            if nid in nodes:
                need(nodes[nid].kind != stat.S_IFDIR, "a directory with two names")
            else:
                nodes[nid] = Node(self, nid)
            node = nodes[nid]
            out.append((path, self.line(path, node)))
            if node.kind != stat.S_IFDIR:
                names[nid] = names.get(nid, 0) + 1
                continue
            seen = set()
            for name, child, kind in self.entries(node):
                names[child] = names.get(child, 0) + (name in (b".", b".."))
                seen.add(name)
                if name not in (b".", b".."):
                    todo.append((path + b"/" + name, child))
                    need(TYPES[Node(self, child).kind] == kind, "type of an entry")
                else:
                    need(kind == 2 and (name == b".." or child == nid), "'.' of a directory")
            need({b".", b".."} <= seen, "a directory without '.'")
            names[nid] = names.get(nid, 0) + (nid != 36)
        need(len(nodes) == self.inodes, "%d inodes, not %d" % (len(nodes), self.inodes))
        for nid, node in nodes.items():
            need(node.nlink == names[nid], "link count of inode %d: %d, not %d" %
                 (nid, node.nlink, names[nid]))
        return [text for _, text in sorted(out)]


# ---- the same of a directory of this machine ----


def local_line(path, full, want_xattrs):
    st = os.lstat(full)
    kind, size, nlink, content = LETTERS[stat.S_IFMT(st.st_mode)], "-", str(st.st_nlink), "-"
    if kind == "d":
        nlink = "-"
    elif kind == "f":
        size = str(st.st_size)
        if st.st_size:
            with open(full, "rb") as f:
                content = hashlib.file_digest(f, "sha256").hexdigest()
    elif kind == "l":
        target = os.readlink(full)
        size, content = str(st.st_size), escape(target)
    elif kind in "bc":
        content = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
    xattrs = []
    if want_xattrs:
        xattrs = [(os.fsencode(n), os.getxattr(full, n, follow_symlinks=False))
                  for n in os.listxattr(full, follow_symlinks=False)]
    mtime = divmod(st.st_mtime_ns, 10**9)
    return line(path, kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, size, mtime, nlink,
                content, xattrs)


def local_lines(root, want_xattrs):
    out, todo = [], [b""]
    while todo:
        path = todo.pop()
        full = root + path
        out.append((path, local_line(path, full, want_xattrs)))
        if stat.S_ISDIR(os.lstat(full).st_mode):
            todo += [path + b"/" + name for name in os.listdir(full)]
    return [text for _, text in sorted(out)]


if __name__ == "__main__":
    for local in local_lines(os.fsencode(sys.argv[-1]), "--no-xattrs" not in sys.argv):
        print(local)
