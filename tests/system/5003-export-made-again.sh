#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A compressed layer whose encoder is recognised goes out bit for bit without having been kept;
# what only looks so is found out, and noted.
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq pigz gzip zstd

# An image of one layer, the tar $T/l.tar, compressed as $T/blob has it.
image() { python3 "$lib/mkimage.py" blob "$T/img.$1" x "$T/l.tar" "$T/blob"; }
# What the journal says of the blob: state and maker.
noted() { python3 "$lib/reader.py" "$LAYERCACHE_STORE" list | awk -v d="$1" '$1 == "encoding" && $2 == d {print $3, $4}'; }
mkdir "$T/tree"
cp -r "$here/store" "$T/tree/"
head -c 300000 /dev/urandom >"$T/tree/noise"
head -c 5000000 /dev/zero >"$T/tree/zeros"
cat "$here"/store/*.c "$here"/store/*.c "$here"/store/*.c >"$T/tree/thrice"
tar -C "$T/tree" --sort=name --mtime=@1700000000 -cf "$T/l.tar" .

# ---- encoders that this machine has ----

python() { python3 -c 'import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(), int(sys.argv[1])))' "$1" <"$T/l.tar"; }
one() { # title tag command...
    local title=$1 tag=$2 digest
    shift 2
    rm -rf "$T/store"
    "$@" >"$T/blob" && image "$tag"
    digest=sha256:$(sha256sum <"$T/blob" | cut -c1-64)
    ok "a layer by $title comes in" lc import "oci:$T/img.$tag" "$tag:x"
    is 'its encoder is guessed' "$(noted "$digest" | cut -d' ' -f1)" 1
    ok 'it goes out' lc export "$tag:x" "oci:$T/out.$tag:x"
    is 'made again' "$(grep -c 'identical, made again by' "$T/err")" 1
    ok 'bit for bit' cmp "$T/blob" "$T/out.$tag/blobs/sha256/${digest#sha256:}"
    is 'with the manifest that came' "$(jq -r '.manifests[0].digest' "$T/out.$tag/index.json")" \
        "$(jq -r '.manifests[0].digest' "$T/img.$tag/index.json")"
    is 'which is noted' "$(noted "$digest" | cut -d' ' -f1)" 3
}
one 'pigz' pigz pigz -c "$T/l.tar"
one 'pigz -9 without name' pigz9 pigz -9nc "$T/l.tar"
one 'pigz -1' pigz1 pigz -1c "$T/l.tar"
one 'pigz --independent' pigzi pigz -ic "$T/l.tar"
one "Python's gzip" py9 python 9
one "Python's gzip at level 1" py1 python 1
one "Python's gzip at level 6" py6 python 6

# ---- what a guess is worth ----

blob=sha256:$(sha256sum <"$T/blob" | cut -c1-64)
ok 'verify' lc verify
rm -rf "$T/store/catalog"
ok 'a new catalog' lc list
is 'knows it still' "$(noted "$blob")" '3 1'
ok 'gc' lc gc
is 'keeps what is named' "$(noted "$blob")" '3 1'
ok 'another compression' lc export py6:x "oci:$T/level:x" --compression gzip --level 6
is 'is anew' "$(grep -c 'compressed anew' "$T/err")" 1
ok 'remove' lc remove py6:x
ok 'gc again' lc gc --keep-days 0
is 'takes it with its blob' "$(noted "$blob")" ''
ok 'verify the rest' lc verify

# The start is pigz's, the end is not.
rm -rf "$T/store"
head -c 9000000 "$T/l.tar" | pigz -nc >"$T/blob"
tail -c +9000001 "$T/l.tar" | gzip -nc >>"$T/blob"
image two
blob=sha256:$(sha256sum <"$T/blob" | cut -c1-64)
ok 'two members come in' lc import "oci:$T/img.two" two:x
is 'guessed' "$(noted "$blob")" '1 2'
ok 'go out' lc export two:x "oci:$T/out.two:x"
is 'another way' "$(grep -c 'compressed anew, it came as' "$T/err")" 1
is 'that it was wrong is noted' "$(noted "$blob" | cut -d' ' -f1)" 2
ok 'what went out comes in' lc --store "$T/s2" import "oci:$T/out.two" two:x
ok 'twice out' lc export two:x "oci:$T/out.two2:x"
is 'is not tried again' "$(grep -c 'compressed anew, it came as' "$T/err")" 1
ok 'verify knows both' lc verify
ok 'import, matching blobs' lc import --match-blobs "oci:$T/img.two" two:x
ok 'out' lc export two:x "oci:$T/out.two3:x"
is 'it was kept' "$(grep -c 'identical, kept at import' "$T/err")" 1
ok 'bit for bit' cmp "$T/blob" "$T/out.two3/blobs/sha256/${blob#sha256:}"

rm -rf "$T/store"
pigz -c "$T/l.tar" >"$T/blob" && image pm
size=$(stat -c %s "$T/blob")
blob=sha256:$(sha256sum <"$T/blob" | cut -c1-64)
ok 'matching blobs in a new store' lc import --match-blobs "oci:$T/img.pm" pm:x
is 'proves what it can' "$(noted "$blob")" '3 2'
[ "$(du -sb "$T/store/packs" | cut -f1)" -lt $((size + size / 2)) ]
tap_report $? 'and keeps it only once'
chmod -R a-w "$T/store"
ok 'a store that cannot be written' lc export pm:x "oci:$T/out.pm:x"
chmod -R u+w "$T/store"

# GNU gzip's own deflate is not known here.
rm -rf "$T/store"
gzip -nc "$T/l.tar" >"$T/blob" && image gnu
ok 'a layer by GNU gzip, matched' lc import --match-blobs "oci:$T/img.gnu" gnu:x
ok 'goes out' lc export gnu:x "oci:$T/out.gnu:x"
is 'as it was kept' "$(grep -c 'identical, kept at import' "$T/err")" 1

# ---- what other tools made ----

f=$T/fixtures
mkdir -p "$f"
zstd -dcq "$here/tests/fixtures/images.tar.zst" | tar -x -C "$f"
rm -rf "$T/store"
for n in podman-save-4.3-oci-archive.tar inline-cache-docker20.10-oci inline-generation2-docker20.10-oci \
    buildkit-oci-archive.tar buildkit-inline-image; do
    case $n in *.tar) from=oci-archive ;; *) from=oci ;; esac
    rm -rf "$T/store"
    ok "$n comes in" lc import "$from:$f/$n" "fix/$n:v1"
    ok 'goes out' lc export "fix/$n:v1" "oci:$T/$n.out:x"
    is 'with all layers identical' "$(grep -c 'layer .*: identical, made again by ' "$T/err")" \
        "$(lc show --json "fix/$n:v1" | jq .layer_count)"
    ok 'and out once more' lc export "fix/$n:v1" "dir:$T/$n.dir"
    is 'with the manifest that came' "sha256:$(sha256sum <"$T/$n.dir/manifest.json" | cut -c1-64)" \
        "$(lc show --json "fix/$n:v1" | jq -r .manifest)"
done

# A layer that the store has comes by another encoder.
tar -C "$T/tree" --sort=name --mtime=@1700000000 -cf "$T/l.tar" zeros thrice
rm -rf "$T/store"
pigz -c "$T/l.tar" >"$T/blob" && image pigz2
python 6 >"$T/blob" && image py2
ok 'a layer comes in' lc import "oci:$T/img.pigz2" pigz:x
ok 'and again' lc import "oci:$T/img.py2" py:x
ok 'out' lc export py:x "oci:$T/py2:x"
is 'its second form is not known' "$(grep -c 'compressed anew, it came as' "$T/err")" 1
ok 'matched' lc import --match-blobs "oci:$T/img.py2" py:x
ok 'out again' lc export py:x "oci:$T/py3:x"
is 'it is' "$(grep -c 'identical, made again by zlib -6' "$T/err")" 1
ok 'bit for bit' cmp "$T/blob" "$T/py3/blobs/sha256/$(sha256sum <"$T/blob" | cut -c1-64)"
ok 'verify at the end' lc verify
done_testing
