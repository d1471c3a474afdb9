#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# zstd:chunked: layers that go out so are read by skopeo, and of those that come only the new
# parts are fetched; from Debian's docker-registry, and from one that gives parts badly or not.
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/registry.sh"
need root docker-registry skopeo jq ip python3 zstd
ip link set lo up

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy

# Two versions of a tree: all is written anew, five small files and a piece of a large one
# have other content.
make_tree() { # directory, version
    python3 - "$@" <<'P'
import os, random, sys
top, version = sys.argv[1], int(sys.argv[2])
os.makedirs(top + "/lib/deep")
random.seed(1)
def put(name, data):
    with open(os.path.join(top, name), "wb") as f:
        f.write(data)
for i in range(300):
    data = random.randbytes(random.randrange(1, 20000))
    if version == 2 and i % 60 == 7:
        data = b"new " + data
    put("lib/f%d" % i, data)
big = bytearray(random.randbytes(2000000))
if version == 2:
    big[1000000:1000100] = b"y" * 100
put("lib/big", bytes(big))
put("lib/deep/empty", b"")
os.symlink("f1", top + "/lib/link")
os.link(top + "/lib/f2", top + "/lib/hard")
os.setxattr(top + "/lib/f3", "user.note", b"\0\xffhi")
for d, _, names in os.walk(top):
    for n in names + [""]:
        os.utime(os.path.join(d, n), (0, 1700000000 + version), follow_symlinks=False)
P
}
make_tree "$T/1" 1
make_tree "$T/2" 2
ok 'snapshots' lc snapshot -q "$T/1" --name x:v1
ok 'snapshots of both' lc snapshot -q "$T/2" --name x:v2
id_of() { lc list | awk -v n="$1" '$1 == n {print $2, $3}'; }
diffid() { skopeo inspect --config "$1" | jq -r '.rootfs.diff_ids[0]'; }

# ---- what goes out ----

ok 'export as zstd:chunked' lc export -q x:v1 "oci:$T/l:v1" --compression zstd:chunked
ok 'and the other version' lc export -q x:v2 "oci:$T/l:v2" --compression zstd:chunked
ok 'the same with one CPU' taskset -c 0 "$BIN/layercache" export -q x:v2 "oci:$T/one:v2" --compression zstd:chunked
is 'is the very same' "$(skopeo inspect --raw "oci:$T/one:v2")" "$(skopeo inspect --raw "oci:$T/l:v2")"
layer=$(skopeo inspect --raw "oci:$T/l:v2" | jq -r '.layers[0].digest' | cut -d: -f2)
lc export -q x:v2 "tar:$T/v2.tar"
is 'zstd gives the very tar' "$(zstd -dc "$T/l/blobs/sha256/$layer" | sha256sum)" "$(sha256sum <"$T/v2.tar")"
is 'the type is that of zstd' "$(skopeo inspect --raw "oci:$T/l:v2" | jq -r '.layers[0].mediaType')" \
    application/vnd.oci.image.layer.v1.tar+zstd
position() { skopeo inspect --raw "oci:$T/l:v2" | jq -r ".layers[0].annotations[\"io.github.containers.zstd-chunked.$1\"]"; }
cut_out() { # annotation
    local at len
    IFS=: read -r at len _ <<<"$(position "$1")"
    tail -c +$((at + 1)) "$T/l/blobs/sha256/$layer" | head -c "$len"
}
is 'the table has the digest that the manifest says' "sha256:$(cut_out manifest-position | sha256sum | cut -d' ' -f1)" \
    "$(position manifest-checksum)"
cut_out manifest-position | zstd -dc >"$T/toc"
is 'and that of tar-split in it' "sha256:$(cut_out tarsplit-position | sha256sum | cut -d' ' -f1)" "$(jq -r .tarSplitDigest "$T/toc")"
is 'it has every entry' "$(jq -r '.entries[] | select(.type != "chunk") | .name' "$T/toc" | sort)" "$(tar tf "$T/v2.tar" | sort)"
is 'with the digest of its content' "$(jq -r '.entries[] | select(.name == "lib/f7") | .digest' "$T/toc")" \
    "sha256:$(sha256sum <"$T/2/lib/f7" | cut -d' ' -f1)"
