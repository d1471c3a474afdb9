# SPDX-License-Identifier: Apache-2.0
"""A store, read by store/FORMAT.md alone: no catalog, no code of the program. For reader.py.
Section numbers in comments are FORMAT.md's.
"""
import ctypes
import os
import re
import struct
from collections import OrderedDict, namedtuple

READ_VERSION = 1
BODY_MAX = 16 << 20
NONE = bytes(32)

DATA, CHUNKS, RECIPE, TREE, DOCUMENT = 1, 2, 3, 4, 5

Place = namedtuple("Place", "pack length offset")
Slice = namedtuple("Slice", "place offset length type")
Frame = namedtuple("Frame", "place type method count stored raw table sum")
Layer = namedtuple("Layer", "recipe tree number flags tar_size content_size new_size entries created")
Chain = namedtuple("Chain", "parent diffid number")
Blob = namedtuple("Blob", "diffid size compression")
Image = namedtuple("Image", "config chain platform")
Ref = namedtuple("Ref", "index created targets")
Key = namedtuple("Key", "chain manifest parent scope created")
Artifact = namedtuple("Artifact", "needs subject created")
Tree = namedtuple("Tree", "kind id version sha256 stale")


class Damage(Exception):
    """The store breaks a rule of FORMAT.md."""


class NotFound(Exception):
    """Nothing by that name."""


def need(condition, what):
    if not condition:
        raise Damage(what)


# ---- the two libraries that the format needs ----

XXH = ctypes.CDLL("libxxhash.so.0")
XXH.XXH3_64bits.restype = ctypes.c_uint64
XXH.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
XXH.XXH3_64bits_withSeed.restype = ctypes.c_uint64
XXH.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]

ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
ZSTD.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
ZSTD.ZSTD_findFrameCompressedSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_isError.argtypes = [ctypes.c_size_t]


def xxh3(data, seed=None):
    if seed is None:
        return XXH.XXH3_64bits(data, len(data))
    return XXH.XXH3_64bits_withSeed(data, len(data), seed)


def unzstd(data, length):
    """Decodes one zstd frame that says its length and has a content checksum (6)."""
    need(len(data) > 4 and data[4] & 0x04, "a zstd frame has no content checksum")
    need(ZSTD.ZSTD_getFrameContentSize(data, len(data)) == length, "a zstd frame has another length")
    need(ZSTD.ZSTD_findFrameCompressedSize(data, len(data)) == len(data), "not one zstd frame")
    out = ctypes.create_string_buffer(max(length, 1))
    got = ZSTD.ZSTD_decompress(out, length, data, len(data))
    need(not ZSTD.ZSTD_isError(got) and got == length, "zstd data is damaged")
    return out.raw[:length]


def text(digest):
    return "sha256:" + digest.hex() if digest != NONE else "-"


def parse(digest):
    digest = digest[7:] if digest.startswith("sha256:") else digest
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise NotFound("'%s' is no digest" % digest)
    return bytes.fromhex(digest)


# ---- taking bytes apart (2) ----


