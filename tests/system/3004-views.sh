#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How layers/ shows what overlayfs needs, what the options of a mount change, and that
# nothing of a tar becomes an instruction.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 getfattr

python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img:v1" >/dev/null
python3 - "$T/evil.tar" <<'P'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as t:
    def add(name, kind, data=b"", **xattrs):
        i = tarfile.TarInfo(name)
        i.type, i.size, i.mode = kind, len(data), 0o755
        i.pax_headers = {"SCHILY.xattr." + k.replace("__", "."): v for k, v in xattrs.items()}
        t.addfile(i, io.BytesIO(data))
    add("d", tarfile.DIRTYPE, trusted__overlay__opaque="y", user__overlay__opaque="y")
    add("d/f", tarfile.REGTYPE, b"shown\n", trusted__overlay__redirect="/etc/shadow",
        user__plain="1")
    add("zero", tarfile.CHRTYPE)
P
lc import "tar:$T/evil.tar" evil:1 >/dev/null
ok 'mount' mount_store
m=$T/mnt
layers=$m/layers/sha256
opaque=$(dirname "$(ls -d "$layers"/*/o/upper)")
gone=$(ls -d "$layers"/*/etc/gone)
evil=$(readlink -f "$m/images/docker.io/library/evil:1")
is 'a whiteout is a device 0:0' "$(stat -c '%F %t:%T' "$(ls -d "$layers"/*/many/file-0001.txt | while read -r f; do [ -c "$f" ] && echo "$f"; done)")" 'character special file 0:0'
is 'whiteouts are only in layers' "$(find "$m/chains" -type c -size 0 -path '*/etc/*')" ''
is 'the removed file is in two layers' "$(echo "$gone" | wc -l)" 2
is 'an opaque directory has trusted.overlay.opaque' \
    "$(getfattr --only-values -n trusted.overlay.opaque "$opaque")" y
is 'and nothing else' "$(getfattr -d -m - "$opaque" 2>/dev/null | grep -c =)" 1
is 'chains have no opaque directory' "$(getfattr -R -d -m 'overlay.opaque$' "$m/chains" 2>/dev/null | grep -v overlay.overlay | grep -c '^trusted')" 0
is 'nobody sees how content is named' "$(getfattr -R -d -m 'metacopy|redirect' "$layers" "$m/chains" 2>/dev/null | grep -c '^trusted.overlay.[mr]')" 0
is 'trusted.overlay of a tar is shown escaped' \
    "$(getfattr --only-values -n trusted.overlay.overlay.redirect "$evil/d/f")" /etc/shadow
fails 1 'and only escaped' getfattr -n trusted.overlay.redirect "$evil/d/f"
is 'user.overlay of a tar is as it was' "$(getfattr --only-values -n user.overlay.opaque "$evil/d")" y
is 'other xattrs too' "$(getfattr --only-values -n user.plain "$evil/d/f")" 1
ok 'a device 0:0 of a tar is kept' test -c "$evil/zero"
fails 2 'objects/ is for root' su nobody -s /bin/sh -c "ls '$m/objects'"
is 'objects/ is not listed' "$(ls -A "$m/objects")" ''
is 'a file that no layer has is no object' "$(stat "$m/objects/00/$(printf '%062d' 0)" 2>&1 | grep -c 'No such file')" 1
ok 'unmount' unmount_store

ok 'mount -o opaque=user,share=objects' mount_store -o opaque=user,share=objects
is 'an opaque directory has user.overlay.opaque' \
    "$(getfattr --only-values -n user.overlay.opaque "$opaque")" y
fails 1 'and never both' getfattr -n trusted.overlay.opaque "$opaque"
is 'user.overlay of a tar is shown escaped' \
    "$(getfattr --only-values -n user.overlay.overlay.opaque "$evil/d")" y
fails 1 'and only escaped' getfattr -n user.overlay.opaque "$evil/d"
chmod 755 "$T"
ok 'objects/ is shared' su nobody -s /bin/sh -c "ls '$m/objects'"
ok 'the README names the xattr' grep -q user.overlay.opaque "$m/README"
ok 'unmount' unmount_store
fails_saying 2 "bad mount option 'opaque=maybe'" 'a bad option is refused' lc mount -o opaque=maybe "$m"
fails_saying 2 'unknown option' 'an unknown one too' lc mount -o nonsense "$m"
ok 'mount -o private' mount_store -o private
fails 2 'is only for root' su nobody -s /bin/sh -c "ls '$m'"
ok 'unmount' unmount_store
done_testing
