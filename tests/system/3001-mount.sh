#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ordinary programs on a live mount.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 rsync

python3 "$lib/mkimage.py" layered "$T/img" v1
read -r _ _ chain < <(lc import "oci:$T/img")
ok 'mount' mount_store
m=$T/mnt
c=$m/chains/sha256/${chain#sha256:}
is 'the top level' "$(ls "$m" | paste -sd' ')" 'README cache chains images layers objects stats'
ok 'README is one page' grep -q chains "$m/README"
ok 'stats are counters' grep -q '^layercache_' "$m/stats"
is 'chains are listed' "$(ls "$m/chains/sha256" | wc -l)" 3
is 'layers are listed' "$(ls "$m/layers/sha256" | wc -l)" 3
is 'the image is a link to its chain' "$(readlink -f "$m/images/localhost/img:v1")" "$c"
is 'path prints it' "$(lc path localhost/img:v1)" "$c"
ok 'ls -lR' ls -lR "$m/images/localhost/img:v1/"
ok 'find' find "$c" -printf '%p %s %T@ %m %U %G\n'
is 'inode numbers are unique' "$(find "$m/chains" "$m/layers" -type f -links 1 -printf '%i\n' | sort | uniq -d | wc -l)" 0
ok 'diff -r with itself' diff -r "$c/many" "$c/many"
ok 'cp -a' cp -a "$c" "$T/copy"
ok 'the copy is equal' python3 "$lib/treecmp.py" "$c" "$T/copy"
ok 'tar c' tar -C "$c" --xattrs --xattrs-include='*' -cf "$T/t.tar" .
mkdir "$T/untar" && tar -C "$T/untar" --xattrs --xattrs-include='*' -xf "$T/t.tar"
ok 'what tar packed is equal' python3 "$lib/treecmp.py" "$c" "$T/untar"
ok 'rsync -aXH' rsync -aXH "$c/" "$T/rsync/"
ok 'rsync finds no difference afterwards' sh -c \
    "[ -z \"\$(rsync -aXHni --checksum '$c/' '$T/rsync/')\" ]"
ok 'a binary runs from the mount' "$c/bin/busybox" true
ok 'and in a chroot' chroot "$c" /bin/sh -c 'cat /etc/passwd'
python3 - "$c/var/random" "$T/copy/var/random" <<'P' >"$T/out" 2>&1
import mmap, random, sys
a, b = open(sys.argv[1], "rb"), open(sys.argv[2], "rb").read()
r = random.Random(1)
for _ in range(2000):
    o, n = r.randrange(len(b)), r.randrange(70000)
    a.seek(o)
    assert a.read(n) == b[o:o + n], (o, n)
m = mmap.mmap(a.fileno(), 0, prot=mmap.PROT_READ)
assert m[:] == b
P
tap_report $? 'random reads and mmap give the right bytes'
fails 2 'writing is refused' sh -c "echo x >'$c/etc/passwd'"
fails 1 'creating is refused' touch "$m/new"
fails 1 'removing is refused' rm -f "$c/etc/passwd"
fails 2 'unknown names are not there' ls "$m/chains/sha256/none"
stat "$m/chains/sha256/none" 2>&1 | grep -q 'No such file'
tap_report $? 'and say so at once'
obj=$(sha256sum <"$c/etc/passwd" | cut -c1-64)
is 'objects are found by content' "$(sha256sum <"$m/objects/${obj:0:2}/${obj:2}" | cut -c1-64)" "$obj"
su nobody -s /bin/sh -c "cat '$c/etc/shadow'" >/dev/null 2>&1
[ $? != 0 ]
tap_report $? 'file modes of the image decide who reads'
chmod 755 "$T"
su nobody -s /bin/sh -c "cat '$c/etc/passwd'" >"$T/out" 2>&1
tap_report $? 'others read what the modes allow'
# Walkers in a tree that nobody has read yet: most files are in the page cache when they ask.
mkdir -p "$T/walk"
python3 - "$T/walk" <<'P'
import os, random, sys
r = random.Random(7)
for d in range(40):
    os.makedirs("%s/%02d/sub" % (sys.argv[1], d))
    for k in range(25):
        size = r.choice((0, 1, 4095, 4096, 4097, 20000, 131072 if d % 8 == 0 else 300))
        with open("%s/%02d/%s%02d" % (sys.argv[1], d, "sub/" * (k % 3 == 0), k), "wb") as f:
            f.write(r.randbytes(size // 2) + b"text " * (size // 10))
P
lc snapshot "$T/walk" --name walk >/dev/null
counter() { awk -v n="$1" '$1 == n {print $2}' "$m/stats"; }
ok 'unmount' unmount_store
ok 'mount' mount_store
w=$(lc path walk)
ok 'a cold walk' sh -c "tar -C '$w' -cf - . | tar -C '$T/walk' -df -"
is 'gives every byte' "$(cat "$T/out" "$T/err")" ''
reads=$(counter 'layercache_requests_total{kind="read"}')
[ "$reads" -lt 500 ]
tap_report $? "with $reads requests for 1000 files"
[ "$(counter layercache_given_bytes_total)" -gt 1000000 ]
tap_report $? 'since the kernel was given their content'
ok 'unmount' unmount_store
ok 'mount' mount_store
for i in 1 2 3 4; do
    (cd "$w" && find . -type f -print0 | sort -z | xargs -0 -n 50 -P 3 sha256sum | sort) >"$T/sums.$i" &
done
wait
(cd "$T/walk" && find . -type f -print0 | xargs -0 sha256sum | sort) >"$T/sums"
is 'many walkers at once read the same' "$(cat "$T"/sums.? | sort | uniq -c | awk '$1 != 4' | wc -l)$(cmp "$T/sums" "$T/sums.1")" 0

ok 'unmount' unmount_store
ok 'unmounted' sh -c "! mountpoint -q '$m'"
ok 'mount again in the foreground and stop it by a signal' bash -c "
    '$BIN/layercache' mount -f '$m' & p=\$!
    for i in \$(seq 100); do mountpoint -q '$m' && break; sleep 0.1; done
    mountpoint -q '$m' && kill -TERM \$p && wait \$p; ! mountpoint -q '$m'"
done_testing
