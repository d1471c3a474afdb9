#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gc: what it gives back, what it keeps, and all of it under fire: importers, readers of tars
# and of a mount, kill -9 of gc and importers. SECONDS_FIRE=N for a longer campaign.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3
fire=${SECONDS_FIRE:-12}

python3 "$lib/mkimage.py" layered "$T/img" v1
for s in 1 2 3 4; do python3 "$lib/mkimage.py" big "$T/img" "b$s" "$s"; done
packs() { du -sk --apparent-size "$T/store/packs" | cut -f1; }
state() { (cd "$T/store" && find . -type f ! -name lock.mdb -exec sha256sum {} + | sort); }

# ---- what goes and what stays ----

for t in v1 b1 b2 b3 b4; do lc import "oci:$T/img:$t" "$t" >/dev/null; done
lc export v1 "tar:$T/v1.tar" --flatten
full=$(packs)
ok 'gc on a store where all has a name' lc gc --keep-days 0
is 'takes nothing' "$(packs)" "$full"
lc remove b1 b2 b3
ok 'gc keeps for a day what was just imported' lc gc
is 'so nothing went' "$(packs)" "$full"
state >"$T/before"
lc gc --dry-run --keep-days 0 >"$T/dry"
ok 'a dry run tells of layers that would go' grep -q '^layer sha256:' "$T/dry"
state >"$T/after"
ok 'and changes nothing' cmp "$T/before" "$T/after"
ok 'gc without grace' lc gc --keep-days 0
[ "$(packs)" -lt $((full * 7 / 10)) ]
tap_report $? "gives space back ($full KiB before, $(packs) after)"
ok 'verify' lc verify
ok 'the independent reader agrees' python3 "$lib/reader.py" "$T/store" check
lc export v1 "tar:$T/v1b.tar" --flatten
ok 'what has a name is as before' cmp "$T/v1.tar" "$T/v1b.tar"
rm -r "$T/store/catalog"
ok 'a catalog made anew from the journal is right' lc verify
fails 2 'a size that is none is refused' lc gc --max-size lots

# ---- mounts and leases ----

mkdir "$T/m" "$T/o"
lc import "oci:$T/img:b1" leased >/dev/null
chain=$(lc list | awk '/leased/ {print $3}')
lc mount "$T/m"
if lc overlay leased "$T/o" >/dev/null 2>&1; then
    find "$T/o" -type f -exec sha256sum {} + | sort >"$T/o.before"
    lc remove leased
    ok 'gc with an overlay on an image without a name' lc gc --keep-days 0
    ok 'its chain is kept' lc show "chain:$chain"
    echo 3 >/proc/sys/vm/drop_caches
    find "$T/o" -type f -exec sha256sum {} + | sort >"$T/o.after"
    ok 'and all its files can be read' cmp "$T/o.before" "$T/o.after"
    lc unmount "$T/o"
else
    lc remove leased
    echo '# no overlay here'
fi
lc unmount "$T/m"
ok 'gc after the unmount' lc gc --keep-days 0
fails 3 'takes the chain' lc show "chain:$chain"

# ---- a daemon gives the space back too ----

for t in b1 b2 b3; do lc import "oci:$T/img:$t" "held:$t" >/dev/null; done
lc mount "$T/m"
find "$(lc path v1)" "$(lc path b4)" -type f -exec cat {} + >/dev/null
lc remove held:b1 held:b2 held:b3
open_removed() { find /proc/[0-9]*/fd -lname "$T/store/packs/*(deleted)" 2>/dev/null | wc -l; }
lc gc --keep-days 0 >"$T/gc.out"
ok 'gc rewrites the pack that a mount reads from' grep -q 'packs-rewritten [1-9]' "$T/gc.out"
: >"$T/gc.out"
for _ in $(seq 50); do
    [ "$(open_removed)" = 0 ] && break
    sleep 0.2
done
is 'a mount lets go of removed packs' "$(open_removed)" 0
lc unmount "$T/m"

# ---- under fire ----

