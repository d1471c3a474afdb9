#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tree files are EROFS images: fsck.erofs accepts them, the kernel mounts them, and what
# it sees is what the FUSE mount shows.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 fsck.erofs
grep -qw erofs /proc/filesystems || modprobe erofs 2>/dev/null || skip_all "needs EROFS"

# Everything but content: what keeps the content's name is for overlayfs, hardlinks into
# lower layers are not shown, and a 0:0 device that is data is 0:1 in an image.
cat >"$T/list.py" <<'P'
import os, stat, sys

OWN = ("trusted.overlay.metacopy", "trusted.overlay.redirect")

def xattrs(path):
    return [(n, os.getxattr(path, n, follow_symlinks=False))
            for n in sorted(os.listxattr(path, follow_symlinks=False)) if n not in OWN]

def show(path, shown):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    dev = ()
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        dev = (os.major(st.st_rdev), os.minor(st.st_rdev))
    if dev == (0, 1):
        dev = (0, 0)
    link = os.readlink(path) if kind == stat.S_IFLNK else b""
    x = xattrs(path)
    if not any(n == "trusted.layercache.link" for n, _ in x):
        print(shown, oct(st.st_mode), st.st_nlink, st.st_uid, st.st_gid, st.st_size,
              st.st_mtime_ns, dev, link, x)
    if kind == stat.S_IFDIR:
        for name in sorted(os.listdir(path)):
            show(path + b"/" + name, shown + b"/" + name)

sys.setrecursionlimit(10000)
show(os.fsencode(sys.argv[1]), b"")
P
list() { python3 "$T/list.py" "$1"; }

python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img:v1" >/dev/null
ok 'mount' mount_store
mkdir "$T/erofs" "$T/kernel" "$T/fuse"

# The first look at a tree puts its file there.
for tree in "$T"/mnt/chains/sha256/* "$T"/mnt/layers/sha256/*; do
    list "$tree" >"$T/fuse/$(basename "$(dirname "$(dirname "$tree")")")-$(basename "$tree")"
done
is 'every chain and every layer has a listing' "$(find "$T/fuse" -type f -size +0 | wc -l)" 6
is 'every tree has a file' "$(find "$T/store/trees" -name '*.erofs' | wc -l)" 6

for image in "$T"/store/trees/*.erofs; do
    name=$(basename "$image" .erofs)
    ok "fsck.erofs accepts tree $name" fsck.erofs "$image"
    ok "the kernel mounts tree $name" mount -t erofs -o ro "$image" "$T/erofs"
    list "$T/erofs" >"$T/kernel/$name"
    ok 'and lets it go' umount "$T/erofs"
done
sums() { sha256sum "$1"/* | cut -d' ' -f1 | sort; }
sums "$T/kernel" >"$T/kernel.sums"
sums "$T/fuse" >"$T/fuse.sums"
ok 'the kernel and FUSE show the same trees' diff "$T/kernel.sums" "$T/fuse.sums"
ok 'unmount' unmount_store
done_testing
