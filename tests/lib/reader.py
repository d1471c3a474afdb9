#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a store by store/FORMAT.md alone: no catalog, no code of the program.

usage: reader.py STORE list              layers, chains, blobs, images, names, keys, trees, packs
       reader.py STORE tar DIFFID        the layer's tar, on stdout
       reader.py STORE cat SHA256        an object's content, on stdout
       reader.py STORE tree ID|FILE      a layer's tree image (from its pack), a chain's
                                         (from trees/), or one in a file: line per entry
       reader.py STORE check             every checksum; line per problem

Digests are 64 hex digits, with or without "sha256:". Exit status: 0 done, 3 not found,
4 damage.
"""
import hashlib
import os
import struct
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import treeimage
from rawstore import NONE, Damage, Image, NotFound, Store, need, parse, text


# ---- commands ----


def cmd_list(store):
    s = store.state
    print("generation %d" % s.generation)
    for number, first, last in s.ranges():
        print("pack %08x %d %d" % (number, first, last))
    for d, l in sorted(s.layers.items()):
        print("layer %s %d %d %d" % (text(d), l.tar_size, l.content_size, l.entries))
    for d, c in sorted(s.chains.items()):
        print("chain %s %s %s" % (text(d), text(c.parent), text(c.diffid)))
    for d, b in sorted(s.blobs.items()):
        print("blob %s %s %d %d" % (text(d), text(b.diffid), b.size, b.compression))
    for d, e in sorted(s.encodings.items()):
        print("encoding %s %d %d %d %d %s" % (text(d), e.state, e.maker, e.level, e.variant, e.header.hex()))
    for d, i in sorted(s.images.items()):
        print("image %s %s %s %s" % (text(d), text(i.config), text(i.chain), i.platform or "-"))
    for name, r in sorted(s.names.items(), key=lambda x: os.fsencode(x[0])):
        need(not r.targets or r.targets[0][0] in s.images, "name '%s' leads to no image" % name)
        image = s.images[r.targets[0][0]] if r.targets else Image(NONE, NONE, "")
        print("name %s %s %s" % (name, text(image.config), text(image.chain)))
    for d, k in sorted(s.keys.items()):
        need(k.chain in s.chains, "key %s leads to no chain" % text(d))
        print("key %s %s %s %s %s" % (text(d), text(k.chain), text(k.manifest), text(k.parent), k.scope or "-"))
    for n, t in sorted(s.trees.items()):
        print("tree %d %s %s %d %s%s" % (n, t.kind, text(t.id), t.version, text(t.sha256),
                                         " stale" if t.stale else ""))


def write(pieces):
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


class Check:
    def __init__(self, store):
        self.store = store
        self.problems = self.frames = self.bytes = 0

    def tell(self, where, problem):
        self.problems += 1
        print("%s: %s" % (where, problem))

    def attempt(self, where, function, *args):
        try:
            return function(*args)
        except (Damage, NotFound, struct.error, OSError) as e:
            self.tell(where, e)
            return None

    def pack_range(self, number, first, last):
        for frame in self.store.packs.frames(number, first, last):
            raw = self.attempt("frame", self.store.packs.body, frame.place)
            self.frames += 1
            self.bytes += len(raw[1]) if raw else 0

    def sha256(self, pieces):
        h = hashlib.sha256()
        for piece in pieces:
            h.update(piece)
        return h.digest()

    def equals(self, digest, pieces):
        need(self.sha256(pieces) == digest, "has another SHA-256")

    def document(self, digest):
        need(self.store.find(digest) is not None, "is missing")

    def layer_tree(self, digest):
        layer = self.store.state.layers[digest]
        image = self.store.layer_tree(digest)
        known = self.store.state.trees[layer.number].sha256
        need(known in (NONE, hashlib.sha256(image).digest()), "tree: has another SHA-256")
        for _ in treeimage.TreeImage(image).lines():
            pass

    def chain(self, digest, chain):
        s = self.store.state
        need(chain.diffid in s.layers, "its layer is missing")
        if chain.parent == NONE:
            need(chain.diffid == digest, "has another digest")
            return
        need(chain.parent in s.chains, "its parent is missing")
        name = "%s %s" % (text(chain.parent), text(chain.diffid))
        need(hashlib.sha256(name.encode()).digest() == digest, "has another digest")

    def names(self):
        s = self.store.state
        for name, ref in s.names.items():
            for manifest, _ in ref.targets:
                if manifest not in s.images:
                    self.tell("name %s" % name, "leads to no image")
            if ref.index != NONE:
                self.attempt("index of %s" % name, self.document, ref.index)
        for manifest, image in s.images.items():
            where = "image %s" % manifest.hex()
            self.attempt(where, self.document, manifest)
            self.attempt(where, self.document, image.config)
            if image.chain != NONE and image.chain not in s.chains:
                self.tell(where, "its chain is missing")

    def all(self):
        store, s = self.store, self.store.state
        for number, first, last in s.ranges():
            self.attempt("pack %08x" % number, self.pack_range, number, first, last)
        objects = self.attempt("tables", store.objects) or {}
        for digest, where in sorted(objects.items(), key=lambda x: x[1]):
            self.attempt("object %s" % digest.hex(), self.equals, digest, store.content(digest))
        for digest, layer in s.layers.items():
            where = "layer %s" % digest.hex()
            if layer.flags & 8:
                self.tell(where, "misses content")
                continue
            self.attempt(where, self.equals, digest, store.tar(digest))
            if layer.tree.pack:
                self.attempt(where, self.layer_tree, digest)
        for digest, chain in s.chains.items():
            self.attempt("chain %s" % digest.hex(), self.chain, digest, chain)
        self.names()
        print("generation %d: %d frames, %d bytes, %d objects, %d layers, %d chains, %d images, "
              "%d names, %d problems" % (s.generation, self.frames, self.bytes, len(objects),
                                         len(s.layers), len(s.chains), len(s.images),
                                         len(s.names), self.problems))
        return self.problems == 0


def main(args):
    if len(args) < 2 or (args[1] in ("tar", "cat", "tree")) != (len(args) == 3):
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.reconfigure(errors="surrogateescape")
    try:
        store, command = Store(args[0]), args[1]
        if command == "list":
            cmd_list(store)
        elif command == "tar":
            write(store.tar(parse(args[2])))
        elif command == "cat":
            write(store.content(parse(args[2])))
        elif command == "tree":
            for line in treeimage.TreeImage(store.tree(args[2])).lines():
                print(line)
        elif command == "check":
            return 0 if Check(store).all() else 4
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except NotFound as e:
        print("reader: %s" % e, file=sys.stderr)
        return 3
    except (Damage, struct.error, treeimage.Damage) as e:
        print("reader: %s" % e, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
