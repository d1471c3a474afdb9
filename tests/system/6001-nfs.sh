#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The mount exported over NFSv4 and read by a client equals the mount; file handles outlive the
# daemon. Server and client have a network of their own, in which only loopback exists.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3 ip nsenter apt-get

peer=$here/build/peers/ganesha
"$lib/unpack.sh" "$peer" nfs-ganesha nfs-ganesha-vfs >"$T/unpack.log" 2>&1 || {
    sed 's/^/# /' "$T/unpack.log"
    skip_all 'needs nfs-ganesha from a Debian mirror'
}
unshare -n sleep infinity &
net=$!
inside() { nsenter -n -t "$net" "$@"; }
for _ in $(seq 50); do
    [ "$(readlink /proc/$net/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
    sleep 0.1
done
inside ip link set lo up

# Later versions want CAP_SYS_RESOURCE unless told otherwise; earlier ones do not know the word.
flusher=
! grep -rqsi allow_set_io_flusher_fail "$peer/usr/lib" || flusher='allow_set_io_flusher_fail = true;'
cat >"$T/ganesha.conf" <<C
NFS_CORE_PARAM {
    $flusher
    Protocols = 4; Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
    Plugins_Dir = "$(dirname "$(find "$peer" -name libfsalvfs.so)")";
}
NFSv4 {
    Graceless = true; Only_Numeric_Owners = true; RecoveryRoot = "$T/recovery";
}
NFS_KRB5 { Active_krb5 = false; }
EXPORT {
    Export_Id = 1; Path = "$T/mnt"; Pseudo = /cache; Access_Type = RO; Squash = No_Root_Squash;
    SecType = sys; Protocols = 4; Transports = TCP; Filesystem_id = 77.1;
    FSAL { Name = VFS; }
}
C
mkdir -p "$T/recovery" "$T/mnt"
start_server() {
    LD_LIBRARY_PATH=$peer/usr/lib/ganesha nsenter -n -t "$net" "$peer/usr/bin/ganesha.nfsd" -F \
        -f "$T/ganesha.conf" -p "$T/ganesha.pid" -L "$T/ganesha.log" -N NIV_EVENT &
    server=$!
    for _ in $(seq 100); do
        inside ss -ltn 2>/dev/null | grep -q :2049 && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    tail -5 "$T/ganesha.log" >"$T/err"
    return 1
}
stop_server() {
    kill "$server"
    for _ in $(seq 100); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    return 0
}
# Device numbers are not asked for by the client.
local_walk() { python3 "$lib/treeimage.py" --no-xattrs "$1" | sed -E 's/^([^ ]+ [bc] .*) [0-9]+:[0-9]+$/\1 -/' | sort; }
# libnfs itself reads link targets without their end, which ASan would not let pass.
remote_walk() {
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:replace_str=0 \
        inside timeout 120 "$BIN/tests/nfswalk" 127.0.0.1 "/cache/$1" | sort
}
compare() { # title
    remote_walk "chains/sha256/$chain" >"$T/remote" 2>"$T/remote.err"
    diff "$T/local" "$T/remote" >"$T/out" 2>&1 && [ -s "$T/remote" ]
    r=$?
    cp "$T/remote.err" "$T/err"
    tap_report $r "$1"
}

python3 "$lib/mkimage.py" layered "$T/img" v1
read -r _ _ chain < <(lc import "oci:$T/img")
chain=${chain#sha256:}
ok 'mount' mount_store
local_walk "$T/mnt/chains/sha256/$chain" >"$T/local"
echo "# $(wc -l <"$T/local") entries"

ok 'nfs-ganesha exports the mount' start_server
compare 'an NFS client sees the same tree'
remote_walk images >"$T/remote" 2>"$T/err"
is 'images lead to their chains there too' \
    "$(awk '$2 == "l" {print $9}' "$T/remote" | grep -c "chains/sha256/$chain")" 1

find "$T/mnt/chains/sha256/$chain" "$T/mnt/layers" ! -name $'*\n*' >"$T/paths"
"$BIN/tests/handle" make "$T/mnt" <"$T/paths" >"$T/handles"
is 'every path has a handle' "$(grep -c '^[0-9a-f]*:[0-9a-f]* /' "$T/handles")" "$(wc -l <"$T/paths")"
"$BIN/tests/handle" open "$T/mnt" <"$T/handles" >"$T/opened.before"
echo 3 >/proc/sys/vm/drop_caches
ok 'handles open what they were made of' sh -c \
    "'$BIN/tests/handle' open '$T/mnt' <'$T/handles' | diff '$T/opened.before' -"
is 'and none fails' "$(grep -vcE '^[0-9]+ [0-7]+ [0-9]+ [0-9a-f-]+ /' "$T/opened.before")" 0

stop_server
ok 'unmount' unmount_store
rm -rf "$T/store/trees"/*
ok 'mount again' mount_store
ok 'handles made before open the same files, trees built anew' sh -c \
    "'$BIN/tests/handle' open '$T/mnt' <'$T/handles' | diff '$T/opened.before' -"
ok 'nfs-ganesha starts again' start_server
local_walk "$T/mnt/chains/sha256/$chain" >"$T/local"
compare 'the client sees the same tree after both were started again'
stop_server
ok 'unmount once more' unmount_store
kill "$net"
done_testing
