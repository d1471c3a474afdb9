#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# eStargz: of layers that other tools made only the new parts are fetched; from Debian's
# docker-registry, and from one that gives parts badly or not. The tar is the very same.
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/registry.sh"
need root docker-registry skopeo jq ip python3
ip link set lo up

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy

# Two versions of a tree: all is written anew, some files have other content. Every kind of entry and of name, several owners with and without a name.
make_tar() { # file, version
    python3 - "$@" <<'P'
import io, random, sys, tarfile
version = int(sys.argv[2])
random.seed(1)
out = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def put(name, kind=tarfile.REGTYPE, data=b"", **more):
    m = tarfile.TarInfo(name)
    m.type, m.size, m.mtime = kind, len(data), 1700000000 + version
    m.mode, m.uname, m.gname = 0o644, "root", "root"
    for k, v in more.items():
        setattr(m, k, v)
    out.addfile(m, io.BytesIO(data))
put("lib", tarfile.DIRTYPE, mode=0o755)
for i in range(300):
    data = random.randbytes(random.randrange(1, 20000))
    if version == 2 and i % 60 == 7:
        data = b"new " + data
    more = [{}, {"uid": 5, "gid": 6, "uname": "games", "gname": "mail"},
            {"uid": 7, "uname": "", "gid": 3000000, "gname": ""},
            {"mode": 0o4755, "mtime": 0}][i % 4]
    put("lib/f%d" % i, data=data, **more)
put("lib/empty")
put("lib/link", tarfile.SYMTYPE, linkname="f1", mode=0o777)
put("lib/hard", tarfile.LNKTYPE, linkname="lib/f2")
put("lib/pipe", tarfile.FIFOTYPE)
put("lib/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
big = bytearray(random.randbytes(3000000))
put("lib/big", data=bytes(big))
put("lib/x", data=b"xattrs" * 50, pax_headers={"SCHILY.xattr.user.note": "hi", "SCHILY.xattr.user.a": "1"})
put("lib/gr\u00fc\u00dfe", data=b"no ASCII" * 40)
long = "d" * 60 + "/" + "e" * 60
put("lib/" + long, data=b"in a prefix" * 30)
put("lib/" + "n" * 120, data=b"in a record" * 30)
put("lib/" + "m" * 120, tarfile.DIRTYPE, mode=0o755)
put("lib/far", tarfile.SYMTYPE, linkname="lib/" + long, mode=0o777)
put("lib/last", data=random.randbytes(3000))
put("lib/zz", tarfile.DIRTYPE, mode=0o700)
P
}
for v in 1 2; do
    make_tar "$T/$v.tar" $v
    ok "version $v" lc --store "$T/made" import -q "tar:$T/$v.tar" x:v$v
    lc --store "$T/made" export -q x:v$v "oci:$T/plain:v$v"
done
mk() { # directory, options
    "$lib/mkestargz.py" "$T/${from:-plain}" "$T/$1" "${@:2}"
}
layer_of() { skopeo inspect --raw "oci:$T/$1:v2" | jq -r '.layers[0].digest' | cut -d: -f2; }
size_of() { skopeo inspect --raw "oci:$T/$1:v2" | jq '.layers[0].size'; }
ids() { lc --store "$1" list | awk -v n="$2" '$1 ~ n {print $2, $3}'; }

# ---- Debian's registry ----

registry_start 5000
R=127.0.0.1:5000
put_there() { # name
    for v in 1 2; do
        skopeo copy -q --dest-tls-verify=false "oci:$T/$1:v$v" "docker://$R/$1:v$v" || return
    done
}
# Pulls v1, then v2, and compares with an import of the whole.
in_parts() { # name, what it says
    put_there "$1" || return
    lc --store "$T/s.$1" pull -q "$R/$1:v1" >/dev/null || return
    : >"$T/reg.log"
    "$BIN/layercache" --store "$T/s.$1" pull "$R/$1:v2" >"$T/line" 2>"$T/said" || { cat "$T/said"; return 1; }
    grep -E "$2" "$T/said" || { cat "$T/said"; return 1; }
    lc --store "$T/w.$1" import -q "oci:$T/$1:v2" x:v2 >/dev/null || return
    [ "$(ids "$T/s.$1" v2)" = "$(ids "$T/w.$1" v2)" ] || { echo 'another image'; return 1; }
    lc --store "$T/s.$1" verify >/dev/null || return
    lc --store "$T/s.$1" export -q "$R/$1:v2" "tar:$T/s.tar" || return
    gzip -dc "$T/$1/blobs/sha256/$(layer_of "$1")" | cmp - "$T/s.tar"
}
parts='KiB of .* read, the rest is known'
whole='read as a whole: '
few() { # name: a fourth at most
    local bytes
    bytes=$(registry_sent)
    echo "$bytes of $(size_of "$1") bytes"
    [ $((bytes * 4)) -lt "$(size_of "$1")" ] && [ "$bytes" -gt 10000 ]
}
mk e chunk=262144
ok 'parts are read of a layer that is mostly known' in_parts e "$parts"
ok 'few bytes were sent' few e
bytes=$(registry_sent)

# What only an alternate has counts as what is here.
lc --store "$T/pub" pull -q "$R/e:v1" >/dev/null
ok 'v1 is published' lc --store "$T/pub" publish "$T/share"
: >"$T/reg.log"
ok 'an empty store with that alternate' lc --store "$T/alt" --alternate "$T/share" pull "$R/e:v2"
is 'reads parts' "$(grep -cE "$parts" "$T/err")" 1
ok 'and no more than with v1 here' [ "$(registry_sent)" -le "$((bytes + 2000))" ]
ok 'it is the same image' [ "$(ids "$T/alt" v2)" = "$(ids "$T/w.e" v2)" ]
is 'its own content is what was sent' "$(($(du -s "$T/alt/packs" | cut -f1) < $(du -s "$T/pub/packs" | cut -f1) / 2))" 1
lc --store "$T/alt" export -q "$R/e:v2" "tar:$T/alt.tar"
gzip -dc "$T/e/blobs/sha256/$(layer_of e)" >"$T/e.tar"
ok 'and the very tar' cmp "$T/alt.tar" "$T/e.tar"
ok 'all is sound' lc --store "$T/alt" verify
mk g chunk=262144 gnu
ok 'entries of GNU tar' in_parts g "$parts"
ok 'few bytes were sent of them' few g
mk p chunk=262144 pack=20000 prefetch=9
ok 'files that share a member, and a landmark in the middle' in_parts p "$parts"
from=e mk l chunk=262144 lossless
ok 'headers and the end of the input tar as they were' in_parts l "$parts"
mk o chunk=262144 old
ok 'the footer of stargz' in_parts o "$parts"
mk r chunk=262144 records
ok 'headers that the table does not tell: whole, and no worse' in_parts r "$whole.*its headers are not what"
mk w chunk=262144 wrong
ok 'another digest in the manifest' in_parts w "$whole.*another digest"
ok 'of an empty store all is read' bash -c \
    "'$BIN/layercache' --store $T/s.new pull $R/e:v2 2>&1 | grep -E '$whole.*most of it is new'"
is 'it is the same image' "$(ids "$T/s.new" v2)" "$(ids "$T/w.e" v2)"
: >"$T/reg.log"
ok 'with --keep-blobs the whole blob comes' lc --store "$T/s.e" pull -q --keep-blobs "$R/e:v2"
ok 'all of it' [ "$(registry_sent)" -ge "$(size_of e)" ]

# ---- registries that give no parts, or bad ones ----

python3 "$lib/stubregistry.py" "$T/e" "$T/log" "$T/ports" 2>"$T/stub.err" &
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
lc --store "$T/base" pull -q "$R/e:v1" >/dev/null
badly() { # behaviour, what it says
    rm -rf "$T/b"
    cp -a "$T/base" "$T/b"
    lc --store "$T/b" pull --creds ci:s3cret "127.0.0.1:$port/$1/app:v2" >"$T/line" 2>"$T/said" || { cat "$T/said"; return 1; }
    grep -E "$2" "$T/said" || { cat "$T/said"; return 1; }
    [ "$(ids "$T/b" v2)" = "$(ids "$T/w.e" v2)" ] && lc --store "$T/b" verify >/dev/null
}
ok 'parts that are elsewhere, with a token' badly away "$parts"
ok 'ranges are ignored' badly norange "$whole.*does not give parts"
ok 'ranges are refused' badly refuse "$whole.*416"
ok 'another part than was asked for' badly wrongrange "$whole.*another part"
ok 'a damaged table' badly badend "$whole"
ok 'a damaged chunk' badly badpart "$whole"
ok 'a damaged footer' badly nofooter "$whole.*no footer of eStargz"

done_testing
