#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every call to the disk that an import makes fails once, and once for good: the import says
# so in one line, the store is as before and right, and the next import works.
. "$(dirname "$0")/../lib/tap.sh"
need python3 strace
[ -z "${LAYERCACHE_SAN:-}" ] || skip_all "the leak checker does not run under strace"

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" small "$T/small" v1
lc import "oci:$T/img" >/dev/null
lc list >"$T/list.before"
cp -a "$T/store" "$T/good"
lc import "oci:$T/small" >/dev/null
lc list >"$T/list.after"
state() { find "$T/store" -type f ! -path '*/catalog/*' -printf '%P %s\n' | sort; }
state >"$T/state.after"

# One import with a fault. Sets $hit: whether there was a call to fail.
faulty() { # calls error when
    local r
    rm -rf "$T/store" && cp -a "$T/good" "$T/store"
    rm -f "$T/trace"
    timeout -k 5 60 strace -f -qq -o "$T/trace" -e trace="$1" \
        -e inject="$1:error=$2:when=$3" "$BIN/layercache" import "oci:$T/small" >"$T/o" 2>"$T/e"
    r=$?
    hit=$(grep -c INJECTED "$T/trace")
    # Before main there is nothing of ours to be tested.
    grep -q 'shared librar' "$T/e" && return 0
    lc list >"$T/list" 2>"$T/list.err" || { what="list fails"; return 1; }
    case $r in
    0) cmp -s "$T/list" "$T/list.after" || { what="done, but it is not there"; return 1; } ;;
    1)
        [ "$(wc -l <"$T/e")" = 1 ] || { what="not one line"; return 1; }
        [ ! -s "$T/o" ] || { what="prints a result"; return 1; }
        cmp -s "$T/list" "$T/list.before" || { what="failed, but it is there"; return 1; }
        ;;
    *) what="exit status $r" && return 1 ;;
    esac
    lc verify >"$T/verify" 2>&1 || { what="verify finds damage"; return 1; }
    lc import "oci:$T/small" >/dev/null 2>"$T/list.err" || { what="the next import fails"; return 1; }
    state | grep -v '^journal\.cut ' | cmp -s - "$T/state.after" || { what="leftovers"; return 1; }
}

campaign() { # calls error how most
    local n bad=0 hit=1 what=
    for ((n = 1; n <= $4; n++)); do
        if ! faulty "$1" "$2" "$n$3"; then
            bad=$((bad + 1))
            echo "# $1 $n$3 $2: $what"
            head -3 "$T/e" "$T/list.err" "$T/verify" 2>/dev/null | sed 's/^/#   /'
        fi
        [ "$hit" != 0 ] || break
    done
    is "$1 fails with $2${3:+ for good}" "$bad" 0
    echo "# $((n - 1)) calls"
    [ "$n" -gt 1 ] || bail=1
}
campaign openat,openat2 EIO '' 60
campaign openat,openat2 EMFILE + 60
campaign pwrite64,pwritev ENOSPC '' 60
campaign pwrite64,pwritev ENOSPC + 40
campaign fsync,fdatasync EIO '' 20
campaign fsync,fdatasync EIO + 20
campaign flock ENOLCK '' 10
campaign mkdir,mkdirat,fchmod,fchmodat,unlink,unlinkat EACCES '' 10
campaign pread64,read,preadv EIO '' 70

# Making a store is interrupted anywhere, and goes on.
bad=0
for calls in mkdir,mkdirat pwrite64,write,writev fsync,fdatasync rename,renameat,renameat2 fchmod; do
    for ((n = 1; n <= 20; n++)); do
        rm -rf "$T/new"
        strace -f -qq -o "$T/trace" -e trace="$calls" -e inject="$calls:error=EIO:when=$n" \
            "$BIN/layercache" --store "$T/new/store" init >"$T/o" 2>"$T/e"
        r=$?
        grep -q INJECTED "$T/trace" || break
        if ! { [[ $r = 1 && ($(wc -l <"$T/e") = 1 || $calls = pwrite*) ]] &&
            lc --store "$T/new/store" init >"$T/o" 2>&1 &&
            lc --store "$T/new/store" verify >"$T/o" 2>&1; }; then
            bad=$((bad + 1))
            echo "# init: $calls $n"
            sed 's/^/#   /' "$T/e" "$T/o"
        fi
    done
    [ "$n" -gt 1 ] || bail=1
done
is 'init goes on where a fault stopped it' "$bad" 0
is 'each of them had calls to fail' "${bail:-0}" 0
done_testing
