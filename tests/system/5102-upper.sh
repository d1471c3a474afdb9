#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Upper directories of overlays become layers: the new chain is what the overlay shows, in
# both ways of `overlay`; what other overlays left there is refused.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper python3 setfattr getfattr umoci

d=$T/dir
mkdir -p "$d"/{etc/conf.d,usr/bin,usr/share/doc/deep,var/empty,opq,swap,moved/in/side,twice/a,kept}
for i in $(seq 1 60); do echo "file $i" >"$d/usr/share/doc/$i"; done
for f in etc/passwd etc/conf.d/x opq/1 opq/2 swap/f moved/f moved/in/g moved/in/side/h moved/gone \
    twice/a/b kept/a kept/b; do
    echo "content of $f" >"$d/$f"
done
head -c 9000000 /dev/zero | tr '\0' x >"$d/usr/bin/big"
ln "$d/kept/a" "$d/kept/a2"
ln "$d/moved/f" "$d/moved/in/f2"
ln -s ../etc "$d/usr/link"
: >"$d/etc/nothing"
setfattr -n user.note -v hello "$d/etc/passwd"
mknod "$d/etc/dev" c 1 3
find "$d" -exec touch -h -d @1500000000.25 {} +
ok 'a parent' lc snapshot -n base "$d"
ok 'mount' mount_store
tree() { echo "$T/mnt/chains/sha256/${1#sha256:}"; }

change() {
    echo more >>"$1/etc/passwd"
    chmod 600 "$1/etc/conf.d/x"
    chmod 600 "$1/etc/nothing"
    chown 7:8 "$1/usr/bin/big"
    touch -d @1600000000.5 "$1/usr/share/doc/60"
    rm "$1/usr/share/doc/1"
    echo new >"$1/usr/share/doc/new"
    ln "$1/usr/share/doc/new" "$1/usr/share/doc/newer"
    # Over FUSE the kernel shows the two names of a copied-up file as two files.
    [ "$2" = fuse ] || ln "$1/usr/share/doc/2" "$1/usr/share/doc/two"
    mkdir "$1/added" "$1/added/deep" && echo x >"$1/added/deep/x"
    rm -r "$1/opq" && mkdir "$1/opq" && echo 3 >"$1/opq/3"
    rm -r "$1/swap" && echo 'a file' >"$1/swap"
    rm "$1/usr/link" && mkdir "$1/usr/link"
    rm -r "$1/var/empty"
    mkfifo "$1/var/pipe"
    setfattr -n user.x -v y "$1/usr/share/doc/3"
    setfattr -n trusted.overlay.opaque -v y "$1/usr/share/doc/deep" 2>/dev/null
    rm "$1/moved/gone"
    chmod 640 "$1/moved/in/g"
    mv "$1/usr/share/doc/5" "$1/etc/five"
    mv "$1/usr/share/doc/6" "$1/usr/share/doc/six"
    mv "$1/moved" "$1/renamed"
    echo late >"$1/renamed/in/side/late"
    mv "$1/renamed/in/side" "$1/etc/side"
    mv "$1/twice" "$1/twice2" && mkdir "$1/twice" && echo other >"$1/twice/b"
    mv "$1/twice2/a" "$1/twice/a"
    chmod 640 "$1/kept/b" && chmod 644 "$1/kept/b" # as before
}

# Takes an upper directory while its overlay is there to compare with.
take() { # way view upper
    local way=$1 view=$2 upper=$3
    ok "$way: the upper directory" lc snapshot --parent base -n "$way" --upper "$upper"
    read -r diff chain _ <"$T/out"
    ok "$way: the chain is what the overlay shows" python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$view" "$(tree "$chain")"
    ok "$way: again" lc snapshot --parent base --upper "$upper"
    is "$way: the same layer" "$(cut -d' ' -f1 "$T/out")" "$diff"
    ok "$way: as a tar" lc export "layer:${diff#sha256:}" "tar:$T/$way.tar"
    tar tf "$T/$way.tar" >"$T/names"
    is "$way: none but changes" "$(grep -cE '^(kept/|usr/share/doc/4|etc/dev)' "$T/names")" 0
    ok "$way: no traces of overlayfs" sh -c "! grep -aqE 'overlay\.(origin|impure|redirect|metacopy|uuid|nlink|protattr|overlay)' '$T/$way.tar'"
    # The whole view, read as a plain directory, gives a layer of the same meaning.
    ok "$way: the view against the parent" lc snapshot --parent base "$view"
    read -r _ chain2 _ <"$T/out"
    ok "$way: is the same tree" python3 "$lib/treecmp.py" "$(tree "$chain")" "$(tree "$chain2")"
    # umoci unpacks it to the same tree.
    rm -rf "$T/layout" "$T/bundle"
    umoci init --layout "$T/layout" >/dev/null 2>&1
    umoci new --image "$T/layout:x" >/dev/null 2>&1
    for t in "$T/base.tar" "$T/$way.tar"; do
        umoci raw add-layer --image "$T/layout:x" "$t" >"$T/out" 2>&1
    done
    ok "$way: umoci unpacks it" umoci raw unpack --image "$T/layout:x" "$T/bundle"
    ok "$way: to the same tree" python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$(tree "$chain")" "$T/bundle"
}
lc export "layer:$(lc list layers | cut -d' ' -f1 | cut -d: -f2)" "tar:$T/base.tar" >/dev/null

