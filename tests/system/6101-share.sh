#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Published stores and alternates: what one host publishes others read, without copying it,
# without writing there and without a lock.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 strace

python3 "$lib/mkimage.py" layered "$T/img" v1
for s in 1 2 3; do python3 "$lib/mkimage.py" big "$T/img" "b$s" "$s"; done
at() { # store command...
    local LAYERCACHE_STORE=$T/$1
    shift
    lc "$@"
}
tree() { (cd "$1" && find . -printf '%P %y %m %U:%G %s %T@ %l\n' | sort && find . -type f -exec sha256sum {} + | sort); }
kib() { du -sk --apparent-size "$1" | cut -f1; }
current() { cat "$T"/pub/*/current; }

# ---- publish, read from a read-only mount of it ----

for t in v1 b1; do at a import "oci:$T/img:$t" "$t" >/dev/null; done
fails 1 'a directory without a published store is no alternate' \
    at b import "share:$T/img:v1"
ok 'publish' at a publish "$T/pub"
grep -qE '^[0-9a-f]{16}/index-[0-9a-f-]+ objects [0-9]+ packs [0-9]+ bytes [0-9]+ copied [1-9][0-9]* removed 0$' "$T/out"
tap_report $? 'says what it did'
ok 'publish again' at a publish "$T/pub"
cp "$T/out" "$T/said"
ok 'copies nothing' grep -q ' copied 0 ' "$T/said"
is 'is private to its owner unless the directory was opened' "$(stat -c %a "$T"/pub/*/current)" 600
mkdir "$T/ro"
mount --bind "$T/pub" "$T/ro" && mount -o remount,bind,ro "$T/ro"
ok 'import from a read-only mount of it' at b import "share:$T/ro:v1" v1
ok 'all of it' at b import "share:$T/ro"
is 'the same names' "$(at b list)" "$(at a list)"
[ "$(kib "$T/b/packs")" -lt $(($(kib "$T/a/packs") / 4)) ]
tap_report $? "content stays there ($(kib "$T/b/packs") of $(kib "$T/a/packs") KiB)"
for t in v1 b1; do
    at a export "$t" "tar:$T/a.tar" --flatten
    ok "$t: the same tar" at b export "$t" "tar:$T/b.tar" --flatten
    ok "$t: byte for byte" cmp "$T/a.tar" "$T/b.tar"
done
ok 'the whole image goes out again' at b export v1 "oci:$T/out-b:v1"
at a export v1 "oci:$T/out-a:v1"
is 'with the same config' "$(jq -r .config.digest "$T"/out-b/blobs/sha256/"$(jq -r '.manifests[0].digest[7:]' "$T/out-b/index.json")")" \
    "$(jq -r .config.digest "$T"/out-a/blobs/sha256/"$(jq -r '.manifests[0].digest[7:]' "$T/out-a/index.json")")"
ok 'verify reads it through the alternate' at b verify
mkdir "$T/ma" "$T/mb"
at a mount "$T/ma"
at b mount "$T/mb"
tree "$T/ma/images/docker.io/library/v1:latest/" >"$T/ta"
tree "$T/mb/images/docker.io/library/v1:latest/" >"$T/tb"
[ -s "$T/ta" ] && cut -d' ' -f1-3 "$T/ta" >/dev/null
ok 'the mount shows the same tree' cmp "$T/ta" "$T/tb"

# ---- what is published later shows up in what is mounted ----

at a import "oci:$T/img:b2" b2 >/dev/null
ok 'publish what is new' at a publish "$T/pub"
cp "$T/out" "$T/said"
# shellcheck disable=SC2016
ok 'copies only that' awk '{exit !($7 > 0 && $9 > 0 && $9 < $7)}' "$T/said"
sleep 1.1
ok 'a reader has it' at b import "share:$T/ro:b2" b2
tree "$T/ma/images/docker.io/library/b2:latest/" >"$T/ta"
sleep 0.1
tree "$T/mb/images/docker.io/library/b2:latest/" >"$T/tb"
ok 'also in its live mount' cmp "$T/ta" "$T/tb"
at a unmount "$T/ma"

# ---- layers of other sources are known by it ----

strace -f -e trace=flock,fcntl,openat -o "$T/trace" \
    "$BIN/layercache" --store "$T/c" --alternate "$T/ro" import "oci:$T/img:b1" b1 >/dev/null
