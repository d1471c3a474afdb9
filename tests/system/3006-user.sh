#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Without root: a store below $XDG_DATA_HOME, mounted through fusermount3. A store of somebody
# else, or one that may only be read, gives one line.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 fusermount3 setpriv unshare
chmod 755 "$T"
mkdir "$T/home" "$T/run" "$T/mnt"
chown 65534:65534 "$T/home" "$T/run" "$T/mnt"
install -m 755 "$BIN/layercache" "$T/layercache"
python3 "$lib/mkimage.py" layered "$T/img" v1
chmod -R a+rX "$T/img"
# The device may be root's alone here; everywhere else all may open it.
mknod -m 666 "$T/fuse" c 10 229 2>/dev/null || skip_all "needs to make a device"
unshare -m true 2>/dev/null || skip_all "needs mount namespaces"

cat >"$T/user.sh" <<'E2'
lc() { timeout -k 5 "${LC_TIMEOUT:-100}" "$T/layercache" "$@"; }
say() { echo "$1 $2"; }
cd "$T/home" || exit 1
lc import "oci:$T/img" >/dev/null; say import $?
say list "$(lc list | cut -d' ' -f1)"
lc show localhost/img:v1 >/dev/null; say show $?
lc verify >/dev/null; say verify $?
mkdir dir && echo text >dir/file
lc snapshot dir --name snap:v1 >/dev/null; say snapshot $?
layer=$(lc list layers | head -1 | cut -d' ' -f1)
say export "$([ "sha256:$(lc export "layer:$layer" tar:- | sha256sum | cut -c1-64)" = "$layer" ]; echo $?)"
lc mount "$T/mnt"; say mount $?
say passwd "$(cat "$(lc path localhost/img:v1)/etc/passwd" | cut -c1-5)"
say snapped "$(cat "$T/mnt/images/docker.io/library/snap:v1/file")"
touch "$T/mnt/images/x" 2>/dev/null; say written $?
lc tag snap:v1 other:v1; say tag $?
say live "$(echo "$T"/mnt/images/docker.io/library/*:v1 | xargs -n1 basename | xargs)"
lc remove other:v1 >/dev/null; say remove $?
lc unmount "$T/mnt"; say unmount $?
lc mount; say default $?
lc unmount; say undefault $?
E2
user() {
    # shellcheck disable=SC2016
    timeout 300 unshare -m sh -c 'mount --bind "$1/fuse" /dev/fuse && shift &&
        exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"' sh "$T" "$@"
}
unset LAYERCACHE_STORE
export T HOME=$T/home XDG_DATA_HOME=$T/home XDG_RUNTIME_DIR=$T/run
user bash "$T/user.sh" >"$T/said" 2>"$T/user.err"
sed 's/^/# /' "$T/user.err"
while read -r what want; do
    is "a user's $what" "$(sed -n "s/^$what //p" "$T/said")" "$want"
done <<'W'
import 0
list localhost/img:v1
show 0
verify 0
snapshot 0
export 0
mount 0
passwd root:
snapped text
written 1
tag 0
live other:v1 snap:v1
remove 0
unmount 0
default 0
undefault 0
W
is 'the store lies in the data directory' "$(stat -c '%a %u' "$T/home/layercache")" '700 65534'

# A store of root.
"$BIN/layercache" --store "$T/roots" import "oci:$T/img" >/dev/null
fails_saying 1 'Permission denied' "somebody else's store is not read" user "$T/layercache" --store "$T/roots" list
fails_saying 1 'Permission denied' 'nor written' user "$T/layercache" --store "$T/roots" import "oci:$T/img"
fails_saying 1 'Permission denied' 'no store where none may be made' user "$T/layercache" --store "$T/none/store" init

# One that may be read only: on a read-only filesystem.
mount --bind "$T/roots" "$T/roots" && mount -o remount,ro,bind "$T/roots"
ok 'a read-only store is listed' lc --store "$T/roots" list
ok 'and verified' lc --store "$T/roots" verify
layer=$(lc --store "$T/roots" list layers | head -1 | cut -d' ' -f1)
is 'and read' "sha256:$(lc --store "$T/roots" export "layer:$layer" tar:- | sha256sum | cut -c1-64)" "$layer"
fails_saying 1 'ead-only' 'but not written' lc --store "$T/roots" tag localhost/img:v1 x:v1
mkdir "$T/ro"
ok 'it can be mounted' lc --store "$T/roots" mount "$T/ro"
is 'and read there' "$(cat "$T/ro/images/localhost/img:v1/etc/passwd")" root:x:0:0:changed:/:/bin/sh
ok 'unmount' lc --store "$T/roots" unmount "$T/ro"
fails_saying 1 'would hide' 'nothing is mounted on a store' lc --store "$T/roots" mount "$T/roots"
done_testing
