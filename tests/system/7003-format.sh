#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# FORMAT.md is complete: a reader written from it alone (tests/lib/reader.py) finds in journal
# and packs what the program says, byte for byte.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3

reader() { python3 "$lib/reader.py" "$T/store" "$@"; }
only() { sed -n "s/^$1 //p" "$T/list"; } # lines of one kind in reader's list

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" big
lc import "oci:$T/img:v1" >/dev/null
lc import "oci:$T/img:big" >/dev/null
lc tag localhost/img:v1 other:v2 >/dev/null 2>&1
lc remove localhost/img:v1 >/dev/null

reader list >"$T/list" 2>"$T/err"
tap_report $? 'the reader lists the store'
is 'everything that there is' "$(cut -d' ' -f1 "$T/list" | sort -u | paste -sd' ')" \
    'blob chain encoding generation image layer name pack tree'
is 'the same names' "$(only name)" "$(lc list)"
is 'the same layers' "$(only layer)" "$(lc list layers)"
is 'the same chains' "$(only chain)" "$(lc list chains)"
ok 'every checksum, digest, recipe and tree is right' reader check
sed 's/^/# /' "$T/out"

same_tar() { # digest
    reader tar "$1" >"$T/reader.tar" && lc export "layer:$1" "tar:$T/lc.tar" >/dev/null &&
        cmp "$T/reader.tar" "$T/lc.tar" &&
        [ "sha256:$(sha256sum <"$T/reader.tar" | cut -c1-64)" = "$1" ]
}
n=0
for d in $(lc list layers | cut -d' ' -f1); do
    n=$((n + 1))
    ok "layer $n: the same tar, with the right DiffID" same_tar "$d"
done

ok 'mount' mount_store
objects_equal() { # files of the mount, by their digest; 'check' above looked at all objects
    find "$1" -type f -size +0 -print0 | xargs -0 sha256sum | sed 's/^[\\]//' | cut -c1-64 | sort -u |
        awk 'NR % 251 == 1' >"$T/digests"
    [ -s "$T/digests" ] || return 1
    while read -r d; do
        [ "$(reader cat "$d" | sha256sum | cut -c1-64)" = "$d" ] || return 1
    done <"$T/digests"
}
ok 'content of small and large objects' objects_equal "$T/mnt/chains/sha256"
fails 3 'an object that is not there is not found' reader cat "$(printf 0%.0s $(seq 64))"

# A whiteout is a character device in the mount; a hardlink into a lower layer is not shown.
same_tree() { # reader's name for it, directory
    reader tree "$1" | sed -E 's/^([^ ]+) w /\1 c /' | grep -v '^[^ ]* h ' | sort >"$T/reader.tree" &&
        python3 "$lib/treeimage.py" "$2" | sort | diff - "$T/reader.tree"
}
for d in $(lc list layers | cut -d' ' -f1); do
    ok "the tree of layer ${d:7:12} is what the mount shows" \
        same_tree "$d" "$T/mnt/layers/sha256/${d#sha256:}"
done
for d in $(lc list chains | cut -d' ' -f1); do
    ok "the tree of chain ${d:7:12} is what the mount shows" \
        same_tree "$d" "$T/mnt/chains/sha256/${d#sha256:}"
done
ok 'unmount' unmount_store

# What is not committed is not there: bytes behind a pack's end, a torn journal record.
cp -a "$T/store" "$T/torn"
reader list >"$T/list"
for f in "$T"/torn/packs/*.pack; do printf 'LFRM unfinished import' >>"$f"; done
python3 -c 'import struct, sys
sys.path.insert(0, sys.argv[1])
import rawstore
seq = rawstore.read_journal(sys.argv[2]).generation
open(sys.argv[2], "ab").write(struct.pack("<IIQQ", 0x43524a4c, 500, seq + 1, 7) + b"x" * 76)
' "$lib" "$T/torn/journal"
ok 'a torn tail and an unfinished import are skipped' sh -c \
    "python3 '$lib/reader.py' '$T/torn' list | diff '$T/list' -"
ok 'by the program as well' sh -c \
    "'$BIN/layercache' --store '$T/torn' list layers >'$T/layers' && \
     '$BIN/layercache' list layers | diff - '$T/layers'"
sed -i 's/^read 1$/read 2/' "$T/torn/version"
fails 4 'the reader refuses a newer store' python3 "$lib/reader.py" "$T/torn" list
fails_saying 1 'newer layercache' 'so does the program' lc --store "$T/torn" list
sed -i 's/^read 2$/read 1/; s/^write 1$/write 2/' "$T/torn/version"
ok 'one with a newer write version can be read' lc --store "$T/torn" list
fails_saying 1 'newer layercache' 'but not written' lc --store "$T/torn" remove other:v2

# What repair leaves is described as well.
cp -a "$T/store" "$T/lost"
rm "$T/lost/journal"
"$BIN/layercache" --store "$T/lost" repair >"$T/out" 2>"$T/err"
python3 "$lib/reader.py" "$T/lost" list 2>"$T/err" | grep '^layer ' >"$T/found"
is 'with the journal lost the reader finds the layers that repair found' \
    "$(cut -d' ' -f2 "$T/found")" "$(lc list layers | cut -d' ' -f1)"
ok 'and they are whole' python3 "$lib/reader.py" "$T/lost" check
cp -a "$T/store" "$T/hurt"
pack=$(ls "$T"/hurt/packs/*.pack | head -1)
printf '\377\377\377\377' | dd of="$pack" bs=1 seek=100000 conv=notrunc status=none
fails 4 'the reader finds damage in a pack' python3 "$lib/reader.py" "$T/hurt" check
"$BIN/layercache" --store "$T/hurt" repair >"$T/out" 2>"$T/err"
python3 "$lib/reader.py" "$T/hurt" check >"$T/out" 2>"$T/err"
is 'after repair nothing is wrong but layers that miss content' \
    "$(grep -v ': misses content$' "$T/out" | grep -c ': ')" 1
done_testing
