#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installing and what only an installed program does: mount(8) and fstab. Everything happens
# below the scratch directory and in a mount namespace of its own.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse make scdoc unshare

# The program is built already; a build with other flags must not happen here.
mk() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$here" O="$BIN" -o all "$@"; }
tree=$T/tree
ok 'make install DESTDIR' mk install DESTDIR="$tree" PREFIX=/usr
is 'puts these files there' "$(cd "$tree" && find . ! -type d | sort | paste -sd' ')" \
    './sbin/mount.fuse.layercache ./usr/bin/layercache ./usr/share/bash-completion/completions/layercache ./usr/share/man/man1/layercache.1'
is 'the helper is a link to the program' "$(readlink "$tree/sbin/mount.fuse.layercache")" /usr/bin/layercache
ok 'the installed program works' "$tree/usr/bin/layercache" --version
ok 'make uninstall' mk uninstall DESTDIR="$tree" PREFIX=/usr
is 'leaves no file' "$(find "$tree" ! -type d)" ''

# As installed with PREFIX=$T/prefix, seen by mount(8) as if it were in /sbin.
prefix=$T/prefix
ok 'make install into a prefix' mk install DESTDIR="$T/stage" PREFIX="$prefix"
mv "$T/stage$prefix" "$prefix"
python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img:v1" >/dev/null
mkdir "$T/mnt" "$T/fstab mnt"
cat >"$T/fstab" <<F
$T/store $T/mnt fuse.layercache defaults,nofail,_netdev,x-systemd.automount 0 0
$T/store $T/fstab\040mnt fuse.layercache opaque=user,cache=16 0 0
F
cat >"$T/inside" <<'I'
set -e
T=$1 stage=$2
sbin=$(readlink -f /sbin)
mount -t overlay -o "lowerdir=$stage/sbin:$sbin" none "$sbin"
gone() { # unmounted, and its daemon has ended
    umount "$1"
    for i in $(seq 100); do
        pgrep -f "$T/store $1" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}
works() { mountpoint -q "$1" && test -d "$1/images/localhost/img:v1/etc"; }
case $3 in
type)
    mount -t fuse.layercache "$T/store" "$T/mnt"
    works "$T/mnt"
    gone "$T/mnt"
    ;;
options)
    mount -t fuse.layercache "$T/store" "$T/mnt" -o rw,opaque=user,share=objects
    works "$T/mnt"
    grep -q user.overlay.opaque "$T/mnt/README"
    gone "$T/mnt"
    ;;
fstab)
    mount -T "$T/fstab" "$T/mnt"
    works "$T/mnt"
    mount -T "$T/fstab" "$T/fstab mnt"
    works "$T/fstab mnt"
    gone "$T/fstab mnt"
    gone "$T/mnt"
    ;;
all)
    mount -T "$T/fstab" -a -t fuse.layercache
    works "$T/mnt"
    works "$T/fstab mnt"
    umount "$T/fstab mnt"
    gone "$T/mnt"
    ;;
bad)
    if mount -t fuse.layercache "$T/store" "$T/mnt" -o opaque=maybe; then exit 1; fi
    if mount -t fuse.layercache "$T/img" "$T/mnt"; then exit 1; fi
    if mountpoint -q "$T/mnt"; then exit 1; fi
    ;;
esac
I
inside() { timeout 60 unshare -m --propagation private bash "$T/inside" "$T" "$T/stage" "$1"; }
ok 'mount -t fuse.layercache STORE DIR' inside type
ok 'with options' inside options
ok 'mount with lines of fstab' inside fstab
ok 'mount -a' inside all
ok 'what is wrong is refused' inside bad
is 'nothing is left mounted' "$(grep -c " $T" /proc/self/mountinfo)" 0

# Packages whose services must not start: apt-get here is a stand-in that asks the policy.
mkdir "$T/fake" "$T/sbin"
cat >"$T/fake/dpkg-query" <<F
#!/bin/sh
echo 'one installed'
F
cat >"$T/fake/apt-get" <<'F'
#!/bin/sh
echo "$*" >>"$LOG"
[ -x "$POLICY" ] && { "$POLICY" some.service start; echo "policy $?" >>"$LOG"; }
exit "${FAIL:-0}"
F
chmod 755 "$T/fake"/*
setup() { env PATH="$T/fake:$PATH" POLICY="$T/sbin/policy-rc.d" LOG="$T/log" "$@"; }
ok 'nothing to do where nothing is missing' setup "$here/tests/lib/install.sh" one
is 'then apt is not asked' "$(cat "$T/log" 2>/dev/null)" ''
ok 'installing what is missing' setup "$here/tests/lib/install.sh" one two three
is 'asks for it without recommended packages' "$(grep -c -- '--no-install-recommends two three$' "$T/log")" 1
is 'and forbids to start services meanwhile' "$(grep policy "$T/log")" 'policy 101'
is 'only meanwhile' "$(ls "$T/sbin")" ''
fails 1 'a failure is told' setup FAIL=1 "$here/tests/lib/install.sh" two
is 'and leaves no policy either' "$(ls "$T/sbin")" ''
printf '#!/bin/sh\nexit 0\n' >"$T/sbin/policy-rc.d" && chmod 755 "$T/sbin/policy-rc.d"
ok 'installing where there is a policy' setup "$here/tests/lib/install.sh" two
is 'leaves it alone' "$(tail -1 "$T/sbin/policy-rc.d")" 'exit 0'
done_testing
