#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a snapshot costs: unchanged files are not opened, an upper directory is all that is
# looked at. Times are printed, not judged.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper python3 strace

python3 - "$T/dir" <<'PY'
import os, sys
n = 0
for a in range(100):
    d = "%s/%d" % (sys.argv[1], a)
    os.makedirs(d)
    for c in range(100):
        with open("%s/f%d" % (d, c), "w") as f:
            f.write("%d " % n * 60)
        n += 1
PY
sleep 0.3
seconds() { # title command...: prints the time as a comment
    local title=$1 from=${EPOCHREALTIME/./}
    shift
    "$@" >"$T/line" 2>&1
    echo "# $title: $(((${EPOCHREALTIME/./} - from) / 1000)) ms"
}
seconds 'first snapshot of 10,100 inodes' lc snapshot -n base "$T/dir"
first=$(cat "$T/line")
seconds 'unchanged' lc snapshot "$T/dir"
is 'unchanged, the same layer' "$(cat "$T/line")" "$first"
seconds 'unchanged against its parent' lc snapshot --parent base "$T/dir"
opened() { # how many files of the directory were opened
    strace -f --seccomp-bpf -qq -e trace=openat2 -o "$T/trace" "$BIN/layercache" "$@" >"$T/line" 2>&1
    grep -c 'openat2.*f[0-9]*"' "$T/trace"
}
is 'no file is opened' "$(opened snapshot "$T/dir")" 0
is 'nor against a parent' "$(opened snapshot --parent base "$T/dir")" 0
echo changed >>"$T/dir/5/f5"
is 'a changed one is' "$(opened snapshot --parent base "$T/dir")" 1
ok 'mount' mount_store
mkdir "$T/rw"
ok 'overlay' lc overlay --way fuse --upper "$T/up" base "$T/rw"
for i in $(seq 0 99); do echo more >>"$T/rw/$i/f7"; done
seconds 'upper directory with 100 changed files' lc snapshot --parent base --upper "$T/up"
read -r _ chain _ <"$T/line"
ok 'is what the overlay shows' python3 "$lib/treecmp.py" --ignore-xattr trusted.overlay "$T/rw" "$T/mnt/chains/sha256/${chain#sha256:}"
strace -f --seccomp-bpf -qq -e trace=statx,openat2 -o "$T/trace" "$BIN/layercache" snapshot --parent base --upper "$T/up" >/dev/null
[ "$(wc -l <"$T/trace")" -lt 1500 ]
tap_report $? 'the cost is that of the changes'
done_testing