is 'xattrs are in it' "$(jq -r '.entries[] | select(.name == "lib/f3") | .xattrs["user.note"]' "$T/toc")" "AP9oaQ=="
ok 'skopeo reads it' skopeo copy -q "oci:$T/l:v2" "dir:$T/dir"
ok "podman's storage takes it" skopeo copy -q "oci:$T/l:v2" "containers-storage:[vfs@$T/graph+$T/run]x:v2"
is 'with the same image ID' "$(skopeo inspect --raw "containers-storage:[vfs@$T/graph+$T/run]x:v2" | jq -r .config.digest)" \
    "$(id_of docker.io/library/x:v2 | cut -d' ' -f1)"
is 'and DiffID' "$(diffid "oci:$T/l:v2")" "sha256:$(sha256sum <"$T/v2.tar" | cut -d' ' -f1)"
ok 'it comes back' lc --store "$T/back" import -q "oci:$T/l:v2" x:v2
is 'as the same image' "$(lc --store "$T/back" list | cut -d' ' -f2-)" "$(id_of docker.io/library/x:v2)"
ok 'kept blobs go out with their table' bash -c "'$BIN/layercache' --store $T/kept import -q --keep-blobs oci:$T/l:v2 x:v2 &&
    '$BIN/layercache' --store $T/kept export x:v2 oci:$T/kept.out:v2 --compression zstd:chunked 2>&1 | grep 'identical, kept at import'"
fails_saying 2 'needs a manifest' 'not for tar:' lc export -q x:v1 "tar:$T/no" --compression zstd:chunked
python3 - "$T/twice.tar" <<'P'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as t:
    for data in b"one", b"two":
        i = tarfile.TarInfo("a"); i.size = 3; t.addfile(i, io.BytesIO(data))
P
lc import -q "tar:$T/twice.tar" twice:v1 >/dev/null
ok 'two entries of one name: plain zstd, and it says so' bash -c \
    "'$BIN/layercache' export twice:v1 oci:$T/twice:v1 --compression zstd:chunked 2>&1 | grep 'plain zstd: .* two entries of one name'"
is 'without annotations' "$(skopeo inspect --raw "oci:$T/twice:v1" | jq '.layers[0].annotations')" null

# ---- Debian's registry ----

