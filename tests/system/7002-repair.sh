#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The catalog is a cache: deleted, it comes back byte for byte. Damage is found and named,
# and never read as good.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" big
lc import "oci:$T/img" >/dev/null
flip() { # FILE OFFSET
    python3 - "$1" "$2" <<'E'
import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
b = f.read(1)
f.seek(int(sys.argv[2]))
f.write(bytes([b[0] ^ 0x10]))
E
}
answers() {
    lc list
    lc list layers
    lc list chains
    local l
    for l in $(lc list layers | cut -d' ' -f1); do
        lc export "layer:$l" tar:- | sha256sum
    done
}
trees() { (cd "$T/mnt/chains/sha256" && find . -mindepth 1 -printf '%p %i %m %s %T@ %l\n' | sort); }
answers >"$T/before"
# shellcheck disable=SC2119
mount_store && trees >"$T/trees.before" && unmount_store
rm -rf "$T/store/catalog" "$T/store/trees"/*
ok 'repair without a catalog' lc repair
answers >"$T/after"
ok 'every layer and name is back' diff "$T/before" "$T/after"
ok 'verify' lc verify
ok 'mount' mount_store
trees >"$T/trees.after"
ok 'every tree is back, inode numbers included' diff "$T/trees.before" "$T/trees.after"
ok 'unmount' unmount_store
rm -rf "$T/store/catalog"
ok 'without repair a command that reads rebuilds it too' lc list
answers >"$T/after"
ok 'and the answers are the same' diff "$T/before" "$T/after"

cp -a "$T/store" "$T/good"
pack=$(ls "$T/store/packs"/*.pack | head -1)
size=$(stat -c %s "$pack")
bad=0
for i in $(seq 12); do
    cp "$T/good/packs/$(basename "$pack")" "$pack"
    flip "$pack" $((size * i / 13))
    lc verify >"$T/out" 2>"$T/err"
    [ $? = 4 ] || { bad=$((bad + 1)); echo "# flip at $((size * i / 13)) not found"; }
    for l in $(cut -d' ' -f1 "$T/before" | grep ^sha256 | head -7); do
        lc export "layer:$l" tar:- >"$T/o" 2>/dev/null || continue
        [ "sha256:$(sha256sum <"$T/o" | cut -c1-64)" = "$l" ] ||
            { [ -s "$T/o" ] && lc list layers | grep -q "^$l " && bad=$((bad + 1)); }
    done
done
is 'each flipped bit is found, none is exported as good' "$bad" 0
cp -a "$T/good/packs/." "$T/store/packs/"
ok 'verify of the good copy' lc verify

bad=0
for i in $(seq 6); do
    rm -rf "$T/store" && cp -a "$T/good" "$T/store"
    flip "$pack" $((size * i / 7))
    lc repair >"$T/out" 2>"$T/err"
    case $? in 0 | 4) ;; *) bad=$((bad + 1)) && sed 's/^/# /' "$T/err" ;; esac
    lc import "oci:$T/img" >/dev/null || bad=$((bad + 1))
    if ! lc verify >"$T/out" 2>"$T/err"; then
        bad=$((bad + 1))
        sed 's/^/# /' "$T/err"
    fi
    answers >"$T/after"
    cmp -s "$T/before" "$T/after" || bad=$((bad + 1))
    lc repair >"$T/out" 2>"$T/err" || bad=$((bad + 1))
done
is 'repair and an import heal each flipped bit' "$bad" 0
rm -rf "$T/store" && cp -a "$T/good" "$T/store"
rm "$T/store/journal"
lc list >/dev/null 2>"$T/err"
is 'without a journal nothing works' $? 4
ok 'repair' lc repair
answers >"$T/after"
ok 'the catalog has brought all back' diff "$T/before" "$T/after"
ok 'verify' lc verify
rm -rf "$T/store/journal" "$T/store/catalog"
ok 'repair from packs alone' lc repair
ok 'verify' lc verify
ok 'import again' lc import "oci:$T/img"
lc list >"$T/after"
ok 'the names are back' diff <(head -n "$(wc -l <"$T/after")" "$T/before") "$T/after"
ok 'verify' lc verify
rm -rf "$T/store" && cp -a "$T/good" "$T/store"
head -c $(($(stat -c %s "$T/store/journal") - 3)) "$T/store/journal" >"$T/j" && cp "$T/j" "$T/store/journal"
rm -rf "$T/store/catalog"
ok 'a torn journal tail loses only the last commit' lc list
ok 'import again' lc import "oci:$T/img"
ok 'verify' lc verify
answers | sort >"$T/after"
sort "$T/before" | diff - "$T/after" >"$T/out" 2>&1
tap_report $? 'everything is back'

# A last record that was written in full and is wrong now is damage, not a torn tail.
rm -rf "$T/store" && cp -a "$T/good" "$T/store"
flip "$T/store/journal" $(($(stat -c %s "$T/store/journal") - 40))
ok 'the catalog still knows a damaged last commit' lc list
lc tag localhost/img:v1 other:v1 >"$T/out" 2>"$T/err"
is 'but nothing is written behind it' "$? $(wc -l <"$T/err")" '4 1'
ok 'repair from the catalog' lc repair
answers | diff "$T/before" - >"$T/out" 2>&1
tap_report $? 'everything is back'
ok 'verify' lc verify
rm -rf "$T/store" && cp -a "$T/good" "$T/store" && rm -rf "$T/store/catalog"
flip "$T/store/journal" $(($(stat -c %s "$T/store/journal") - 40))
(cd "$T/store/packs" && sha256sum -- *) >"$T/packs.before"
fails 4 'without it the damage is told' lc list
fails 4 'and told again' lc import "oci:$T/img"
(cd "$T/store/packs" && sha256sum -c --quiet) <"$T/packs.before" >"$T/out" 2>&1
tap_report $? 'its frames stay'
lc repair >"$T/out" 2>"$T/err"
answers | grep ^sha256 | sort -u | diff <(grep ^sha256 "$T/before" | sort -u) - >"$T/out" 2>&1
tap_report $? 'repair finds its layers in the packs'
ok 'import again' lc import "oci:$T/img"
ok 'verify' lc verify
done_testing
