#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Walks and reads of one tree (node-app:v1) through the mount, on ext4 and on the read-only
# filesystems one would use instead. Cold: nothing in the page cache, daemons just started.
. "$(dirname "$0")/lib.sh"
say 'read: making the trees'
mkdir -p "$W/mnt" "$W/squashfs" "$W/erofs" "$W/squashfuse" "$W/ext4.mnt"
lc import --quiet "oci:$CORPORA/node-app:v1" >/dev/null || exit 1
chain=$(lc list | awk '$1 ~ /node-app:v1$/ {print $3; exit}' | sed 's/^sha256://')
ours=$W/mnt/chains/sha256/$chain
umoci unpack --image "$CORPORA/node-app:v1" "$W/bundle" >/dev/null 2>&1 || exit 1
tree=$W/bundle/rootfs
mksquashfs "$tree" "$W/tree.squashfs" -comp zstd -Xcompression-level 3 -quiet -no-progress >/dev/null
mkfs.erofs "$W/tree.erofs" "$tree" >/dev/null 2>&1
if [ "$(stat -f -c %T "$W")" != ext2/ext3 ]; then # the checkout is on something else
    truncate -s 4G "$W/ext4.img"
    mkfs.ext4 -q "$W/ext4.img"
    mount -o loop "$W/ext4.img" "$W/ext4.mnt"
    cp -a "$tree" "$W/ext4.mnt/tree"
    tree=$W/ext4.mnt/tree
fi
mount -t squashfs -o loop,ro "$W/tree.squashfs" "$W/squashfs" || exit 1
mount -t erofs -o loop,ro "$W/tree.erofs" "$W/erofs" || exit 1

walk() { find "$1" -printf '%p %s %m %T@\n' | wc -l; }
read_all() { tar -C "$1" -cf - . | wc -c; }
remount_ours() {
    lc unmount "$W/mnt"
    drop_caches
    lc mount "$W/mnt"
}
remount_squashfuse() {
    umount "$W/squashfuse"
    drop_caches
    squashfuse "$W/tree.squashfs" "$W/squashfuse"
}
# One after the other: a cold walk, a warm one; a cold read, a warm one.
walk_ours() { walk "$ours"; }
walk_ext4() { walk "$tree"; }
walk_squashfs() { walk "$W/squashfs"; }
walk_erofs() { walk "$W/erofs"; }
walk_squashfuse() { walk "$W/squashfuse"; }
read_ours() { read_all "$ours"; }
read_ext4() { read_all "$tree"; }
read_squashfs() { read_all "$W/squashfs"; }
read_erofs() { read_all "$W/erofs"; }
read_squashfuse() { read_all "$W/squashfuse"; }
# All of them have the same names and sizes, or there is nothing to compare.
sums() { find "$1" -printf '%P %y %m\n' -type f -printf '%s\n' | sort | sha256sum; }
remount_ours 2>/dev/null
remount_squashfuse 2>/dev/null
want=$(sums "$tree")
for dir in "$ours" "$W/squashfs" "$W/erofs" "$W/squashfuse"; do
    [ "$(sums "$dir")" = "$want" ] || {
        say "'$dir' is another tree"
        exit 1
    }
done
for what in walk read; do
    for fs in ours ext4 squashfs erofs squashfuse; do
        case $fs in
        ours | squashfuse) cold=remount_$fs ;;
        *) cold=drop_caches ;;
        esac
        candidate "$what-$fs-cold" $cold "${what}_$fs"
        candidate "$what-$fs-warm" : "${what}_$fs"
    done
done
for _ in $(seq "$ROUNDS"); do
    for what in walk read; do
        for fs in ours ext4 squashfs erofs; do
            measure 1 "$what-$fs-cold" "$what-$fs-warm"
        done
    done
done
measure 1 walk-squashfuse-cold walk-squashfuse-warm read-squashfuse-cold read-squashfuse-warm

plain() { # title ours peer: no goal
    row "$1" "$(seconds "$(time_of "$2")")" "$(seconds "$(time_of "$3")")" \
        "$(short "$(awk -v a="$(time_of "$2")" -v b="$(time_of "$3")" 'BEGIN {print a == "failed" || b == "failed" ? "failed" : a / b}')")" - -
}
goal 'walk, warm: ext4' walk-ours-warm walk-ext4-warm '<=' 1.2
goal 'walk, cold: ext4' walk-ours-cold walk-ext4-cold '<=' 1.0
for fs in squashfs erofs squashfuse; do
    for state in warm cold; do
        plain "walk, $state: $fs" walk-ours-$state walk-$fs-$state
    done
done
goal 'read every file, warm: ext4' read-ours-warm read-ext4-warm '<=' 1.2
goal 'read every file, cold: kernel squashfs (zstd 3)' read-ours-cold read-squashfs-cold '<' 1.0
goal 'read every file, cold: kernel EROFS (uncompressed)' read-ours-cold read-erofs-cold '<=' 1.2
plain 'read every file, cold: ext4' read-ours-cold read-ext4-cold
plain 'read every file, warm: squashfs' read-ours-warm read-squashfs-warm
plain 'read every file, warm: EROFS' read-ours-warm read-erofs-warm
for state in warm cold; do
    plain "read every file, $state: squashfuse" read-ours-$state read-squashfuse-$state
done
