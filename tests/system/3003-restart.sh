#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The daemon goes and comes: file handles lead to the same files after a restart, a mount
# whose daemon was killed is replaced, nothing is left behind.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3

cat >"$T/handle.py" <<'P'
# handle.py save PATH FILE | handle.py read MOUNTPOINT FILE
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)

class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("f", ctypes.c_ubyte * 128)]

def check(rc):
    if rc < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return rc

h = Handle(bytes=128)
if sys.argv[1] == "save":
    check(libc.name_to_handle_at(-100, sys.argv[2].encode(), ctypes.byref(h),
                                 ctypes.byref(ctypes.c_int()), 0))
    open(sys.argv[3], "wb").write(bytes(h))
else:
    h = Handle.from_buffer_copy(open(sys.argv[3], "rb").read())
    mount = os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)
    fd = check(libc.open_by_handle_at(mount, ctypes.byref(h), os.O_RDONLY))
    st = os.fstat(fd)
    print(st.st_ino, end=" ")
    if os.path.isdir("/proc/self/fd/%d" % fd):
        print(" ".join(sorted(os.listdir(fd))), os.stat("..", dir_fd=fd).st_ino)
    else:
        print(os.read(fd, 100).decode().strip())
P
handle() { timeout 30 python3 "$T/handle.py" "$@"; }

python3 "$lib/mkimage.py" layered "$T/img" v1
read -r _ _ chain < <(lc import "oci:$T/img:v1")
ok 'mount' mount_store
m=$T/mnt
c=$m/chains/sha256/${chain#sha256:}
content=$(sha256sum <"$c/etc/passwd" | cut -c1-64)
layer=$(ls "$m/layers/sha256" | head -1)
handle save "$c/etc/passwd" "$T/file"
handle save "$c/o" "$T/dir"
handle save "$c" "$T/top"
handle save "$m/layers/sha256/$layer" "$T/layer"
handle save "$m/objects/${content:0:2}/${content:2}" "$T/object"
handle save "$m/images/localhost" "$T/name"
handle save "$m/README" "$T/readme"
handle save "$m/stats" "$T/stats"
inodes() { find "$m" -not -name stats -printf '%i %P\n' | sort; }
inodes >"$T/before"

ok 'unmount' unmount_store
ok 'mount again' mount_store
for what in file dir top layer object name readme; do
    echo 2 >/proc/sys/vm/drop_caches
    ok "the handle of a $what still leads to it" handle read "$m" "$T/$what"
    cp "$T/out" "$T/got.$what"
done
is 'the file is the file' "$(cat "$T/got.file")" "$(stat -c %i "$c/etc/passwd") root:x:0:0:changed:/:/bin/sh"
is 'the directory knows its parent' "$(cat "$T/got.dir")" "$(stat -c %i "$c/o") upper $(stat -c %i "$c")"
is 'the object is the content' "$(cut -d' ' -f2- "$T/got.object")" 'root:x:0:0:changed:/:/bin/sh'
fails 1 'a handle of an old version of stats is stale' handle read "$m" "$T/stats"
inodes >"$T/after"
ok 'no inode number has changed' cmp "$T/before" "$T/after"

pid=$(pgrep -f "layercache mount $m" | head -1)
exec 8<"$c/etc/passwd"
kill -9 "$pid"
sleep 0.3
fails 2 'without its daemon the mount answers nothing new' ls "$c/usr"
exec 8<&-
ok 'mounting again replaces it' mount_store
is 'and leaves one mount' "$(grep -c " $m " /proc/self/mountinfo)" 1
ok 'which works' cat "$c/etc/passwd"
ok 'a version of stats can be copied' cp "$m/stats" "$T/stats.copy"
ok 'and counts what is in use' grep -q '^layercache_nodes_in_use [1-9]' "$m/stats"
sleep 1.1
cat "$m/stats" >"$T/s1"
cat "$c/var/random" >/dev/null
sleep 1.1
ok 'a later version differs' sh -c "! cmp -s '$m/stats' '$T/s1'"
# A daemon that does not answer is still there, and asking where it is does not hang.
pid=$(pgrep -f "layercache mount $m" | head -1)
kill -STOP "$pid"
is 'path while the daemon is stopped' "$(LC_TIMEOUT=10 lc path localhost/img:v1)" "$c"
LC_TIMEOUT=10 ok 'show too' lc show localhost/img:v1
grep -q "$c" "$T/out"
tap_report $? 'and it says where'
LC_TIMEOUT=10 fails_saying 1 'already mounted' 'a second mount is refused' lc mount "$m"
kill -CONT "$pid"
ok 'it goes on' cat "$c/etc/passwd"

# Killed while walkers read what the daemon reads ahead for them: nobody waits for ever.
mkdir "$T/walk"
for d in 1 2 3 4 5 6; do
    mkdir "$T/walk/$d"
    for k in $(seq 50); do echo "$d $k" >"$T/walk/$d/$k"; done
done
lc snapshot "$T/walk" --name walk >/dev/null
w=$(lc path walk)
for round in 1 2 3 4; do
    echo 3 >/proc/sys/vm/drop_caches
    for i in 1 2; do (timeout -s KILL 60 tar -C "$w" -cf "$T/w.$i" . 2>/dev/null; echo $? >"$T/rc.$i") & done
    sleep "0.0$round"
    kill -9 "$(pgrep -f "layercache mount $m" | head -1)"
    wait
    is "round $round: no walker hangs" "$(grep -c 137 "$T/rc.1" "$T/rc.2" | grep -vc ':0')" 0
    ok 'mount again' mount_store
done

ok 'unmount' unmount_store
is 'nothing is left' "$(grep -c " $m " /proc/self/mountinfo)" 0
done_testing
