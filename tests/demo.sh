#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows on this machine, within a minute or two, what layercache does: a real image goes in,
# is looked at, worked in and snapshot. Needs root. Leaves nothing but the image it was made
# with, in build/demo (so that the next demo starts at once).
# shellcheck disable=SC2016 # commands are shown before they are expanded
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$here/build/release}
cache=$here/build/demo
export LC_ALL=C.UTF-8
PATH=$BIN:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
w=
shown=0

die() { echo "demo: $*" >&2; exit 1; }

# Unmounts everything below the work directory, topmost first, and removes it.
cleanup() {
    local m
    trap - EXIT
    trap '' INT TERM HUP
    [ -n "$w" ] || return
    tac /proc/self/mountinfo | cut -d' ' -f5 | while read -r m; do
        case $m in
        "$w"/*) layercache unmount "$m" >/dev/null 2>&1 || umount -l "$m" ;;
        "$w") umount -l "$m" ;;
        esac
    done
    rm -rf --one-file-system "$w"
}
trap cleanup EXIT
trap 'echo; echo "demo: stopped" >&2; exit 130' INT
trap 'exit 143' TERM HUP

# Digests shortened, long output cut, in a margin.
margin() { # lines
    sed -E 's/(sha256[:\/][0-9a-f]{8})[0-9a-f]{56}/\1…/g' | awk -v max="$1" '
        NR <= max {print "    " $0}
        END {if (NR > max) print "    … " NR - max " more lines"}'
}
say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
ms() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f ms", (b - a) / 1e6}'; }
mb() { awk -v n="$1" 'BEGIN {printf "%.1f MB", n / 1e6}'; }

# Runs what it shows. The time is that of the command alone.
show() { # lines command
    local lines=$1 line=$2 begin end rc
    begin=$(date +%s%N)
    (cd "$w" && eval "$line") >"$w/.out" 2>"$w/.err" </dev/null
    rc=$?
    end=$(date +%s%N)
    printf '  $ %s   (%s)\n' "$line" "$(ms "$begin" "$end")"
    cat "$w/.out" "$w/.err" | margin "$lines"
    [ $rc = 0 ] || die "this failed with status $rc"
    shown=$((shown + 1))
}

mirror() {
    {
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources
        awk '/^deb /{for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' /etc/apt/sources.list
    } 2>/dev/null | head -1
}

# The root filesystem that becomes the first layer, as a tar: Debian's minimal system, or
# what this machine has of it where no mirror can be reached.
base_tar() {
    local suite m
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    m=$(mirror)
    echo "making a Debian $suite image with debootstrap (only the first time) ..."
    if [ -n "$m" ] && debootstrap --variant=minbase "$suite" "$w/root" "$m" >"$w/debootstrap.log" 2>&1; then
        rm -rf "$w/root/var/lib/apt/lists"/* "$w/root/var/cache/apt"/*.bin "$w/root/var/cache/apt/archives"/*.deb
        tar -C "$w/root" --one-file-system --sort=name --numeric-owner --xattrs --xattrs-include='security.*' -cf "$w/base.tar" .
    else
        echo "no mirror: taking programs and libraries of this machine instead"
        rm -rf "${w:?}/root"
        (cd / && tar --one-file-system --sort=name --numeric-owner -cf "$w/base.tar" \
            --exclude='usr/lib/modules' --exclude='usr/lib/firmware' --exclude='usr/lib/debug' \
            bin sbin lib* usr/bin usr/sbin usr/lib etc/passwd etc/group etc/debian_version) 2>/dev/null
    fi
    [ -s "$w/base.tar" ] || die "could not make a root filesystem"
}

# Two layers as a Dockerfile of FROM and COPY gives: the system, and an application (these
# very sources).
make_image() {
    base_tar
    mkdir -p "$w/app/usr/src/app"
    cp -a "$here"/{Makefile,store,fs,tools} "$w/app/usr/src/app/"
    tar -C "$w/app" --sort=name --numeric-owner --owner=0 --group=0 -cf "$w/app.tar" usr/src
    (
        set -e
        cd "$w"
        umoci init --layout image
        umoci new --image image:v1
        umoci raw add-layer --image image:v1 --history.created_by 'ADD system /' base.tar
        umoci raw add-layer --image image:v1 --history.created_by 'COPY . /usr/src/app' app.tar
        umoci config --image image:v1 --config.cmd /bin/bash
        umoci gc --layout image
    ) >"$w/umoci.log" 2>&1 || die "umoci: $(tail -1 "$w/umoci.log")"
    stat -c %s "$w/base.tar" "$w/app.tar" | awk '{n += $1} END {print n}' >"$w/image/.tar-size"
    rm -rf "$w/root" "$w/app" "$w"/*.tar
    mv "$w/image" "$cache/image.new" && rm -rf "$cache/image" && mv "$cache/image.new" "$cache/image"
}

[ "$(id -u)" = 0 ] || die "needs root"
[ -c /dev/fuse ] || die "needs /dev/fuse (modprobe fuse; in a container: --device /dev/fuse --privileged)"
mkdir -p "$cache"
w=$(mktemp -d "$cache/work.XXXXXX")
# A container's own root cannot hold upper directories of overlays.
[ "$(stat -f -c %T "$w")" != overlayfs ] || mount -t tmpfs tmpfs "$w" || die "cannot mount a tmpfs"
[ -e "$cache/image/.tar-size" ] || make_image
tar_size=$(cat "$cache/image/.tar-size")
blob_size=$(find "$cache/image/blobs" -type f -printf '%s\n' | awk '{n += $1} END {print n}')
ln -s "$cache/image" "$w/image"
mkdir "$w/mnt" "$w/work"
export LAYERCACHE_STORE=$w/store
begin=$SECONDS

echo "layercache demo: an OCI image of 2 layers, $(mb "$tar_size") as tar, $(mb "$blob_size") as gzip, on $(nproc) CPUs"

say '1. An image goes in: every layer is unpacked once, checked, deduplicated and compressed.'
show 3 'layercache import oci:image:v1 demo:v1'
show 3 'layercache import oci:image:v1 demo:v1        # again: nothing to do'
show 5 'layercache list'
show 16 'layercache show demo:v1'

say '2. The store is a directory tree. No daemon-owned format: ls, find and diff read it.'
show 3 'layercache mount mnt'
show 9 'ls -m mnt'
show 5 'find mnt/images -mindepth 1 | sort'
show 3 'layercache path demo:v1'
show 8 'ls -l "$(layercache path demo:v1)" | tail -n +2'
show 3 'find "$(layercache path demo:v1)" | wc -l'

say '3. An overlay on top of it: a writable root filesystem, without unpacking anything.'
show 3 'layercache overlay demo:v1 work'
way=$(cut -d' ' -f1 "$w/.out")
case $way in
kernel) echo '    kernel: metadata is served by the kernel (EROFS); the daemon only decodes a file read first' ;;
*) echo '    fuse: this kernel cannot take the faster way; all reads pass the daemon' ;;
esac
show 5 'chroot work /bin/bash -c "grep -c . /etc/passwd; uname -sr"'
show 3 'chroot work /bin/bash -c "echo hello >/etc/motd; mkdir /srv/data; rm /usr/src/app/Makefile"'

say '4. What was done becomes an image: only what is new takes space.'
before=$(du -sb "$w/store/packs" | cut -f1)
show 3 'layercache snapshot work --name demo:changed'
after=$(du -sb "$w/store/packs" | cut -f1)
echo "    the packs grew by $(mb $((after - before))), of $(find "$w/work" -xdev | wc -l) files and directories"
show 5 'layercache list'
show 8 'layercache diff demo:v1 demo:changed'
show 2 'cat mnt/images/docker.io/library/demo:changed/etc/motd   # there at once'
show 15 'layercache stats'

say '5. Done: everything is unmounted and removed.'
show 3 'layercache verify'
show 3 'layercache unmount work'
show 3 'layercache unmount mnt'
! grep -q " $w/" /proc/self/mountinfo || die "something is still mounted"
cleanup
[ ! -e "$w" ] || die "'$w' is still there"
printf '\n%d commands in %d s. The image stays in build/demo for the next demo (make clean removes it).\n' \
    "$shown" $((SECONDS - begin))
