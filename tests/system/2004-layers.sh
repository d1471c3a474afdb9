#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Layer semantics: the merged chain equals what umoci unpacks, except where umoci is known to
# be wrong; single layers are in overlay form; overlayfs stacks them to the same tree.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse umoci python3

python3 "$lib/mkimage.py" layered "$T/img" v1
read -r _ _ chain < <(lc import "oci:$T/img")
umoci unpack --image "$T/img:v1" "$T/bundle" >"$T/umoci.log" 2>&1
ok 'mount' mount_store
c=$T/mnt/chains/sha256/${chain#sha256:}
# Parents without an entry of their own get the time of the unpacking from umoci, 0 from us;
# so does the root; times after 2038 and xattrs without a value get lost there.
{
    printf '%s\t%s\t%s\n' '' mtime 'the root' var/late mtime '32 bits' var/xattr xattr 'no value'
    for p in implied implied/parent $(cd "$T/bundle/rootfs/var" && find d* -type d | sed 's,^,var/,'); do
        printf '%s\tmtime\timplied parent\n' "$p"
    done
} >"$T/expect"
ok 'the chain equals the tree that umoci makes' \
    python3 "$lib/treecmp.py" --expect "$T/expect" "$c" "$T/bundle/rootfs"
is 'a whiteout took the file away' "$(ls "$c/etc")" "$(printf 'passwd\nshadow')"
is 'an opaque directory hides what was below' "$(ls "$c/o")" upper
is 'a layer hides only lower layers' "$(cat "$c/many/file-0002.txt")" \
    'whiteout and file in one layer'
is 'a parent that is a symlink is followed' "$(cat "$c/usr/lib/through-link")" \
    'goes to usr/lib'
is 'and stays a symlink' "$(readlink "$c/lib")" usr/lib
is 'hardlinks reach lower layers' "$(stat -c %i "$c/var/four")" "$(stat -c %i "$c/var/one")"
is 'all four names are counted' "$(stat -c %h "$c/var/one")" 4
is 'no whiteouts are left' "$(find "$c" -name '.wh.*' | wc -l)" 0

second=$(lc show --json localhost/img:v1 | python3 -c \
    'import json,sys; print(json.load(sys.stdin)["steps"][1]["layer"][7:])')
l=$T/mnt/layers/sha256/$second
is 'in one layer a whiteout is a character device' "$(stat -c '%F %t %T' "$l/etc/gone")" \
    'character special file 0 0'
is 'an opaque directory has the xattr' \
    "$(getfattr --only-values -n trusted.overlay.opaque "$l/o" 2>/dev/null)" y
is 'a hardlink to a lower layer is absent there' "$(ls "$l/var" 2>/dev/null)" ''
ok 'unmount' unmount_store
done_testing
