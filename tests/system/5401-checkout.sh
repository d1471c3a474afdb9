#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkout writes the tree that the mount shows, to the last attribute; as a user all that a
# user may do; and whatever stops it, nothing is left.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper python3 jq umoci setfattr setfacl setpriv mkfs.ext4 flock strace pgrep

differences() { python3 "$lib/treecmp.py" "$@" | grep -vE ' 0 differences$'; }
gone() { [ ! -e "$1" ] && [ ! -e "$1.part" ]; }

# ---- everything there is ----

make_tree() {
    mkdir -p "$1/etc/conf.d" "$1/bin" "$1/var/shut/in/side" "$1/var/mail"
    echo root >"$1/etc/passwd"
    seq 1 30000 >"$1/etc/table"
    for i in $(seq 1 60); do echo "file $((i / 2))" >"$1/etc/conf.d/$i"; done
    : >"$1/etc/empty"
    ln -s ../etc/passwd "$1/bin/link"
    ln -s "$T/outside" "$1/bin/out"
    ln -P "$1/bin/link" "$1/bin/link again"
    ln "$1/etc/table" "$1/bin/again"
    ln "$1/etc/table" "$1/var/third"
    mkfifo -m 640 "$1/var/pipe"
    mknod -m 660 "$1/var/null" c 1 3
    ln "$1/var/null" "$1/var/null too"
    mknod -m 600 "$1/var/disk" b 7 200
    head -c 700000 /dev/urandom >"$1/bin/tool"
    chown -h 1000:2000 "$1/bin/link" "$1/bin/tool" "$1/var/pipe"
    chmod 4751 "$1/bin/tool"
    cp "$1/bin/tool" "$1/bin/ping"
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$1/bin/ping"
    setfattr -n user.note -v hello "$1/etc/passwd"
    setfattr -n trusted.note -v root "$1/etc"
    setfattr -h -n trusted.note -v link "$1/bin/out"
    setfacl -m u:1000:r,g:5:rw "$1/etc/table"
    setfacl -d -m u:1000:rwx "$1/etc/conf.d"
    truncate -s 300M "$1/var/sparse"
    printf end | dd of="$1/var/sparse" bs=1 seek=150000000 conv=notrunc status=none
    truncate -s 200000 "$1/var/zeros"
    printf odd >"$1/var/odd"$'\n\xff'
    chgrp 8 "$1/var/mail"
    chmod 2775 "$1/var/mail"
    chmod 1777 "$1/var"
    touch -h -d '2001-02-03 04:05:06.789012345' "$1/bin/link" "$1/var/disk" "$1/bin/ping"
    touch -d '1931-02-03 04:05:06' "$1/etc/empty"
    chmod 000 "$1/var/shut/in/side"
    chmod 555 "$1/var/shut/in" "$1/var/shut"
    touch -d '2010-01-01' "$1/etc" "$1/var/shut" "$1"
    chmod 750 "$1"
}
make_tree "$T/tree"
ok 'snapshot' lc snapshot "$T/tree" --name all:v1
chain=$(cut -d' ' -f2 "$T/out")
ok 'checkout' lc checkout all:v1 "$T/a"
is_quiet=$(cat "$T/err")
is 'prints the chain and the directory' "$(cat "$T/out")" "$chain $T/a"
is 'and says nothing else' "$is_quiet" ''
is 'the tree is what it was' "$(differences "$T/tree" "$T/a")" ''
is 'holes are holes' "$(($(du -k "$T/a/var/sparse" | cut -f1) < 1000 && $(du -k "$T/a/var/zeros" | cut -f1) < 100))" 1
ok 'mount' mount_store
is 'and what the mount shows' "$(differences "$(lc path all:v1)" "$T/a")" ''

mkdir -m 755 "$T/b"
chmod 2755 "$T/b"
setfacl -d -m u:5:rwx "$T/b"
ok 'into an empty directory' lc checkout all:v1 "$T/b/" --json
jq -e --arg c "$chain" '.chain == $c and .directories == 9 and .files == 68 and .symlinks == 2 and
    .specials == 3 and .hardlinks == 4 and ([.left_out[]] | add) == 0' "$T/out" >/dev/null
tap_report $? 'with counts in JSON'
is 'whatever attributes that had' "$(differences "$T/tree" "$T/b")" ''

python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img" app:v1 >/dev/null
ok 'an image of layers' lc checkout app:v1 "$T/app"
is 'is what the mount shows' "$(differences "$(lc path app:v1)" "$T/app")" ''
umoci unpack --image "$T/img:v1" "$T/bundle" >/dev/null 2>&1
is 'and what umoci unpacks' "$(differences "$T/bundle/rootfs" "$T/app" | grep -vE ': mtime: |user.empty|differences$')" ''
n=0
for layer in $(lc show app:v1 --json | jq -r '.steps[].layer // empty'); do
    n=$((n + 1))
    ok "layer $n by itself" lc checkout "layer:$layer" "$T/layer$n"
    is 'is as below layers/' "$(differences "$(lc path "layer:$layer")" "$T/layer$n")" ''
