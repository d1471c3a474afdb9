#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input: one clear line, status 1, bounded memory, the store as before.
. "$(dirname "$0")/../lib/tap.sh"
need python3

python3 "$lib/mkimage.py" hostile "$T/bad"
python3 "$lib/mkimage.py" layered "$T/img" v1
lc import "oci:$T/img" >/dev/null
lc list >"$T/list.before"
state() { find "$T/store" -type f ! -path '*/catalog/*' -printf '%P %s\n' | sort; }
state >"$T/state.before"

cat >"$T/measure.py" <<'P'
# measure.py FILE COMMAND...: its largest resident size in KiB goes to FILE
import os, resource, sys
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status if status >= 0 else 128 - status)
P

fits() { # MiB: what was measured last; a sanitizer has other measures
    [ -n "${LAYERCACHE_SAN:-}" ] || [ "$(cat "$T/rss")" -le $(($1 << 10)) ] ||
        { echo "$(cat "$T/rss") KiB in memory"; return 1; }
}

bounded() { # pattern layout: refused with one line, in at most 128 MiB of memory
    local r
    python3 "$T/measure.py" "$T/rss" "$BIN/layercache" import "oci:$2" victim:v1 >"$T/o" 2>"$T/e"
    r=$?
    cat "$T/e" >&2
    [ "$r" = 1 ] || { echo "exit status $r"; return 1; }
    [ "$(wc -l <"$T/e")" = 1 ] || { echo "not one line"; return 1; }
    grep -qE -- "$1" "$T/e" || { echo "does not say: $1"; return 1; }
    fits 128 && [ ! -s "$T/o" ]
}
while read -r name pattern; do
    ok "$name is refused" bounded "$pattern" "$T/bad/$name"
    fails 3 "$name leaves no name" lc show victim:v1
done <"$T/bad/cases"
# What a tree of as many files as are allowed takes, and no more.
python3 "$lib/mkimage.py" entries 10000000 |
    python3 "$T/measure.py" "$T/rss" "$BIN/layercache" import tar:- victim:v1 >"$T/out" 2>"$T/err"
is 'ten million entries are refused' "${PIPESTATUS[1]} $(cat "$T/err")" \
    "1 layercache: import 'tar:-': layer: more than 4194304 entries"
ok 'in bounded memory' fits 800
python3 "$lib/mkimage.py" entries 500000 |
    python3 "$T/measure.py" "$T/rss" "$BIN/layercache" --store "$T/many" import tar:- many:v1 >"$T/out" 2>"$T/err"
is 'half a million are not' "${PIPESTATUS[1]} $(cat "$T/err")" '0 '
ok 'in 160 MiB' fits 160
rm -rf "$T/many"
state >"$T/state.after"
ok 'the store is as before' diff "$T/state.before" "$T/state.after"
lc list >"$T/list.after"
ok 'the names are as before' diff "$T/list.before" "$T/list.after"
ok 'verify' lc verify

head -c 100000 /dev/urandom >"$T/noise"
fails_saying 1 "tar" 'noise is not a tar' lc import "tar:$T/noise" noise:v1
fails_saying 1 "cannot open|No such" 'a missing file' lc import "tar:$T/none" none:v1
fails_saying 1 "cannot open|No such" 'a missing layout' lc import "oci:$T/none"
fails_saying 3 "tag|'none'" 'a missing tag is not found' lc import "oci:$T/img:none"
fails_saying 2 "transport|source" 'an unknown transport' lc import "ftp:$T/img"
fails_saying 1 "name|reference|upper" 'a bad name' lc import "oci:$T/img:v1" 'Upper/Case:v1'
mkdir "$T/link" && cp -a "$T/img" "$T/link/img" && rm "$T/link/img/oci-layout" &&
    fails_saying 1 "oci-layout" 'a directory without oci-layout' lc import "oci:$T/link/img"
done_testing