for way in kernel fuse; do
    mkdir "$T/$way"
    ok "$way: overlay" lc overlay --way "$way" --upper "$T/up-$way" base "$T/$way"
    change "$T/$way" "$way"
    getfattr -Rdhm 'overlay' "$T/up-$way" 2>/dev/null | grep -E 'redirect|metacopy' | sed 's/^/# /'
    take "$way" "$T/$way" "$T/up-$way"
    umount "$T/$way"
done

# ---- an upper directory with nothing in it ----
mkdir "$T/none"
ok 'overlay' lc overlay --upper "$T/up-none" base "$T/none"
chmod 640 "$T/none/kept/b" && chmod 644 "$T/none/kept/b"
is 'what is as it was is an empty layer' "$(lc snapshot --parent base --upper "$T/up-none" | cut -d' ' -f1)" \
    sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
umount "$T/none"

# ---- made by hand: forms that this kernel does not write, and what is not ours ----
fresh() { rm -rf "$T/u" && mkdir "$T/u" && touch -d @1500000000.25 "$T/u"; }
new_chain() { lc snapshot --parent base --upper "$T/u" | cut -d' ' -f2; }
fresh
mkdir "$T/u/opq" "$T/u/etc"
: >"$T/u/opq/1"
setfattr -n trusted.overlay.opaque -v x "$T/u/opq"
setfattr -n trusted.overlay.whiteout -v y "$T/u/opq/1"
setfattr -n user.overlay.opaque -v y "$T/u/etc"
setfattr -n user.overlay.origin -v y "$T/u/etc"
c=$(tree "$(new_chain)")
is 'a whiteout by xattr' "$(ls "$c/opq")" 2
is 'opaque by user xattr' "$(ls -A "$c/etc")" ''
is 'no bookkeeping is left' "$(getfattr -d -m - "$c/etc" 2>/dev/null)" ''
fresh
mkdir "$T/u/etc"
setfattr -n trusted.overlay.overlay.opaque -v y "$T/u/etc"
setfattr -n trusted.overlay.impure -v y "$T/u/etc"
setfattr -n user.overlay.opaque -v y "$T/u/etc"
c=$(tree "$(new_chain)")
ok 'escaped xattrs are data: nothing is hidden' test -e "$c/etc/passwd"
is 'and are shown escaped' "$(getfattr --only-values -n trusted.overlay.overlay.opaque "$c/etc" 2>/dev/null)" y
is 'user xattrs beside trusted ones are data' "$(getfattr --only-values -n user.overlay.opaque "$c/etc" 2>/dev/null)" y

fresh
hex=$(printf 'content of %s\n' etc/passwd | sha256sum | cut -d' ' -f1)
size=$(printf 'content of %s\n' etc/passwd | wc -c)
truncate -s "$size" "$T/u/object"
setfattr -n trusted.overlay.metacopy "$T/u/object"
setfattr -n trusted.overlay.redirect -v "/${hex:0:2}/${hex:2}" "$T/u/object"
c=$(tree "$(new_chain)")
is 'content by the redirect to an object' "$(cat "$c/object")" 'content of etc/passwd'
refused() { # title pattern
    fails_saying 1 "$2" "$1 is refused" lc snapshot --parent base --upper "$T/u"
}
truncate -s 3 "$T/u/object"
refused 'an object of another size' 'not the upper directory'
setfattr -n trusted.overlay.redirect -v "/aa/$(printf '0%.0s' $(seq 62))" "$T/u/object"
refused 'an object that is not there' 'not the upper directory'
setfattr -n trusted.overlay.redirect -v /elsewhere/file "$T/u/object"
refused 'a file of another overlay' 'not the upper directory'
for r in /../etc ../etc /etc/../etc /etc//conf.d ./etc etc/conf.d / ''; do
    fresh
    mkdir "$T/u/new"
    setfattr -n trusted.overlay.redirect -v "$r" "$T/u/new"
    refused "redirect '$r'" 'redirect'
done
fresh
mkdir "$T/u/new"
setfattr -n trusted.overlay.redirect -v /nosuch "$T/u/new"
refused 'a directory of another overlay' 'renamed directory'
fresh
: >"$T/u/.wh.x"
refused 'a whiteout by name' 'begins with'
fresh
mkdir -p "$T/u/x/y"
ln -s /etc "$T/u/x/y/out"
c=$(tree "$(new_chain)")
is 'links are not followed' "$(readlink "$c/x/y/out")" /etc
ok 'the store is whole' lc verify
done_testing