done
is 'there are layers' "$((n > 1))" 1
is 'one has a whiteout' "$(($(find "$T"/layer* -type c -exec stat -c %t:%T {} + | grep -c '^0:0$') > 0))" 1

# What only overlays would obey comes back as it was in the tar.
python3 - "$T/inject.tar" <<'P'
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def add(name, kind, data=b"", pax={}):
    i = tarfile.TarInfo(name)
    i.type, i.size, i.mode, i.pax_headers = kind, len(data), 0o755, dict(pax)
    t.addfile(i, io.BytesIO(data))
add("d", tarfile.DIRTYPE, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"})
add("d/f", tarfile.REGTYPE, b"x", {"SCHILY.xattr.trusted.overlay.redirect": "/etc/shadow"})
add("zero", tarfile.CHRTYPE)
t.close()
P
ok 'a tar with attributes of overlays' lc import "tar:$T/inject.tar" inject:v1
ok 'checkout' lc checkout inject:v1 "$T/inject"
is 'has them unchanged' "$(getfattr --absolute-names --only-values -n trusted.overlay.opaque "$T/inject/d") $(getfattr --absolute-names --only-values -n trusted.overlay.redirect "$T/inject/d/f") $(stat -c %F:%t:%T "$T/inject/zero")" \
    'y /etc/shadow character special file:0:0'

# ---- deeper than a path can be long ----

part=$(printf 'd%.0s' $(seq 1 200))
mkdir "$T/deep"
(cd "$T/deep" && for _ in $(seq 1 19); do mkdir "$part" && cd "$part" || exit 1; done && echo bottom >f)
ok 'a deep tree' lc snapshot "$T/deep" --name deep:v1
far=$T/$part/$part
mkdir -p "$far"
ok 'checkout where its paths are too long' lc checkout deep:v1 "$far/x"
(cd "$far/x" && for _ in $(seq 1 19); do cd "$part" || exit 1; done && cat f) >"$T/o" 2>&1
is 'all of it' "$(cat "$T/o")" bottom
mkdir "$T/y.part" "$T/y.part/in"
fails_saying 1 'in the way' 'not over what another one left' lc checkout deep:v1 "$T/y"
ok 'which is still there' test -d "$T/y.part/in"

# ---- where it may not go ----

echo mine >"$T/file"
ln -s "$T/none" "$T/dangling"
mkdir "$T/elsewhere" "$T/locked" "$T/new.part"
ln -s elsewhere "$T/symlink"
fails_saying 1 "'$T/a' is not empty" 'not into a directory that is in use' lc checkout all:v1 "$T/a"
fails_saying 1 "'$T/file' is there, and no directory" 'not over a file' lc checkout all:v1 "$T/file"
fails_saying 1 'no directory' 'not through a symlink' lc checkout all:v1 "$T/symlink"
fails_saying 1 'no directory' 'nor a dangling one' lc checkout all:v1 "$T/dangling"
fails_saying 1 'No such file' 'not into a directory that is missing' lc checkout all:v1 "$T/no/x"
fails_saying 1 'No such file' 'not without a name' lc checkout all:v1 ''
fails_saying 1 'in use by another process' 'not where another one is' \
    flock "$T/locked" "$BIN/layercache" checkout all:v1 "$T/locked"
fails_saying 1 'in use by another process' 'before it is complete' \
    flock "$T/new.part" "$BIN/layercache" checkout all:v1 "$T/new"
fails_saying 3 'nothing' 'not what is not there' lc checkout nothing:v1 "$T/x"
is 'nothing has changed' "$(cat "$T/file") $(ls "$T/elsewhere" "$T/locked" "$T/new.part" | wc -w) $(gone "$T/x"; echo $?)" 'mine 3 0'

# ---- as a user ----

chmod 755 "$T"
install -m 755 "$BIN/layercache" "$T/layercache"
chmod -R go-rwx "$T/tree"
mkdir "$T/home"
cp -r "$LAYERCACHE_STORE" "$T/home/store"
chown -R 1000:1000 "$T/home"
user() { setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all env HOME="$T/home" LAYERCACHE_STORE="$T/home/store" "$T/layercache" "$@"; }
ok 'a user, too' user checkout all:v1 "$T/home/a"
is 'is told in one line what there is not' "$(cat "$T/err")" \
    "layercache: left out in '$T/home/a': 80 owners, 1 setuid or setgid bits, 3 device nodes, 3 extended attributes"
is 'owns all' "$(find "$T/home/a" ! -uid 1000 | head -3)" ''
is 'and nothing runs in their name' "$(find "$T/home/a" -perm /6000 ! -path '*/bin/tool')" ''
chmod -R u+rwX "$T/tree" "$T/home/a"
is 'contents are right' "$(diff -r --no-dereference "$T/tree" "$T/home/a" | grep -v ': null\|: disk\|fifo')" ''
is 'times and modes, too' "$(stat -c '%Y %a %s' "$T/home/a/etc/empty" "$T/home/a/etc/table")" "$(stat -c '%Y %a %s' "$T/b/etc/empty" "$T/b/etc/table")"
fails_saying 1 'cannot keep the owner of' 'with --exact it is an error' user checkout --exact all:v1 "$T/home/b"
ok 'and nothing is left' gone "$T/home/b"

# Directories that shut out their owner are finished when the last thing fails.
mkdir -p "$T/shut/a/b/c"
echo x >"$T/shut/a/b/c/f"
chown -R 1000:1000 "$T/shut"
chown 0:0 "$T/shut"
chmod 000 "$T/shut/a/b/c"
chmod 444 "$T/shut/a/b"
chmod 111 "$T/shut/a"
user snapshot "$T/home" --name none >/dev/null 2>&1
lc --store "$T/home/store" snapshot "$T/shut" --name shut:v1 >/dev/null
chown -R 1000:1000 "$T/home/store"
fails_saying 1 "cannot keep the owner of '/'" 'what fails last' user checkout --exact shut:v1 "$T/home/c"
ok 'leaves nothing either' gone "$T/home/c"
mkdir -m 751 "$T/home/c"
chown 1000:1000 "$T/home/c"
fails 1 'in a directory that was there' user checkout --exact shut:v1 "$T/home/c"
is 'it is empty, and as before' "$(find "$T/home/c" -mindepth 1) $(stat -c '%a %u' "$T/home/c")" ' 751 1000'
ok 'without --exact it works' user checkout -q shut:v1 "$T/home/c"
is 'with the modes' "$(stat -c %a "$T/home/c/a" "$T/home/c/a/b" "$T/home/c/a/b/c" | xargs)" '111 444 0'
fails_saying 1 'cannot make' 'where a user may not write' user checkout all:v1 /sys/x

# ---- full, damaged, stopped ----

disk() { # options of mkfs: a small filesystem at $T/small
    rm -f "$T/disk"
    truncate -s 32M "$T/disk"
    mkfs.ext4 -q -m 0 -b 4096 "$@" -F "$T/disk"
    mount -o loop "$T/disk" "$T/small" 2>"$T/err" || skip_all "needs loop devices"
    rmdir "$T/small/lost+found"
}
mkdir "$T/small"
disk -N 60
fails_saying 1 'No space left' 'no more inodes' lc checkout all:v1 "$T/small/x"
ok 'nothing is left' gone "$T/small/x"
umount "$T/small"
disk
head -c 40M /dev/urandom >"$T/home/large"
lc snapshot "$T/home" --exclude store --name large:v1 >/dev/null
fails_saying 1 'No space left' 'no more room' lc checkout large:v1 "$T/small/x"
ok 'nothing is left' gone "$T/small/x"
fails_saying 1 'No space left' 'in the root of a filesystem' lc checkout large:v1 "$T/small"
is 'nothing is left there' "$(ls -A "$T/small") $(stat -c %a "$T/small")" ' 755'
ok 'what fits' lc checkout app:v1 "$T/small"
is 'is written there' "$(differences "$T/app" "$T/small" | grep -v 'differences$')" ''
umount "$T/small"

# Twice, as some send a signal both to a process and to its group.
stopped() { # signal, directory
    local i pid=
    env --default-signal=INT strace -f -qq -o "$T/trace" -e trace=linkat -e inject=linkat:delay_enter=300000 \
        "$BIN/layercache" checkout all:v1 "$2" >"$T/o" 2>"$T/e" &
    for i in $(seq 1 500); do
        pid=$(pgrep -P $! -x layercache)
        [ -z "$pid" ] || [ ! -e "$2.part/bin/tool" ] || break
        sleep 0.02
    done
    kill "-$1" "$pid"
    kill "-$1" "$pid"
    wait $!
}
for signal in INT TERM; do
    stopped $signal "$T/s$signal" 2>/dev/null
    is "stopped by SIG$signal" "$? $(gone "$T/s$signal"; echo $?) $(cat "$T/e")" \
        "$((128 + $(kill -l $signal))) 0 layercache: checkout 'all:v1': interrupted"
done

# A byte of the content is wrong.
python3 - "$LAYERCACHE_STORE" <<'P'
import glob, os, sys
p = max(glob.glob(sys.argv[1] + "/packs/*"), key=os.path.getsize)
with open(p, "r+b") as f:
    f.seek(os.path.getsize(p) // 2)
    b = f.read(1)
    f.seek(-1, 1)
    f.write(bytes([b[0] ^ 1]))
P
fails_saying 4 'checkout' 'damage is found' lc checkout large:v1 "$T/damaged"
ok 'and nothing is left' gone "$T/damaged"
unmount_store
done_testing
