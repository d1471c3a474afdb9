#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# repack: the store shrinks and every byte stays, whoever reads, imports or kills it meanwhile.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 jq mkfs.ext4

python3 "$lib/mkimage.py" layered "$T/img" v1
for s in 1 2 3; do python3 "$lib/mkimage.py" big "$T/img" "b$s" "$s"; done
packs() { du -sk --apparent-size "$T/store/packs" | cut -f1; }
state() { (cd "$T/store" && find . -type f ! -name lock.mdb -exec sha256sum {} + | sort); }
figure() { tr ' ' '\n' <"$T/said" | grep -A1 "^$1\$" | tail -1; }
tar_sum() { lc export "$1" "tar:$T/sum.tar" --flatten && sha256sum <"$T/sum.tar"; }

# ---- an empty store, a read-only look ----

lc init
ok 'repack of an empty store' lc repack
cp "$T/out" "$T/said"
is 'has nothing to do' "$(figure objects) $(figure left) $(figure bytes-after)" '0 0 0'
fails 2 'level 0 is refused' lc repack --level 0
fails 2 'level 23 is refused' lc repack --level 23
for t in v1 b1; do lc import "oci:$T/img:$t" "$t" >/dev/null; done
v1=$(tar_sum v1)
b1=$(tar_sum b1)
state >"$T/before"
ok 'a dry run' lc repack --dry-run
cp "$T/out" "$T/said"
[ "$(figure objects)" -gt 100 ]
tap_report $? 'tells how much there is to do'
state >"$T/after"
ok 'and changes nothing' cmp "$T/before" "$T/after"
ok 'with --min-age' lc repack --min-age 1
cp "$T/out" "$T/said"
is 'what was just imported stays as it is' "$(figure objects)" 0

# ---- it shrinks, and all is as before ----

full=$(packs)
# How well an import packs depends on which of its threads is first: level 9 is always better.
ok 'repack' lc repack --level 9
cp "$T/out" "$T/said"
[ "$(figure objects)" -gt 100 ] && [ "$(figure left) $(figure damaged)" = '0 0' ] &&
    [ "$(figure bytes-after)" -lt "$(figure bytes-before)" ]
tap_report $? 'says what it did'
[ "$(packs)" -lt "$full" ]
tap_report $? "the packs shrink ($full KiB before, $(packs) after)"
is 'the old pack is gone' "$(ls "$T/store/packs")" 00000002.pack
ok 'verify' lc verify
ok 'the independent reader agrees' python3 "$lib/reader.py" "$T/store" check
is 'the tar of a small image is the same' "$(tar_sum v1)" "$v1"
is 'that of a large one as well' "$(tar_sum b1)" "$b1"
state >"$T/before"
ok 'repack once more' lc repack --level 9 --json
is 'finds nothing to do' "$(jq -r .objects "$T/out")" 0
state >"$T/after"
ok 'and leaves the store as it is' cmp "$T/before" "$T/after"
rm -r "$T/store/catalog"
ok 'a catalog made anew from the journal is right' lc verify
echo 'layercache repacked 1
garbage' >"$T/store/repacked"
ok 'without knowing what is done it does it again' lc repack --level 3
is 'to the same bytes' "$(tar_sum b1)" "$b1"
ok 'gc finds nothing to give back' lc gc --keep-days 0
grep -q 'layers 0 keys 0 packs-dropped 0 packs-rewritten 0' "$T/out"
tap_report $? 'neither layers nor packs'

# ---- damage does not get a fresh checksum ----

rm -rf "$T/store"
lc import "oci:$T/img:b1" b1 >/dev/null
cp -r "$T/store" "$T/whole"
python3 - "$T/store/packs/00000001.pack" <<'EOF'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(60000)
    f.write(b"damage")
EOF
ok 'repack over a damaged frame' lc repack --level 3
cp "$T/out" "$T/said"
[ "$(figure damaged)" -gt 0 ] && [ "$(figure objects)" -gt 100 ]
tap_report $? 'moves the rest and tells of it'
fails 4 'verify finds the damage' lc verify
lc repair >"$T/out" 2>&1
ok 'repair and an import mend it' lc import "oci:$T/img:b1" b1
ok 'verify is content' lc verify
is 'with the same tar' "$(tar_sum b1)" "$b1"
rm -rf "$T/store"
mv "$T/whole" "$T/store"

# ---- killed at any time, beside readers and importers ----

