#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A live mount: imports by other processes show up at once, removed names vanish, readers
# and importers do not disturb each other.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse python3

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" b1 1
python3 "$lib/mkimage.py" big "$T/img" b2 2
ok 'mount of a store that is not there makes it' mount_store
m=$T/mnt
is 'nothing is listed' "$(find "$m/images" "$m/chains/sha256" "$m/layers/sha256" -mindepth 1)" ''
ok 'import while mounted' lc import "oci:$T/img:v1"
is 'the name is there at once' "$(ls "$m/images/localhost")" img:v1
is 'the chains are listed at once' "$(ls "$m/chains/sha256" | wc -l)" 3
ok 'and are readable' cat "$m/images/localhost/img:v1/etc/passwd"
ok 'a second import' lc import "oci:$T/img:b1" other:x
is 'a new directory is there at once' "$(ls "$m/images" | paste -sd' ')" 'docker.io localhost'
ok 'a name is moved' lc import "oci:$T/img:b2" other:x
read -r _ _ chain < <(lc list | grep other)
is 'the link follows at once' \
    "$(basename "$(readlink "$m/images/docker.io/library/other:x")")" "${chain#sha256:}"
exec 7<"$m/images/localhost/img:v1/etc/passwd"
ok 'remove a name' lc remove localhost/img:v1
is 'it is gone at once' "$(ls "$m/images" | paste -sd' ')" docker.io
is 'an open file stays readable' "$(head -c 4 <&7)" root
exec 7<&-

lc import "oci:$T/img:v1" >/dev/null
c=$(lc path localhost/img:v1)
cp -a "$c" "$T/copy"
cat >"$T/load.sh" <<'E'
bin=$1 img=$2 c=$3 copy=$4 fail=0 pids=
for k in 1 2; do
    (for i in 1 2 3; do
        "$bin" import "oci:$img:b$k" "load/$k:r$i" >/dev/null || exit 1
    done) &
    pids="$pids $!"
done
(for i in 1 2 3; do
    diff -r --no-dereference "$c/many" "$copy/many" || exit 1
    cmp "$c/var/random" "$copy/var/random" || exit 1
done) &
pids="$pids $!"
(for i in 1 2 3 4 5; do
    "$bin" tag localhost/img:v1 "tmp:$i" && "$bin" remove "tmp:$i" || exit 1
done) &
pids="$pids $!"
for p in $pids; do wait "$p" || fail=1; done
exit $fail
E
ok 'two imports, readers and removes at the same time' \
    timeout 200 bash "$T/load.sh" "$BIN/layercache" "$T/img" "$c" "$T/copy"
ok 'verify' lc verify
is 'names are as expected' "$(lc list | cut -d' ' -f1 | paste -sd' ')" \
    "docker.io/library/other:x docker.io/load/1:r1 docker.io/load/1:r2 docker.io/load/1:r3 docker.io/load/2:r1 docker.io/load/2:r2 docker.io/load/2:r3 localhost/img:v1"
ok 'unmount' unmount_store
done_testing
