#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Overlays: a chain as one lowerdir, several layers stacked, and `overlay X TARGET` with
# kernel-speed reads all give the same tree; upper directories work.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper python3

# A stackable image: no hardlink to a lower layer, no symlinked parent.
python3 "$lib/mkimage.py" big "$T/img" v1 7
python3 "$lib/mkimage.py" layered "$T/img" corner
read -r _ _ chain < <(lc import "oci:$T/img:v1")
read -r _ _ corner < <(lc import "oci:$T/img:corner")
ok 'mount' mount_store
m=$T/mnt
c=$m/chains/sha256/${chain#sha256:}
cc=$m/chains/sha256/${corner#sha256:}
mkdir -p "$T/one" "$T/stack" "$T/kernel" "$T/up" "$T/work" "$T/rw"

ok 'a chain as one lowerdir, read-only' mount -t overlay -o "lowerdir=$cc:$T/one" none "$T/one"
ok 'gives the same tree' python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$cc" "$T/one"
umount "$T/one"

lower=
for l in $(lc show --json localhost/img:v1 | python3 -c \
    'import json,sys; [print(x["layer"][7:]) for x in reversed(json.load(sys.stdin)["steps"]) if x["layer"]]'); do
    lower=$lower${lower:+:}$m/layers/sha256/$l
done
# mount(8) of util-linux 2.39 and later hands over options one by one, of 256 bytes at most.
export LIBMOUNT_FORCE_MOUNT2=always
ok 'layers stacked' mount -t overlay -o "lowerdir=$lower" none "$T/stack"
ok 'give the same tree' python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$c" "$T/stack"
umount "$T/stack"

ok 'with an upper directory' mount -t overlay \
    -o "lowerdir=$cc,upperdir=$T/up,workdir=$T/work" none "$T/rw"
ok 'files are changed' sh -c "echo new >>'$T/rw/etc/passwd' && rm '$T/rw/etc/shadow' && mkdir '$T/rw/newdir'"
ok 'programs run in it' chroot "$T/rw" /bin/sh -c 'cat /etc/passwd >/newdir/copy'
is 'below nothing changed' "$(cat "$cc/etc/passwd")" 'root:x:0:0:changed:/:/bin/sh'
umount "$T/rw"

ok 'overlay X TARGET' lc overlay localhost/img:corner "$T/kernel"
sed 's/^/# /' "$T/out"
ok 'gives the same tree' python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$cc" "$T/kernel"
ok 'is writable' sh -c "echo x >'$T/kernel/etc/new' && chmod 600 '$T/kernel/etc/passwd'"
ok 'programs run in it' chroot "$T/kernel" /bin/sh -c 'echo hello >/tmp/x'
ok 'unmount of the overlay' lc unmount "$T/kernel"
mkdir "$T/up2"
ok 'overlay with --upper' lc overlay --upper "$T/up2" localhost/img:v1 "$T/kernel"
ok 'is writable' touch "$T/kernel/made"
ok 'the upper directory has the change' test -e "$T/up2/made"
fails 1 'unmount of the store names the overlay on top' lc unmount "$m"
grep -q "$T/kernel" "$T/err"
tap_report $? 'by its place'
ok 'unmount of the overlay' lc unmount "$T/kernel"
ok 'then the store can be unmounted' unmount_store
done_testing