ok 'an import of a known image with --alternate' at c show b1
[ "$(kib "$T/c/packs")" -lt $(($(kib "$T/a/packs") / 20)) ]
tap_report $? "stores only recipe and tree ($(kib "$T/c/packs") KiB)"
is 'and reads no layer' "$(grep -c "$T/img/blobs" "$T/trace")" "$(grep "$T/img/blobs" "$T/trace" | grep -c O_RDONLY)"
is 'nothing there is locked or opened for writing' \
    "$(grep "$T/ro" "$T/trace" | grep -cE 'LOCK|SETLK|O_WRONLY|O_RDWR')" 0
ok 'the store keeps the alternate' grep -qx "$T/ro" "$T/c/alternates"
ok 'a layer of which files are known' at c import "oci:$T/img:b3" b3
ok 'verify' at c verify
ok 'gc keeps all that has a name' at c gc --keep-days 0
ok 'verify' at c verify
rm -r "$T/c/catalog"
ok 'repair makes the catalog anew' at c repair
ok 'verify' at c verify
at c export b3 "tar:$T/c.tar" --flatten
at d import "oci:$T/img:b3" b3 >/dev/null
at d export b3 "tar:$T/d.tar" --flatten
ok 'its content is right' cmp "$T/c.tar" "$T/d.tar"
fails_saying 1 'this store has alternates' 'a store with alternates publishes nothing' at c publish "$T/pub"

# ---- two publishers, one directory ----

at d publish "$T/pub" >/dev/null &
at a publish "$T/pub" >/dev/null
wait $!
is 'each has a place of its own' "$(find "$T/pub" -maxdepth 1 -name '[0-9a-f]*' | wc -l)" 2
ok 'a reader reads both' at e import "share:$T/ro"
is 'and has all names' "$(at e list | wc -l)" 4
ok 'verify' at e verify
cp -a "$T/a" "$T/copy"
ok 'a copy of a store' at copy publish "$T/pub"
is 'is a publisher of its own' "$(find "$T/pub" -maxdepth 1 -name '[0-9a-f]*' | wc -l)" 3

# ---- kill -9 ----

for i in 1 2 3 4 5 6; do
    at k import "oci:$T/img:b$((i % 3 + 1))" "k$i" >/dev/null
    timeout -s KILL "0.0$((i * 2))" "$BIN/layercache" --store "$T/k" publish "$T/pubk" >/dev/null 2>&1
done
ok 'a publishing that was killed is taken up' at k publish "$T/pubk"
ok 'a reader of that' at kr import "share:$T/pubk"
ok 'verify' at kr verify
is 'nothing is left over' "$(find "$T/pubk" -name 'tmp-*' | wc -l)" 0

# ---- grace ----

at a remove b2
at a gc --keep-days 0 >/dev/null
ok 'after gc' at a publish "$T/pub"
[ "$(current | grep -c ^retired)" -gt 0 ]
tap_report $? 'files that are not needed any more stay for a while'
ok 'then' at a publish "$T/pub" --grace 0
cp "$T/out" "$T/said"
ok 'they go' grep -q ' removed [1-9]' "$T/said"
at a gc >/dev/null
ok 'what is published is whole' at f import "share:$T/pub:v1" v1
ok 'verify' at f verify

# ---- damage ----

victim=$(for p in "$T"/pub/*/current; do grep -q ' 00000001 ' "$p" && echo "${p%/current}"; done | head -1)
index=$victim/$(awk '/^index/ {print $2}' "$victim/current")
cp "$index" "$T/index"
printf '\377' | dd of="$index" bs=1 seek=100 conv=notrunc status=none
ok 'a damaged index harms no import' at g --alternate "$T/pub" import "oci:$T/img:v1" v1
ok 'verify' at g verify
cp "$T/index" "$index"
umount -l "$T/ro" # the mounted store has it open
fails_saying 4 "alternate '$T/ro' cannot be read" 'an alternate that is gone is named' \
    at b export v1 "tar:$T/x.tar" --layer 1
cat "$T/mb/images/docker.io/library/b1:latest/"* >/dev/null 2>&1
fails 4 'verify tells what is missing' at b verify
mount --bind "$T/pub" "$T/ro"
sleep 1.1
at b unmount "$T/mb"
rm -r "$T/mb"
done_testing