registry_start 5000
R=127.0.0.1:5000
ok 'push' lc push -q x:v1 $R/x:v1 --compression zstd:chunked
ok 'push of the other' lc push -q x:v2 $R/x:v2 --compression zstd:chunked
ok 'the second time nothing is sent' bash -c "'$BIN/layercache' push x:v2 $R/x:v2 --compression zstd:chunked 2>&1 | grep 'already there'"
size=$(skopeo inspect --tls-verify=false --raw docker://$R/x:v2 | jq '.layers[0].size')
ok 'pull of a new image' lc --store "$T/p" pull -q $R/x:v1
truncate -s 0 "$T/reg.log"
cp -a "$T/p" "$T/base"
ok 'of the other, most of which is there, parts are read' bash -c \
    "'$BIN/layercache' --store $T/p pull $R/x:v2 2>&1 | grep -E 'layer 1 of 1: [0-9.]+ KiB of [0-9.]+ MiB read'"
is 'it is the same image' "$(lc --store "$T/p" list | awk '/x:v2/ {print $2, $3}')" "$(id_of docker.io/library/x:v2)"
bytes=$(registry_sent)
ok "a tenth was sent: $bytes of $size bytes" [ $((bytes * 10)) -lt "$size" ]
ok 'not nothing either' [ "$bytes" -gt 20000 ]
ok 'the store is sound' lc --store "$T/p" verify
lc --store "$T/p" export -q "$R/x:v2" "tar:$T/p.tar"
ok 'and gives the very tar' cmp "$T/p.tar" "$T/v2.tar"
ok 'the blob, which nobody has seen whole, can be made again' lc --store "$T/p" export -q $R/x:v2 "oci:$T/p.out:v2" --compression zstd:chunked
is 'and is the same' "$(skopeo inspect --raw "oci:$T/p.out:v2" | jq -r '.layers[0].digest' | cut -d: -f2)" "$layer"
truncate -s 0 "$T/reg.log"
ok 'a pull of what is there' lc --store "$T/p" pull -q $R/x:v2
ok 'fetches no layer' [ "$(registry_sent)" -lt 10000 ]
ok 'with --keep-blobs the whole blob comes' lc --store "$T/p" pull -q --keep-blobs $R/x:v2
ok 'all of it' [ "$(registry_sent)" -ge "$size" ]
rm -rf "$T/s"
cp -a "$T/base" "$T/s"
lc --store "$T/s" pull -q $R/x:v2 parts:v2 >/dev/null
"$BIN/layercache" --store "$T/s" serve -q 127.0.0.1:5009 >/dev/null 2>&1 &
served=$!
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/5009") 2>/dev/null && break; sleep 0.05; done
ok 'serve gives out what was pulled in parts' skopeo copy -q --src-tls-verify=false docker://127.0.0.1:5009/parts:v2 "dir:$T/served"
is 'as a plain tar, without the annotations' "$(jq -c '.layers[0] | [.digest, .annotations]' "$T/served/manifest.json")" \
    "[\"sha256:$(sha256sum <"$T/v2.tar" | cut -d' ' -f1)\",null]"
kill "$served"
wait "$served" 2>/dev/null
lc publish -q "$T/share" >/dev/null
truncate -s 0 "$T/reg.log"
lc remove -q x:v2 >/dev/null
ok 'an alternate counts as the store' lc --store "$T/alt" --alternate "$T/share" pull -q $R/x:v1
ok 'it has the layer: none is fetched' [ "$(registry_sent)" -lt 10000 ]
lc --store "$T/base" publish -q "$T/share1" >/dev/null
truncate -s 0 "$T/reg.log"
ok 'with an alternate that has v1, parts of v2 are read' lc --store "$T/alt2" --alternate "$T/share1" pull $R/x:v2
is 'as it says' "$(grep -cE 'layer 1 of 1: [0-9.]+ KiB of [0-9.]+ MiB read' "$T/err")" 1
ok 'no more than with v1 in the store' [ "$(registry_sent)" -le "$((bytes + 2000))" ]
is 'it is the same image' "$(lc --store "$T/alt2" list | cut -d' ' -f2-)" "$(lc --store "$T/back" list | cut -d' ' -f2-)"
lc --store "$T/alt2" export -q "$R/x:v2" "tar:$T/alt2.tar"
ok 'and the very tar' cmp "$T/alt2.tar" "$T/v2.tar"
ok 'all is sound' lc --store "$T/alt2" verify

# ---- registries that give no parts, or bad ones ----

python3 "$lib/stubregistry.py" "$T/l" "$T/log" "$T/ports" 2>"$T/stub.err" &
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
want=$(lc --store "$T/back" list | cut -d' ' -f2-)
in_parts() { # behaviour, what it says
    rm -rf "$T/s"
    cp -a "$T/base" "$T/s"
    lc --store "$T/s" pull --creds ci:s3cret "127.0.0.1:$port/$1/app:v2" >"$T/line" 2>"$T/said" || { cat "$T/said"; return 1; }
    grep -E "$2" "$T/said" || { cat "$T/said"; return 1; }
    [ "$(cut -d' ' -f2- "$T/line")" = "$want" ] && lc --store "$T/s" verify >/dev/null
}
ok 'parts' in_parts plain 'KiB of .* read, the rest is known'
ok 'parts that are elsewhere' in_parts away 'KiB of .* read, the rest is known'
ok 'parts with a token' in_parts token 'KiB of .* read, the rest is known'
ok 'ranges are ignored' in_parts norange 'read as a whole: .*does not give parts'
ok 'ranges are refused' in_parts refuse 'read as a whole: .*416'
ok 'another part than was asked for' in_parts wrongrange 'read as a whole: .*another part'
ok 'a damaged table' in_parts badtable 'read as a whole: .*another digest'
ok 'a damaged chunk' in_parts badchunk "read as a whole: .*is not what the table says"
done_testing