for t in b2 b3 v1; do lc import "oci:$T/img:$t" "$t" >/dev/null; done
mkdir "$T/m"
lc mount "$T/m"
m1=$(lc path b1)
mount_sum() { (cd "$m1" && find . -type f -exec sha256sum {} + | sort | sha256sum); }
want=$(mount_sum)
bad=$T/bad
: >"$bad"
reader() {
    while [ ! -e "$T/stop" ]; do
        echo 1 >/proc/sys/vm/drop_caches
        [ "$(mount_sum)" = "$want" ] || echo 'mount: other content' >>"$bad"
        sleep 0.3
    done
}
exporter() {
    while [ ! -e "$T/stop" ]; do
        "$BIN/layercache" export v1 "tar:$T/fire.tar" --flatten 2>"$T/export.err" ||
            echo "export: $(cat "$T/export.err")" >>"$bad"
        [ "$(sha256sum <"$T/fire.tar")" = "$v1" ] || echo 'export: another tar' >>"$bad"
        rm -f "$T/fire.tar"
        "$BIN/layercache" import "oci:$T/img:v1" again >/dev/null 2>"$T/import.err" ||
            echo "import: $(cat "$T/import.err")" >>"$bad"
        sleep 0.3
    done
}
reader &
jobs_=$!
exporter &
jobs_="$jobs_ $!"
for delay in 0.05 0.4; do
    "$BIN/layercache" repack --level 6 >/dev/null 2>&1 &
    p=$!
    sleep "$delay"
    kill -9 "$p" 2>/dev/null
    wait "$p" 2>/dev/null
    ok "verify after a kill at $delay s" lc verify
done
"$BIN/layercache" repack --level 7 >/dev/null 2>&1 &
p=$!
for _ in $(seq 1000); do
    grep -q ' 7$' "$T/store/repacked" 2>/dev/null && break
    sleep 0.05
done
kill -9 "$p" 2>/dev/null
wait "$p" 2>/dev/null
ok 'verify after a kill behind the first batch' lc verify
ok 'the next run' lc repack --level 7 --json
cp "$T/out" "$T/said"
all=$(lc stats --json | jq .objects)
[ "$(jq .objects "$T/said")" -lt $((all * 9 / 10)) ] && [ "$(jq .left "$T/said")" = 0 ]
tap_report $? "goes on ($(jq .objects "$T/said") of $all objects)"
touch "$T/stop"
# shellcheck disable=SC2086
wait $jobs_
is 'readers and importers saw nothing of it' "$(sort -u "$bad" | head -5)" ''
ok 'verify' lc verify
is 'the mount has the same content' "$(mount_sum)" "$want"
lc unmount "$T/m"
is 'and the tar is the same' "$(tar_sum b1)" "$b1"

# ---- two at once, and with gc ----

lc repack --level 5 >"$T/one" 2>&1 &
p=$!
lc repack --level 5 >"$T/two" 2>&1 &
q=$!
ok 'gc beside two of them' lc gc --keep-days 0
wait "$p"
tap_report $? 'the one ends well'
wait "$q"
tap_report $? 'the other as well'
ok 'verify' lc verify
rm -f "$T/store/repacked"
ok 'with a second of time' lc repack --level 15 --max-time 1
cp "$T/out" "$T/said"
[ "$(figure left)" -gt 0 ] && [ "$(figure bytes-after)" -le $(($(figure bytes-before) * 112 / 100)) ]
tap_report $? 'it stops early, and the store is hardly larger: a tenth of a pack may be dead'
ok 'verify' lc verify

# ---- what an alternate has is left alone ----

lc publish "$T/pub" >/dev/null
LAYERCACHE_STORE=$T/b lc import "share:$T/pub:b1" b1 >/dev/null
LAYERCACHE_STORE=$T/b lc import "oci:$T/img:v1" own >/dev/null
(cd "$T/pub" && find . -type f -exec sha256sum {} + | sort) >"$T/pub.before"
LAYERCACHE_STORE=$T/b ok 'repack of a store with an alternate' lc repack --level 5
(cd "$T/pub" && find . -type f -exec sha256sum {} + | sort) >"$T/pub.after"
ok 'does not touch that' cmp "$T/pub.before" "$T/pub.after"
LAYERCACHE_STORE=$T/b ok 'verify' lc verify
is 'its tar comes out' "$(LAYERCACHE_STORE=$T/b tar_sum b1)" "$b1"
ok 'publish after repack' lc publish "$T/pub"
LAYERCACHE_STORE=$T/b ok 'verify through what was published anew' lc verify

# ---- a full disk ----

truncate -s 128M "$T/disk"
mkfs.ext4 -q -m 0 -F "$T/disk"
mkdir "$T/small"
mount -o loop "$T/disk" "$T/small"
LAYERCACHE_STORE=$T/small/store
lc import "oci:$T/img:b1" b1 >/dev/null
for kib in 1024 6000; do
    rm -f "$T/small/ballast"
    free=$(df --output=avail -k "$T/small" | tail -1)
    fallocate -l $((free - kib))K "$T/small/ballast"
    fails_saying 1 'repack.*[Nn]o space' "one line with $kib KiB of room" lc repack --level 3
    ok 'verify' lc verify
    rm "$T/small/ballast"
    is 'the tar is the same' "$(tar_sum b1)" "$b1"
done
ok 'with room it works' lc repack --level 3
ok 'verify' lc verify
umount "$T/small"
done_testing
