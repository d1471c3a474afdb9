#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Snapshots of a directory: what comes back is what was there; against a parent only changes
# enter the layer; unchanged files are recognised without being read.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper python3 setfattr setfacl

d=$T/dir
make_tree() {
    mkdir -p "$1/etc/conf.d" "$1/usr/bin" "$1/usr/share/doc" "$1/var/empty" "$1/gone/a/b"
    seq 1 5000 >"$1/etc/table"
    echo root >"$1/etc/passwd"
    for i in $(seq 1 40); do echo "file $i" >"$1/usr/share/doc/$i"; done
    ln -s ../etc/passwd "$1/usr/link"
    ln "$1/etc/table" "$1/etc/again"
    ln "$1/etc/table" "$1/etc/conf.d/third"
    mkfifo "$1/var/pipe"
    mknod "$1/var/null" c 1 3
    head -c 9000000 /dev/zero | tr '\0' x >"$1/usr/bin/big"
    chmod 4755 "$1/usr/bin/big"
    chown 1000:2000 "$1/etc/passwd"
    setfattr -n user.note -v hello "$1/etc/passwd"
    setfattr -n trusted.note -v root "$1/etc"
    setfacl -m u:1000:r "$1/usr/share/doc/1"
    truncate -s 1000000 "$1/var/sparse"
    echo x >"$1/gone/a/b/c"
    touch "$1/gone/1" "$1/gone/2"
    printf 'odd' >"$1/usr/odd"$'\n\xff'
}
make_tree "$d"
sleep 0.3 # what was just written is not trusted to be unchanged
ok 'a snapshot' lc snapshot -n base "$d"
read -r diff chain key <"$T/out"
is 'of a first layer: the chain is the layer' "$chain $key" "$diff -"
ok 'mount' mount_store
tree() { echo "$T/mnt/chains/sha256/${1#sha256:}"; }
ok 'gives the directory back' diff -r --no-dereference "$d/etc" "$(tree "$chain")/etc"
ok 'with all attributes' python3 "$lib/treecmp.py" "$d" "$(tree "$chain")"
ok 'again' lc snapshot "$d"
is 'the same layer' "$(cut -d' ' -f1 "$T/out")" "$diff"

ok 'unchanged, against itself' lc snapshot --parent base "$d"
is 'is an empty layer' "$(cut -d' ' -f1 "$T/out")" \
    sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
cp -a "$d" "$T/copy"
ok 'a copy of it, against it' lc snapshot --parent base "$T/copy"
is 'is an empty layer, too' "$(cut -d' ' -f1 "$T/out")" \
    sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef

# ---- changes of every kind ----
change() {
    echo more >>"$1/etc/passwd"
    echo new >"$1/etc/new"
    rm "$1/usr/share/doc/7"
    rm -r "$1/var/empty" "$1/gone/a"
    rm "$1/gone/1" "$1/gone/2"            # a directory of its own remains, empty: opaque
    rm "$1/usr/link" && mkdir "$1/usr/link" && echo in >"$1/usr/link/in"
    rm -r "$1/etc/conf.d" && echo file >"$1/etc/conf.d"
    chmod 700 "$1/usr/share/doc/8"
    chown 5:5 "$1/usr/share/doc/9"
    touch -d @1000000000 "$1/usr/share/doc/10"
    setfattr -n user.x -v y "$1/usr/share/doc/11"
    setfacl -b "$1/usr/share/doc/1"
    ln "$1/usr/share/doc/12" "$1/usr/share/doc/twelve"
    rm "$1/var/null" && mknod "$1/var/null" c 1 5
    printf Y | dd of="$1/usr/bin/big" bs=1 seek=4000 conv=notrunc 2>/dev/null
    mv "$1/usr/share" "$1/usr/shared"
}
change "$d"
ok 'changes of every kind' lc snapshot --parent base --name changed --created-by 'RUN change' "$d"
read -r diff2 chain2 _ <"$T/out"
ok 'the chain is the directory' python3 "$lib/treecmp.py" "$d" "$(tree "$chain2")"
ok 'the layer as a tar' lc export "layer:${diff2#sha256:}" "tar:$T/layer.tar"
tar tf "$T/layer.tar" >"$T/names"
is 'what is unchanged is not in it' "$(grep -cE '^(var/pipe|var/sparse|usr/odd)' "$T/names")" 0
is 'what is gone is' "$(grep -E '^(var|gone|usr)/\.wh\.' "$T/names" | sort | tr '\n' ' ')" \
    'gone/.wh..wh..opq usr/.wh.share var/.wh.empty '
change2() { # the same on the copy, against the same parent
    change "$T/copy"
    find "$d" -depth -print0 | while IFS= read -r -d '' p; do
        touch -h -r "$p" "$T/copy${p#"$d"}"
    done
}
change2 2>"$T/err"
is 'the same changes elsewhere are the same layer' \
    "$(lc snapshot --parent base "$T/copy" | cut -d' ' -f1)" "$diff2"
lc export changed "oci:$T/out-layout:x" >/dev/null 2>&1
is 'the image has the history of both' "$(lc show --json changed | python3 -c '
import json, sys
print([s["created_by"] for s in json.load(sys.stdin)["steps"]])')" "['snapshot', 'RUN change']"

# ---- options ----
mkdir -p "$T/small/keep" "$T/small/skip"
echo a >"$T/small/keep/a"
echo b >"$T/small/skip/b"
ok 'a small one' lc snapshot -n small "$T/small"
rm -r "$T/small/skip"
echo c >"$T/small/keep/c"
ok '--exclude against a parent' lc snapshot --parent small --exclude 'skip*' --exclude '*/c' "$T/small"
read -r _ chain3 _ <"$T/out"
ok 'leaves there what the parent has' test -e "$(tree "$chain3")/skip/b"
ok 'and what is new out' test ! -e "$(tree "$chain3")/keep/c"
ok '--epoch' lc snapshot --epoch 1000 -n early "$T/small"
ok '--epoch against what has it' lc snapshot --epoch 1000 --parent early "$T/small"
is 'is no change' "$(cut -d' ' -f1 "$T/out")" \
    sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
touch "$T/small/.wh.x"
fails_saying 1 "begins with '.wh.'" 'a whiteout by name is refused' lc snapshot "$T/small"
fails 2 '--upper needs a parent' lc snapshot --upper "$T/small"
fails 3 'an unknown parent' lc snapshot --parent nosuch "$T/small"

# ---- the stat cache ----
rm "$T/small/.wh.x"
sleep 0.3
lc snapshot -n small "$T/small" >/dev/null
printf 'z' >"$T/small/keep/a.new" && touch -r "$T/small/keep/a" "$T/small/keep/a.new"
ok 'content that changes under the same size and time' \
    sh -c "printf 'A\n' >'$T/small/keep/a' && touch -r '$T/small/keep/a.new' '$T/small/keep/a' && rm '$T/small/keep/a.new'"
lc snapshot --parent small "$T/small" >"$T/line"
read -r _ chain4 _ <"$T/line"
is 'is seen by the ctime' "$(cat "$(tree "$chain4")/keep/a")" A
for f in "$LAYERCACHE_STORE"/statcache/*; do head -c 200 /dev/urandom | dd of="$f" bs=1 seek=100 conv=notrunc 2>/dev/null; done
is 'a damaged cache changes nothing' "$(lc snapshot --parent small "$T/small")" "$(cat "$T/line")"
rm -rf "$LAYERCACHE_STORE/statcache"
is 'a missing one neither' "$(lc snapshot --parent small "$T/small")" "$(cat "$T/line")"
ok 'the store is whole' lc verify
done_testing
