#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The catalog is written anew with full pages, by imports that make it waste much and by gc:
# under readers, two importers, kill -9 and a full disk.
. "$(dirname "$0")/../lib/tap.sh"
need python3

mktar() { # file first count
    python3 - "$@" <<'P'
import io, sys, tarfile
path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as t:
    for i in range(first, first + count):
        data = b"content %d of a file\n" % i
        m = tarfile.TarInfo("d%d/f%d" % (i // 1000, i))
        m.size = len(data)
        t.addfile(m, io.BytesIO(data))
P
}
size() { stat -c %s "$LAYERCACHE_STORE/catalog/data.mdb"; }
inode() { stat -c %i "$LAYERCACHE_STORE/catalog/data.mdb"; }
names() { lc list | cut -d' ' -f1; }

# ---- import ----

mktar "$T/a.tar" 0 30000
mktar "$T/b.tar" 100000 30000
mktar "$T/c.tar" 200000 200
lc import "tar:$T/a.tar" a:1 >/dev/null
one=$(inode)
lc import "tar:$T/b.tar" b:1 >/dev/null
[ "$(size)" -le $((60000 * 75)) ] && [ "$(inode)" != "$one" ]
tap_report $? "after a large import the catalog is compact ($(size) bytes)"
two=$(inode)
lc import "tar:$T/b.tar" b:2 >/dev/null
is 'importing what is known leaves it' "$(inode)" "$two"
ok 'verify' lc verify
ok 'nothing is left beside it' [ ! -e "$LAYERCACHE_STORE/catalog.new" ]
for x in a b; do
    lc export "$x:1" "tar:$T/out.tar" >/dev/null 2>&1
    ok "$x comes back" cmp "$T/out.tar" "$T/$x.tar"
done
mv "$LAYERCACHE_STORE/catalog" "$T/compact"
lc repair >/dev/null 2>&1
ok 'and it says what the journal says' sh -c "'$BIN/layercache' verify && '$BIN/layercache' list | grep -q b:2"

# ---- gc, killed at any call ----

rm -rf "$T/store"
mktar "$T/a.tar" 0 4000
mktar "$T/b.tar" 100000 3000
lc import "tar:$T/a.tar" a:1 >/dev/null
lc import "tar:$T/b.tar" b:1 >/dev/null
lc list >"$T/list"
cp -a "$T/store" "$T/good"
before=$(size)
lc gc >/dev/null
[ "$(size)" -lt $((before * 2 / 3)) ]
tap_report $? "gc makes it smaller ($before, $(size) bytes)"
after=$(size)
three=$(inode)
lc gc >/dev/null
is 'once' "$(inode)" "$three"
ok 'verify after gc' lc verify
again() { rm -rf "$T/store" && cp -a "$T/good" "$T/store"; }
if [ -z "${LAYERCACHE_SAN:-}" ] && command -v strace >/dev/null; then
    bad=0 old=0 new=0
    for call in mkdirat pwrite64 pwritev fsync fdatasync renameat2 unlinkat rmdir; do
        for n in $(seq 20); do
            again
            strace -f -qq -o "$T/trace" -e "trace=$call" -e "inject=$call:signal=KILL:when=$n" \
                "$BIN/layercache" gc >/dev/null
            r=$?
            [ $r != 0 ] || break
            case $(size) in "$before") old=$((old + 1)) ;; "$after") new=$((new + 1)) ;; esac
            lc list | cmp -s - "$T/list" && lc verify >"$T/out" || bad=$((bad + 1))
            lc gc >/dev/null && [ "$(size)" -le "$after" ] && [ ! -e "$T/store/catalog.new" ] ||
                bad=$((bad + 1))
        done
    done 2>"$T/err"
    echo "# $((old + new)) kills: $old times the old one and $new times the new one was there"
    is 'killed at any call it is the old one or the new one' "$bad" 0
    [ "$old" -gt 4 ] && [ "$new" -gt 2 ]
    tap_report $? 'both were met'

    again
    strace -f -qq -o "$T/trace" -P "$T/store/catalog.new/data.mdb" \
        -e inject=pwrite64,pwritev,writev:error=ENOSPC "$BIN/layercache" gc >"$T/out" 2>"$T/err"
    is 'a full disk is no error of gc' "$?$(cat "$T/err")" 0
    ok 'the disk was full' grep -q INJECTED "$T/trace"
    is 'the catalog stays as it was' "$(size)" "$before"
    ok 'and nothing is left' [ ! -e "$T/store/catalog.new" ]
fi

# ---- two at once, and readers ----

again
for i in 1 2 3 4 5 6 7 8; do mktar "$T/n$i.tar" ${i}000000 600; done
worker() {
    local i
    for i in "$@"; do
        lc import "tar:$T/n$i.tar" "n$i:1" >/dev/null && lc gc >/dev/null || return 1
    done
}
reader() {
    while [ ! -e "$T/stop" ]; do
        lc list >"$T/r.out" 2>"$T/r.err" && grep -q a:1 "$T/r.out" || return 1
    done
}
reader &
r=$!
worker 1 3 5 7 2>"$T/w1" &
a=$!
worker 2 4 6 8 2>"$T/w2" &
b=$!
wait $a && wait $b
tap_report $? 'two importers at once, each with gc'
touch "$T/stop"
wait $r
tap_report $? 'readers find what they look for at any time'
is 'all of it is there' "$(names | grep -c '/n[1-8]:1$')" 8
ok 'and right' lc verify

if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
    mkdir "$T/mnt"
    again
    lc mount "$T/mnt"
    images=$T/mnt/images/localhost
    bad=0
    for i in 1 2 3 4 5 6; do
        lc import "tar:$T/n$i.tar" "localhost/n$i:1" >/dev/null
        [ -e "$images/n$i:1/d${i}000/f${i}000000" ] || bad=$((bad + 1))
        lc gc >/dev/null
        cmp -s "$images/n$i:1/d${i}000/f${i}000599" - <<<"content ${i}000599 of a file" ||
            bad=$((bad + 1))
    done
    is 'a mount shows each image at once' "$bad" 0
    umount "$T/mnt"
fi
done_testing
