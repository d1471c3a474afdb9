#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# eStargz that we write: read by its table alone, by tar, skopeo, podman's storage and umoci, and
# from Debian's docker-registry in parts; what changes with it, and what cannot be written so.
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/registry.sh"
need root docker-registry skopeo umoci jq ip python3 zstd
ip link set lo up

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy

# Two versions of a tree: all is written anew, five small files and a piece of a large one have
# other content. Every kind of entry, a whiteout, owners with and without names; with "more"
# also what only extended headers can say.
make_tar() { # file, version, more
    python3 - "$@" <<'P'
import io, random, sys, tarfile
version, more = int(sys.argv[2]), sys.argv[3] == "more"
fraction = 0.25 if more else 0
random.seed(1)
out = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def put(name, kind=tarfile.REGTYPE, data=b"", **more):
    m = tarfile.TarInfo(name)
    m.type, m.size, m.mtime = kind, len(data), 1700000000 + version + fraction
    m.mode, m.uname, m.gname = 0o644, "root", "root"
    for k, v in more.items():
        setattr(m, k, v)
    out.addfile(m, io.BytesIO(data))
put("lib/", tarfile.DIRTYPE, mode=0o755)
for i in range(300):
    data = random.randbytes(random.randrange(1, 20000))
    if version == 2 and i % 60 == 7:
        data = b"new " + data
    owner = [{}, {"uid": 5, "gid": 6, "uname": "games", "gname": "mail"},
            {"uid": 7, "uname": "", "gid": 3000000 if more else 8, "gname": ""}, {"mode": 0o4755}][i % 4]
    put("lib/f%d" % i, data=data, **owner)
put("lib/empty")
put("lib/link", tarfile.SYMTYPE, linkname="f1", mode=0o777)
put("lib/hard", tarfile.LNKTYPE, linkname="lib/f2")
put("lib/pipe", tarfile.FIFOTYPE)
put("lib/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
put("lib/.wh.gone")
big = bytearray(random.randbytes(2000000))
if version == 2:
    big[1000000:1000100] = b"y" * 100
put("lib/big", data=bytes(big))
put("lib/holes", data=bytes(700000))
put("lib/" + "d" * 60 + "/" + "e" * 60, data=b"in a prefix" * 30)
if more:
    put("lib/x", data=b"xattrs" * 50, pax_headers={"SCHILY.xattr.user.note": "hi"})
    put("lib/gr\u00fc\u00dfe", data=b"no ASCII" * 40)
    put("lib/" + "n" * 120, data=b"in a record" * 30)
put("lib/zz/", tarfile.DIRTYPE, mode=0o700)
P
}
make_tar "$T/1.tar" 1 -
make_tar "$T/2.tar" 2 -
make_tar "$T/3.tar" 1 more
for v in 1 2 3; do lc import -q "tar:$T/$v.tar" x:v$v >/dev/null; done
manifest() { skopeo inspect --raw "oci:$T/$1"; }
blob() { echo "$T/${1%:*}/blobs/sha256/$(manifest "$1" | jq -r '.layers[0].digest' | cut -d: -f2)"; }
note() { manifest "$1" | jq -r ".layers[0].annotations[\"$2\"]"; }
config() { skopeo inspect --config --raw "oci:$T/$1"; }
check() { "$lib/stargzcheck.py" "$(blob "$1")" "$(note "$1" containerd.io/snapshot/stargz/toc.digest)" "${@:2}"; }
id_of() { lc --store "$1" list | awk -v n="$2" '$1 ~ n {print $2}'; }

# ---- what is written ----

for v in 1 2 3; do
    "$BIN/layercache" export x:v$v "oci:$T/l:v$v" --compression estargz >"$T/line.$v" 2>"$T/said.$v"
    ok "version $v: its table is good, entries are what they were" check l:v$v "$T/$v.tar"
    read -r _ _ diffid size <"$T/out"
    is 'the DiffID is that of the tar in it' "$(config l:v$v | jq -c .rootfs.diff_ids)" "[\"$diffid\"]"
    is 'the manifest says its size' "$(note l:v$v io.containers.estargz.uncompressed-size)" "$size"
done
is 'with the landmark and a table that is all' "$(tar tzf "$(blob l:v1)" | tail -2 | tr '\n' ' ')" \
    '.no.prefetch.landmark stargz.index.json '
is 'it is a layer of gzip' "$(manifest l:v1 | jq -r '.layers[0].mediaType')" application/vnd.oci.image.layer.v1.tar+gzip
id=$(manifest l:v1 | jq -r .config.digest)
is 'the new image ID is printed' "$(cut -d' ' -f2 "$T/line.1")" "$id"
is 'and said, with the old one' "$(grep -c "image ID is another, $id: .* came as $(id_of "$T/store" x:v1)" "$T/said.1")" 1
for v in 1 3; do lc export -q x:v$v "oci:$T/plain:v$v" >/dev/null; done
is 'else the config is the same' "$(config l:v1 | jq -cS 'del(.rootfs)')" "$(config plain:v1 | jq -cS 'del(.rootfs)')"
is 'on one CPU it is the same' "$(taskset -c 0 "$BIN/layercache" export -q x:v1 "oci:$T/one:v1" --compression estargz)" "$(cat "$T/line.1")"
is 'JSON has the DiffID of the layer' "$(lc export -q x:v1 "oci:$T/one:j" --compression estargz --json | jq -c '[.[0].layers[0].diffid]')" \
    "$(config l:v1 | jq -c .rootfs.diff_ids)"
ok 'another level' lc export -q x:v1 "oci:$T/l9:v1" --compression estargz --level 9
ok 'is good, too' check l9:v1 "$T/1.tar"
[ "$(stat -c %s "$(blob l9:v1)")" -lt "$(stat -c %s "$(blob l:v1)")" ]
tap_report $? 'and smaller'

# ---- who reads it ----

ok 'skopeo' skopeo copy -q "oci:$T/l:v2" "dir:$T/dir"
ok "podman's storage" skopeo copy -q "oci:$T/l:v2" "containers-storage:[vfs@$T/graph+$T/run]x:v2"
is 'with the same image ID' "$(skopeo inspect --raw "containers-storage:[vfs@$T/graph+$T/run]x:v2" | jq -r .config.digest)" \
    "$(cut -d' ' -f2 "$T/line.2")"
ok 'umoci' umoci raw unpack --image "$T/l:v3" "$T/u1"
ok 'umoci: the layer as it was' umoci raw unpack --image "$T/plain:v3" "$T/u0"
is 'the trees differ in what was added' "$(cd "$T" && diff -rq --no-dereference u0 u1 | grep ^Only)" \
    "Only in u1: .no.prefetch.landmark
Only in u1: stargz.index.json"
ok 'it comes back' lc --store "$T/back" import -q --keep-blobs "oci:$T/l:v2" x:v2
is 'as the same image' "$(id_of "$T/back" x:v2)" "$(cut -d' ' -f2 "$T/line.2")"
ok 'what was kept goes out as it came' bash -c "'$BIN/layercache' --store $T/back export x:v2 oci:$T/kept:v2 --compression estargz 2>&1 | grep 'identical, kept at import'"
is 'with its manifest' "$(manifest kept:v2)" "$(manifest l:v2)"
lc --store "$T/back2" import -q "oci:$T/l:v2" x:v2 >/dev/null
ok 'what was not kept gets another table' lc --store "$T/back2" export -q x:v2 "oci:$T/again:v2" --compression estargz
ok 'in place of that which it had' check again:v2 "$T/2.tar"

# ---- a registry ----

registry_start 5000
R=127.0.0.1:5000
puts() { grep -ac '"PUT [^"]*/blobs/uploads/[^"]*" 201' "$T/reg.log"; }
ok 'push' lc push -q x:v1 $R/x:v1 --compression estargz
ok 'push of the other' lc push -q x:v2 $R/x:v2 --compression estargz
is 'of the same manifest' "$(cut -d' ' -f3 "$T/out")" "$(cut -d' ' -f3 "$T/line.2")"
before=$(puts)
ok 'the second time the layer is there' bash -c "'$BIN/layercache' push x:v2 $R/x:v2 --compression estargz 2>&1 | grep 'already there'"
ok 'also under a new name' bash -c "'$BIN/layercache' push x:v2 $R/x:new --compression estargz 2>&1 | grep 'already there'"
is 'nothing was sent' "$(puts)" "$before"

# Headers as a table tells them (ours, all in ustar), as Python writes them, of GNU tar, and with
# times in fractions of seconds: these are asked for.
in_parts() { # name, part of the layer that may be sent
    local id bytes size
    rm -rf "$T/p"
    lc push -q "$1:v1" "$R/$1:v1" --compression estargz >/dev/null || return
    id=$(lc push -q "$1:v2" "$R/$1:v2" --compression estargz | cut -d' ' -f2)
    lc --store "$T/p" pull -q "$R/$1:v1" >/dev/null || return
    : >"$T/reg.log"
    "$BIN/layercache" --store "$T/p" pull "$R/$1:v2" >/dev/null 2>"$T/said" || return
    grep -E 'layer 1 of 1: [0-9.]+ KiB of [0-9.]+ MiB read' "$T/said" || { cat "$T/said"; return 1; }
    [ "$(id_of "$T/p" "$1:v2")" = "$id" ] || { echo 'another image'; return 1; }
    bytes=$(registry_sent) size=$(skopeo inspect --raw --tls-verify=false "docker://$R/$1:v2" | jq '.layers[0].size')
    echo "$bytes of $size bytes"
    [ $((bytes * $2)) -lt "$size" ] && [ "$bytes" -gt 20000 ] && lc --store "$T/p" verify
}
for v in 1 2; do
    mkdir "$T/tree$v"
    tar -xf "$T/$v.tar" -C "$T/tree$v" --exclude '.wh.*'
    rm -r "$T/tree$v/lib/$(printf 'd%.0s' {1..60})"
    lc snapshot -q "$T/tree$v" --epoch 1700000000 --name told:v$v >/dev/null
    tar -cf "$T/gnu$v.tar" -C "$T/tree$v" --format=gnu --sort=name lib
    lc import -q "tar:$T/gnu$v.tar" gnu:v$v >/dev/null
    make_tar "$T/more$v.tar" $v more
    lc import -q "tar:$T/more$v.tar" more:v$v >/dev/null
done
ok 'of another version, most of which is there, parts are read' in_parts told 10
ok 'with headers of another writer' in_parts x 10
ok 'of GNU tar' in_parts gnu 10
ok 'with extended headers of all files' in_parts more 8
ok 'push of zstd:chunked' lc push -q x:v2 $R/z:v2 --compression zstd:chunked
before=$(puts)
ok 'under a new name the layer is there' bash -c "'$BIN/layercache' push x:v2 $R/z:new --compression zstd:chunked 2>&1 | grep 'already there'"
is 'and nothing was sent' "$(puts)" "$before"
is 'it has its table' "$(skopeo inspect --raw --tls-verify=false docker://$R/z:new | jq -c .layers)" \
    "$(skopeo inspect --raw --tls-verify=false docker://$R/z:v2 | jq -c .layers)"

# ---- what cannot be written so ----

python3 - "$T" <<'P'
import io, sys, tarfile
def make(name, entries):
    with tarfile.open(sys.argv[1] + "/" + name, "w", format=tarfile.GNU_FORMAT) as t:
        for path, kind, data, link in entries:
            i = tarfile.TarInfo(path)
            i.type, i.size, i.linkname = kind, len(data), link
            t.addfile(i, io.BytesIO(data))
make("twice.tar", [("a", tarfile.REGTYPE, b"one", ""), ("a", tarfile.REGTYPE, b"two", "")])
make("bytes.tar", [("\udcff", tarfile.REGTYPE, b"one", ""), ("b", tarfile.REGTYPE, b"two", "")])
make("index.tar", [("stargz.index.json", tarfile.REGTYPE, b"{}", ""), ("b", tarfile.REGTYPE, b"two", "")])
P
for n in twice bytes index; do lc import -q "tar:$T/$n.tar" $n:v1 >/dev/null; done
plain() { # name, what it says
    "$BIN/layercache" export "$1:v1" "oci:$T/$1:v1" --compression estargz 2>&1 | grep "plain gzip: .* $2" || return
    zcat "$(blob "$1:v1")" | cmp - "$T/$1.tar"
}
ok 'two entries of one name: plain gzip of the very tar' plain twice 'two entries of one name'
is 'without annotations' "$(manifest twice:v1 | jq '.layers[0].annotations')" null
is 'with the same image ID' "$(manifest twice:v1 | jq -r .config.digest)" "$(id_of "$T/store" twice)"
ok 'a name that is no UTF-8: the same' plain bytes 'a name that is no UTF-8'
fails_saying 1 'an entry follows' 'a table that is not the last entry' lc export -q index:v1 "oci:$T/index:v1" --compression estargz
ok 'nothing is left of it' [ ! -e "$T/index" ]
fails_saying 2 'needs a manifest' 'not for tar:' lc export -q x:v1 "tar:$T/no" --compression estargz
fails_saying 2 'are not compressed' 'nor for docker-archive:' lc export -q x:v1 "docker-archive:$T/no" --compression estargz
fails_saying 2 'such a level' 'there is no level 13' lc export -q x:v1 "oci:$T/no" --compression estargz --level 13
ok 'the store is sound after all' lc verify

# ---- build caches ----

mkdir "$T/fixtures"
zstd -dcq "$here/tests/fixtures/buildkit.tar.zst" | tar -x -C "$T/fixtures"
lc cache import -q "oci:$T/fixtures/cache-docker26-max" d26 >/dev/null
results() { lc --store "$1" cache show "$2" --json | jq -c '[.records[]|[.digest,.result.chain]]|sort'; }
ok 'a cache in zstd:chunked' lc cache export -q d26 "$T/c" --to local --compression zstd:chunked
manifest c:latest >"$T/c.json"
is 'all its layers are of zstd' "$(jq -r '.layers[].mediaType' "$T/c.json" | sort -u)" application/vnd.oci.image.layer.v1.tar+zstd
layers=$(jq '.layers|length' "$T/c.json")
is 'with tables and what BuildKit wants to know' "$(jq '[.layers[].annotations|select(.["io.github.containers.zstd-chunked.manifest-checksum"] and .["containerd.io/uncompressed"])]|length' "$T/c.json")" "$layers"
wrong=$(jq -r '.layers[]|[(.digest|ltrimstr("sha256:")),.annotations["containerd.io/uncompressed"]]|@tsv' "$T/c.json" |
    while read -r d diffid; do
        [ "sha256:$(zstd -dc "$T/c/blobs/sha256/$d" | sha256sum | cut -d' ' -f1)" = "$diffid" ] || echo "$d"
    done)
is 'which is right' "$wrong" ''
ok 'another store takes it' lc --store "$T/cs" cache import -q "oci:$T/c:latest" d26
is 'with all its results' "$(results "$T/cs" d26)" "$(results "$T/store" d26)"
ok 'to a registry' lc cache export -q d26 $R/cache:d26 --to registry --compression zstd:chunked
before=$(puts)
ok 'again' lc cache export -q d26 $R/cache:d26 --to registry --compression zstd:chunked
is 'nothing is sent' "$(puts)" "$before"
is 'of the same manifest' "$(skopeo inspect --raw --tls-verify=false docker://$R/cache:d26 | sha256sum)" "$(sha256sum <"$T/c.json")"
fails_saying 2 'estargz changes' 'not in estargz' lc cache export -q d26 "$T/no" --to local --compression estargz
done_testing