lc mount "$T/m"
v1=$(lc path v1)
tree_sum() { (cd "$v1" && find . -type f -exec sha256sum {} + | sort | sha256sum); }
want=$(tree_sum)
stop=$T/stop
bad=$T/bad
: >"$bad"
importer() { # number
    local i=0
    while [ ! -e "$stop" ]; do
        i=$((i + 1))
        "$BIN/layercache" import "oci:$T/img:b$((1 + (i + $1) % 4))" "fire:$1" \
            >/dev/null 2>"$T/importer.$1" || echo "import: $(cat "$T/importer.$1")" >>"$bad"
        "$BIN/layercache" remove "fire:$1" 2>/dev/null
    done
}
killed_importer() {
    local p
    while [ ! -e "$stop" ]; do
        "$BIN/layercache" import "oci:$T/img:b$((1 + RANDOM % 4))" killed >/dev/null 2>&1 &
        p=$!
        sleep "0.$((RANDOM % 9))"
        kill -9 "$p" 2>/dev/null
        wait "$p" 2>/dev/null
        "$BIN/layercache" remove killed 2>/dev/null
    done
}
collector() {
    local p
    while [ ! -e "$stop" ]; do
        "$BIN/layercache" gc --keep-days 0 >>"$T/gc.out" 2>"$T/gc.err" ||
            echo "gc: $(cat "$T/gc.err")" >>"$bad"
        "$BIN/layercache" gc --keep-days 0 >/dev/null 2>&1 &
        p=$!
        sleep "0.$((RANDOM % 30 + 100))"
        kill -9 "$p" 2>/dev/null
        wait "$p" 2>/dev/null
    done
}
tar_reader() {
    while [ ! -e "$stop" ]; do
        "$BIN/layercache" export v1 "tar:$T/fire.tar" --flatten 2>"$T/export.err" ||
            echo "export: $(cat "$T/export.err")" >>"$bad"
        cmp -s "$T/v1.tar" "$T/fire.tar" || echo 'export: another tar' >>"$bad"
        rm -f "$T/fire.tar"
    done
}
mount_reader() {
    while [ ! -e "$stop" ]; do
        echo 1 >/proc/sys/vm/drop_caches
        [ "$(tree_sum)" = "$want" ] || echo 'mount: other content' >>"$bad"
    done
}
{
    pids=
    for job in 'importer 1' 'importer 2' killed_importer collector tar_reader mount_reader; do
        $job &
        pids="$pids $!"
    done
    sleep "$fire"
    touch "$stop"
    for p in $pids; do wait "$p"; done
} 2>/dev/null
echo "# $(grep -c ^images "$T/gc.out") gcs came to their end," \
    "$(grep -c 'rewritten [1-9]\|dropped [1-9]' "$T/gc.out") of them moved packs"
sort "$bad" | uniq -c | head -20 >&2
is 'no importer, reader or gc has failed' "$(wc -l <"$bad")" 0
ok 'verify after the fire' lc verify
lc export v1 "tar:$T/v1c.tar" --flatten
ok 'the named image is byte-identical' cmp "$T/v1.tar" "$T/v1c.tar"
lc unmount "$T/m"
for n in fire:1 fire:2 killed b4; do lc remove "$n" 2>/dev/null; done
ok 'gc of what is left' lc gc --keep-days 0
LAYERCACHE_STORE=$T/one lc import "oci:$T/img:v1" >/dev/null
one=$(du -sk --apparent-size "$T/one/packs" | cut -f1)
[ "$(packs)" -le $((2 * one + 64)) ]
tap_report $? "the space is given back ($(packs) KiB, a store of only that image $one KiB)"
lc remove v1
ok 'gc of a store without names' lc gc --keep-days 0
[ "$(du -sk "$T/store" | cut -f1)" -lt 1024 ]
tap_report $? "leaves about nothing ($(du -sk "$T/store" | cut -f1) KiB)"
ok 'verify' lc verify
ok 'the independent reader agrees' python3 "$lib/reader.py" "$T/store" check
is 'no session left its notes' "$(find "$T/store/pins" -type f | wc -l)" 1
ok 'import works' lc import "oci:$T/img:v1" v1
done_testing