class Cursor:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def bytes(self, n):
        need(n <= self.left(), "something is cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def take(self, fmt):
        return struct.unpack("<" + fmt, self.bytes(struct.calcsize("<" + fmt)))

    def one(self, fmt):
        return self.take(fmt)[0]

    def digest(self):
        return self.bytes(32)

    def place(self):
        return Place(*self.take("IIQ"))

    def string(self, at_most):
        s = self.bytes(self.one("H"))
        need(len(s) <= at_most and b"\0" not in s, "a string is too long or has a NUL")
        return os.fsdecode(s)

    def varint(self):
        value = shift = 0
        while True:
            need(shift < 70, "a varint is too long")
            byte = self.one("B")
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
            shift += 7
        need(value < 1 << 64 and (byte or not shift), "a varint is no good")
        return value


# ---- journal (5) ----


class State:
    """What the items of the journal, applied in order, say."""

    def __init__(self):
        self.contents = []  # in order: ranges of packs (PACK), digests (DROP)
        self.layers, self.chains, self.blobs, self.images = {}, {}, {}, {}
        self.names, self.trees, self.keys, self.artifacts = {}, {}, {}, {}
        self.generation = 0
        self.next_number = 1

    def raise_number(self, number):
        self.next_number = max(self.next_number, number + 1)

    def give(self, number, kind, digest):
        self.trees.setdefault(number, Tree(kind, digest, 0, NONE, False))

    def pack(self, c):
        pack, first, last = c.take("IQQ")
        need(first <= last, "a PACK item ends before it begins")
        self.contents.append((pack, first, last))

    def drop(self, c):
        self.contents.append(c.digest())

    def layer(self, c):
        diffid = c.digest()
        recipe, tree = c.place(), c.place()
        layer = Layer(recipe, tree, *c.take("IIQQQQq"))
        self.raise_number(layer.number)
        if diffid in self.layers:
            layer = layer._replace(number=self.layers[diffid].number)
        else:
            self.give(layer.number, "layer", diffid)
        self.layers[diffid] = layer

    def chain(self, c):
        chainid = c.digest()
        chain = Chain(c.digest(), c.digest(), c.one("I"))
        self.raise_number(chain.number)
        if chainid not in self.chains:
            self.chains[chainid] = chain
            self.give(chain.number, "chain", chainid)

    def blob(self, c):
        blob = c.digest()
        self.blobs[blob] = Blob(c.digest(), *c.take("QI"))

    def image(self, c):
        manifest = c.digest()
        self.images[manifest] = Image(c.digest(), c.digest(), c.string(63))

    def ref(self, c):
        name = c.string(1024)
        index = c.digest()
        count, created = c.take("Iq")
        need(name and count <= 64, "a REF item is out of bounds")
        self.names[name] = Ref(index, created, [(c.digest(), c.string(63)) for _ in range(count)])

    def unref(self, c):
        name = c.string(1024)
        need(name, "an UNREF item has no name")
        self.names.pop(name, None)

    def key(self, c):
        key = c.digest()
        self.keys[key] = Key(c.digest(), c.digest(), c.digest(), c.string(255), c.one("q"))

    def unkey(self, c):
        self.keys.pop(c.digest(), None)

    def tree(self, c):
        number, superseded, version = c.take("III")
        sha256 = c.digest()
        if not superseded:
            need(number in self.trees, "a TREE item's number was never given")
            self.trees[number] = self.trees[number]._replace(version=version, sha256=sha256)
            return
        need(superseded in self.trees, "a TREE item supersedes nothing")
        old = self.trees[superseded]
        self.trees[superseded] = old._replace(stale=True)
        self.trees[number] = Tree(old.kind, old.id, version, sha256, False)
        owner = self.layers if old.kind == "layer" else self.chains
        owner[old.id] = owner[old.id]._replace(number=number)
        self.raise_number(number)

    def gone(self, c):
        kind, number = c.take("II")
        digest = c.digest()
        need(kind <= 5 and (kind or digest == NONE), "a GONE item is of no kind")
        self.raise_number(number)
        if kind in (1, 2):
            owner = self.layers if kind == 1 else self.chains
            thing = owner.pop(digest, None)
            if thing:
                self.trees.pop(thing.number, None)
        elif kind:
            (self.blobs, self.images, self.artifacts)[kind - 3].pop(digest, None)

    def artifact(self, c):
        manifest = c.digest()
        self.artifacts[manifest] = Artifact(c.digest(), c.digest(), c.one("q"))

    def pack_gone(self, c):
        number = c.one("I")
        need(number, "there is no pack 0")
        self.contents = [x for x in self.contents if isinstance(x, bytes) or x[0] != number]

    def ranges(self):
        return [x for x in self.contents if isinstance(x, tuple)]

    ITEMS = {1: pack, 2: layer, 3: chain, 4: blob, 5: image, 6: ref, 7: unref, 8: tree, 9: drop,
             10: key, 11: unkey, 12: gone, 13: pack_gone, 16: artifact}

    def record(self, items):
        c = Cursor(items)
        while c.left():
            kind, length = c.take("HI")
            payload = Cursor(c.bytes(length))
            need(kind in self.ITEMS, "unknown item type %d" % kind)
            self.ITEMS[kind](self, payload)
            need(not payload.left(), "an item of type %d is too long" % kind)


def record_at(data, at):
    """The record at an offset as (sequence number, items, end), or None."""
    if len(data) - at < 24:
        return None
    magic, length, seq, checksum = struct.unpack_from("<IIQQ", data, at)
    end = at + 24 + (length + 7) // 8 * 8
    if magic != 0x43524A4C or not 0 < length <= 64 << 20 or not seq or end > len(data):
        return None
    items = data[at + 24:at + 24 + length]
    if xxh3(items, xxh3(data[at + 4:at + 16])) != checksum:
        return None
    return seq, items, end


def is_torn(data, at, after):
    if len(data) - at < 24:
        return True
    magic, length, seq = struct.unpack_from("<IIQ", data, at)
    if (magic == 0x43524a4c and 0 < length <= 64 << 20 and (seq == after + 1 or at == 16)
            and at + 24 + (length + 7) // 8 * 8 > len(data)):
        return True
    return any(not any(data[max(at, block):block + 512])
               for block in range(at // 512 * 512, len(data), 512))


def read_journal(path):
    with open(path, "rb") as f:
        data = f.read()
    need(data[:16] == b"LCJRNL01" + bytes(8), "journal: damaged file header")
    state, at = State(), 16
    while True:
        record = record_at(data, at)
        if not record:
            break
        seq, items, end = record
        need(at == 16 or seq == state.generation + 1, "journal: record at %d is out of order" % at)
        state.record(items)
        state.generation, at = seq, end
    for behind in range(at + 8, len(data), 8):
        record = record_at(data, behind)
        need(not record or record[0] <= state.generation, "journal: damaged at %d" % at)
    need(is_torn(data, at, state.generation), "journal: the last record, at %d, is damaged" % at)
    return state


# ---- packs (6) ----


class Packs:
    def __init__(self, path):
        self.path = path
        self.files = {}
        self.bodies = OrderedDict()

    def file(self, number):
        if number not in self.files:
            name = "%s/%08x.pack" % (self.path, number)
            need(os.path.exists(name), "pack %08x is missing" % number)
            f = open(name, "rb")
            header = f.read(16)
            need(header == b"LCPACK01" + struct.pack("<II", number, 0),
                 "pack %08x: damaged file header" % number)
            self.files[number] = f
        return self.files[number]

    def read(self, number, offset, length):
        f = self.file(number)
        f.seek(offset)
        data = f.read(length)
        need(len(data) == length, "pack %08x ends before %d" % (number, offset + length))
        return data

    def frame(self, number, offset):
        """Header and table of the frame at an offset, checked."""
        where = "pack %08x: frame at %d: " % (number, offset)
        header = self.read(number, offset, 48)
        (magic, kind, method, zero, count, stored, raw, table_sum, own, checksum,
         header_sum) = struct.unpack("<IBBHIIIIQQQ", header)
        need(magic == 0x4D52464C, where + "no frame begins there")
        need(xxh3(header[:40]) == header_sum, where + "header checksum")
        need(own == offset, where + "belongs to another place")
        need(zero == 0 and kind in (DATA, CHUNKS, RECIPE, TREE, DOCUMENT) and method in (0, 1) and
             count <= 65536 and stored <= BODY_MAX and raw <= BODY_MAX, where + "header")
        need(method == 1 or stored == raw, where + "lengths of a raw body")
        need(count == {RECIPE: 0, TREE: 0, DOCUMENT: 1}.get(kind, count), where + "table entries")
        table = self.read(number, offset + 48, 40 * count)
        need(xxh3(table) & 0xFFFFFFFF == table_sum, where + "table checksum")
        for i in range(count):
            off, length = struct.unpack_from("<II", table, 40 * i + 32)
            need(off + length <= raw, where + "table entry %d" % i)
        place = Place(number, 48 + len(table) + stored, offset)
        return Frame(place, kind, method, count, stored, raw, table, checksum)

    def entries(self, frame):
        for i in range(frame.count):
            off, length = struct.unpack_from("<II", frame.table, 40 * i + 32)
            yield frame.table[40 * i:40 * i + 32], Slice(frame.place, off, length, frame.type)

    def body(self, place):
        """The frame and its raw body, checked as a whole."""
        if place in self.bodies:
            self.bodies.move_to_end(place)
            return self.bodies[place]
        frame = self.frame(place.pack, place.offset)
        where = "pack %08x: frame at %d: " % (place.pack, place.offset)
        need(frame.place == place, where + "has another length")
        stored = self.read(place.pack, place.offset + 48 + len(frame.table), frame.stored)
        need(xxh3(frame.table + stored) == frame.sum, where + "checksum")
        raw = unzstd(stored, frame.raw) if frame.method else stored
        self.bodies[place] = frame, raw
        if len(self.bodies) > 64:
            self.bodies.popitem(last=False)
        return frame, raw

    def frames(self, number, first, last):
        at = max(first, 16)
        self.file(number)
        while at < last:
            frame = self.frame(number, at)
            yield frame
            at += frame.place.length
        need(at == max(last, 16), "pack %08x: a frame goes beyond %d" % (number, last))


# ---- the store ----


class Store:
    def __init__(self, path):
        self.path = path
        self.check_version()
        self.state = read_journal(path + "/journal")
        self.packs = Packs(path + "/packs")
        self.map = None

    def check_version(self):
        name = self.path + "/version"
        if not os.path.exists(name):
            raise NotFound("there is no store in '%s'" % self.path)
        with open(name, "rb") as f:
            m = re.match(rb"layercache store\nread (\d+)\nwrite (\d+)\n", f.read(4096))
        need(m, "'version' makes no sense")
        need(int(m[1]) <= READ_VERSION, "read version %d is too new" % int(m[1]))

    def objects(self):
        if self.map is None:
            self.map = {}
            for what in self.state.contents:
                if isinstance(what, bytes):
                    self.map.pop(what, None)
                    continue
                for frame in self.packs.frames(*what):
                    for digest, where in self.packs.entries(frame):
                        self.map.setdefault(digest, where)
        return self.map

    def slice(self, where):
        raw = self.packs.body(where.place)[1]
        return raw[where.offset:where.offset + where.length]

    def find(self, digest):
        where = self.objects().get(digest)
        if not where:
            raise NotFound("no object %s" % digest.hex())
        return where

    def pieces(self, digest):
        """An object's content in pieces: (length, bytes or None for zeros) (7)."""
        where = self.find(digest)
        data = self.slice(where)
        if where.type != CHUNKS:
            yield len(data), data
            return
        name = "object %s: " % digest.hex()
        need(data and len(data) % 40 == 0, name + "length of its chunk list")
        start = 0
        for at in range(0, len(data), 40):
            chunk = data[at:at + 32]
            end = struct.unpack_from("<Q", data, at + 32)[0]
            need(end > start, name + "its chunk list is out of order")
            if chunk == NONE:
                yield end - start, None
            else:
                need(chunk in self.objects(), name + "a chunk is missing")
                there = self.find(chunk)
                need(there.type != CHUNKS and there.length == end - start,
                     name + "a chunk has another length")
                yield end - start, self.slice(there)
            start = end

    def content(self, digest, offset=0, length=None):
        """Bytes of a range of an object's content, in bounded pieces."""
        end = None if length is None else offset + length
        at = 0
        for size, data in self.pieces(digest):
            first, last = max(offset - at, 0), size if end is None else min(end - at, size)
            at += size
            if data is not None and first < last:
                yield data[first:last]
            while data is None and first < last:
                n = min(last - first, 1 << 20)
                yield bytes(n)
                first += n
        need(end is None or end <= at, "object %s is shorter than a slice of it" % digest.hex())

    # -- recipes (8) --

    def recipe_frame(self, place):
        frame, raw = self.packs.body(place)
        need(frame.type == RECIPE, "a recipe's frame has another type")
        return raw

    def segment(self, raw, want):
        """Yields (op, literal or (digest, offset), length) for WANT bytes of tar."""
        need(len(raw) <= 1 << 20 and raw[:8] == b"LCRS0001", "not a segment")
        c = Cursor(raw)
        c.bytes(8)
        op_bytes, count = c.take("II")
        ops = Cursor(c.bytes(op_bytes))
        need(c.left() == 32 * count, "a segment has another length")
        digests, used, at = c.bytes(32 * count), 0, 0
        while ops.left():
            op = ops.one("B")
            need(op <= 2, "unknown op %d" % op)
            if op == 1:
                index, offset, length = ops.varint(), ops.varint(), ops.varint()
                need(index <= used and index < count, "an object is out of order")
                need(offset + length < 1 << 64 and (length or not offset), "a slice is out of range")
                used = max(used, index + 1)
                yield op, (digests[32 * index:32 * index + 32], offset), length
            else:
                length = ops.varint()
                need(length, "an op has no length")
                yield op, ops.bytes(length) if op == 0 else None, length
            at += length
        need(used == count, "a segment has unused objects")
        need(at == want, "a segment stands for %d bytes, not %d" % (at, want))

    def ops(self, diffid):
        if diffid not in self.state.layers:
            raise NotFound("no layer %s" % diffid.hex())
        c = Cursor(self.recipe_frame(self.state.layers[diffid].recipe))
        need(c.bytes(8) == b"LCRI0001", "not an index")
        size, count, zero = c.take("QII")
        need(zero == 0 and c.left() == 24 * count, "an index has another length")
        need(size == self.state.layers[diffid].tar_size, "index and LAYER item disagree")
        entries = [(c.one("Q"), c.place()) for _ in range(count)]
        starts = [e[0] for e in entries] + [size]
        need(starts[0] == 0 and starts == sorted(starts), "an index is out of order")
        for i, (at, place) in enumerate(entries):
            yield from self.segment(self.recipe_frame(place), starts[i + 1] - at)

    def tar(self, diffid):
        for op, what, length in self.ops(diffid):
            if op == 0:
                yield what
            elif op == 1:
                need(what[0] in self.objects(), "object %s is missing" % what[0].hex())
                yield from self.content(what[0], what[1], length)
            while op == 2 and length:
                n = min(length, 1 << 20)
                yield bytes(n)
                length -= n

    # -- trees (10) --

    def layer_tree(self, diffid):
        place, image, left = self.state.layers[diffid].tree, [], None
        if not place.pack:
            raise NotFound("the tree of layer %s is not in a pack" % diffid.hex())
        while place.pack:
            frame, raw = self.packs.body(place)
            need(frame.type == TREE and raw[:8] == b"LCTF0001" and len(raw) > 32,
                 "not a piece of a tree")
            c = Cursor(raw)
            c.bytes(8)
            here = c.one("Q")
            place = c.place()
            piece = c.bytes(c.left())
            need(left is None or here == left, "pieces of a tree do not fit")
            left = here - len(piece)
            need(left >= 0, "a piece of a tree is too long")
            image.append(piece)
        need(left == 0, "a tree is cut short")
        return b"".join(image)

    def tree(self, what):
        if os.path.isfile(what):
            with open(what, "rb") as f:
                return f.read()
        digest = parse(what)
        if digest in self.state.layers:
            return self.layer_tree(digest)
        if digest not in self.state.chains:
            raise NotFound("no layer or chain %s" % digest.hex())
        name = "%s/trees/%08x.erofs" % (self.path, self.state.chains[digest].number)
        if not os.path.exists(name):
            raise NotFound("the tree of chain %s was not built" % digest.hex())
        with open(name, "rb") as f:
            return f.read()
