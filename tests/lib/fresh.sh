#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh [SUITE...]: the README's commands on machines that have nothing yet: new roots of
# Debian 12 (bookworm) and 13 (trixie) below build/fresh, made by debootstrap, entered with
# mount and process namespaces of their own. FRESH='make ...;make ...' runs something else
# than `make demo` and `make check`. Prints TAP; logs are build/fresh/SUITE.log.
#
# What such a root cannot show: it runs on this machine's kernel (so the newer distribution's
# kernel is not tested), without systemd (the .mount side of fstab, services of packages),
# and with this machine's devices. pivot_root instead of chroot, because a chroot's / is no
# mount and programs that remount or look it up in mountinfo fail there.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here" || exit 1
[ "$(id -u)" = 0 ] || { echo "Bail out! needs root"; exit 1; }
command -v debootstrap >/dev/null || { echo "Bail out! needs debootstrap"; exit 1; }
[ $# -gt 0 ] || set -- bookworm trixie
steps=${FRESH:-make demo;make check}
dir=$here/build/fresh
mkdir -p "$dir"
n=0
bad=0
trap 'exit 130' INT
trap 'exit 143' TERM

report() { # status title
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=1; fi
}

mirror() {
    {
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources
        awk '/^deb /{for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' /etc/apt/sources.list
    } 2>/dev/null | head -1
}
mirror=${DEBIAN_MIRROR:-$(mirror)}
[ -n "$mirror" ] || { echo "Bail out! no Debian mirror in /etc/apt, set DEBIAN_MIRROR"; exit 1; }

# The pristine minimal system, kept as a tar for the next time. make and git are what a
# person needs to get and start the sources; all else is installed by the Makefile.
base() { # suite
    [ -e "$dir/$1.tar" ] && return
    rm -rf "${dir:?}/$1.new"
    debootstrap --variant=minbase --include=make,git,ca-certificates "$1" "$dir/$1.new" "$mirror" &&
        tar -C "$dir/$1.new" --numeric-owner -cf "$dir/$1.tar.new" . &&
        mv "$dir/$1.tar.new" "$dir/$1.tar"
    rm -rf "${dir:?}/$1.new"
    [ -e "$dir/$1.tar" ]
}

# A new root with a clone of what is committed, and of what is changed on top of it.
prepare() { # suite
    local root=$dir/$1 source
    rm -rf --one-file-system "$root"
    mkdir -p "$root" && tar -C "$root" -xpf "$dir/$1.tar" || return 1
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null
    ln -sf ../proc/self/mounts "$root/etc/mtab" # as every booted Debian has
    # How to reach the mirror is the machine's business, not the distribution's.
    apt-config dump | grep -E '^Acquire::[a-z]*::Proxy' >"$root/etc/apt/apt.conf.d/90proxy"
    source=$root/root/fresh-clone
    git clone -q --no-hardlinks "$here" "$source" || return 1
    git -C "$here" diff --binary HEAD | git -C "$source" apply --allow-empty || return 1
    [ ! -d "$here/build/demo/image" ] || [ "${REUSE:-0}" != 1 ] ||
        { mkdir -p "$source/build/demo" && cp -a "$here/build/demo/image" "$source/build/demo/"; }
}

# Runs one step inside. When the process namespace ends, nothing is left running, and the
# mount namespace takes its mounts along.
enter() { # suite command
    unshare --mount --pid --ipc --uts --fork --kill-child --propagation private \
        bash -s "$dir/$1" "$2" <<'I'
set -e
root=$1
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/.old"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/lock"
cd "$root"
pivot_root . .old
mount -t proc proc /proc
umount -l /.old
rmdir /.old
cd /root/fresh-clone
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 LAYERCACHE_REQUIRE=1 WERROR=1 bash -c "$2" </dev/null
I
}

for suite in "$@"; do
    log=$dir/$suite.log
    : >"$log"
    base "$suite" >>"$log" 2>&1
    report $? "$suite: a minimal system"
    prepare "$suite" >>"$log" 2>&1
    report $? "$suite: a clone of the sources in it"
    while IFS= read -r step; do
        begin=$SECONDS
        enter "$suite" "$step" >>"$log" 2>&1
        rc=$?
        report $rc "$suite: $step"
        echo "# $((SECONDS - begin)) s"
        [ $rc = 0 ] || tail -30 "$log" | sed 's/^/#   /'
    done < <(tr ';' '\n' <<<"$steps")
    report "$(grep -c " $dir/" /proc/self/mountinfo)" "$suite: nothing is left mounted"
    ! grep -E '(warning|note): ' "$log" >"$dir/warnings"
    report $? "$suite: no warning of the compiler"
    head -20 "$dir/warnings" | sed 's/^/#   /'
    [ "${KEEP:-0}" = 1 ] || rm -rf --one-file-system "${dir:?}/$suite"
done
rm -f "$dir/warnings"
echo "1..$n"
exit $bad
