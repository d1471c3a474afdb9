# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# tap.sh: what every system test sources. TAP on stdout, one scratch directory, nothing left.
#
#   . "$(dirname "$0")/../lib/tap.sh"
#   need root fuse umoci       # skips the file; with LAYERCACHE_REQUIRE set it fails instead
#   need upper                 # makes $T fit for upper directories of overlays; call it first
#   lc import ...              # the program under test with the scratch store
#   ok 'a title' command ...   # passes if the command succeeds
#   fails 3 'a title' command  # passes if it exits with that very status
#   is 'a title' "$got" "$want"
#   done_testing
#
# Why a test failed goes to stderr: prove shows that without -v as well.
set -u
export LC_ALL=C.UTF-8
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${BIN:-$here/build/release}
# shellcheck disable=SC2034
lib=$here/tests/lib
T=$(mktemp -d "${TMPDIR:-/tmp}/layercache-test.XXXXXX")
export LAYERCACHE_STORE=$T/store
unset LAYERCACHE_MOUNT || true
tap_count=0
tap_failed=0

# Unmounts everything below the scratch directory, topmost mounts first, and removes it.
tap_cleanup() {
    local m pid
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null; done
    tac /proc/self/mountinfo | awk '{print $5}' | while read -r m; do
        m=$(printf '%b' "${m//\\/\\0}")
        case $m in "$T" | "$T"/*) umount -l "$m" 2>/dev/null ;; esac
    done
    wait 2>/dev/null
    chattr -R -i "$T" 2>/dev/null
    rm -rf "$T"
}
trap tap_cleanup EXIT
trap 'exit 1' INT TERM

lc() { timeout -k 5 "${LC_TIMEOUT:-300}" "$BIN/layercache" "$@"; }

skip_all() {
    if [ -n "${LAYERCACHE_REQUIRE:-}" ]; then
        echo "Bail out! missing prerequisite: $*"
        exit 1
    fi
    echo "1..0 # SKIP $*"
    exit 0
}

need() {
    local n
    for n in "$@"; do
        case $n in
        root) [ "$(id -u)" = 0 ] || skip_all "needs root" ;;
        fuse) [[ -c /dev/fuse && $(id -u) = 0 ]] || skip_all "needs /dev/fuse and root" ;;
        upper) # a container's own root is an overlay, which cannot be an upper directory
            [ "$(stat -f -c %T "$T")" != overlayfs ] || mount -t tmpfs -o mode=700 tmpfs "$T" ||
                skip_all "needs a filesystem for upper directories"
            ;;
        *) command -v "$n" >/dev/null || skip_all "needs $n" ;;
        esac
    done
}

tap_report() { # status title
    tap_count=$((tap_count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $tap_count - $2"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $2"
        {
            echo "# failed: $tap_count - $2"
            sed 's/^/#   /' "$T/out" "$T/err" 2>/dev/null | head -40
        } >&2
    fi
}

# Runs a command with its output in $T/out and $T/err, which it can therefore not read.
tap_run() {
    case " $* " in
    *" $T/out "* | *" $T/err "*)
        echo "# it would overwrite what it reads" >"$T/err"
        return 125
        ;;
    esac
    "$@" >"$T/out" 2>"$T/err" </dev/null
}

ok() {
    local title=$1
    shift
    tap_run "$@"
    tap_report $? "$title"
}

fails() {
    local want=$1 title=$2 got
    shift 2
    tap_run "$@"
    got=$?
    [ "$got" = "$want" ] || echo "# exit status $got, expected $want" >&2
    [ "$got" = "$want" ]
    tap_report $? "$title"
}

# As fails, and the error is exactly one line that matches the pattern.
fails_saying() {
    local want=$1 pattern=$2 title=$3 got
    shift 3
    tap_run "$@"
    got=$?
    [ "$got" = "$want" ] && [ "$(wc -l <"$T/err")" = 1 ] && grep -qE -- "$pattern" "$T/err"
    got2=$?
    [ $got2 = 0 ] || echo "# exit status $got, expected $want and one line like '$pattern'" >&2
    tap_report $got2 "$title"
}

is() {
    printf '%s\n' "$2" >"$T/out"
    printf 'expected: %s\n' "$3" >"$T/err"
    [ "$2" = "$3" ]
    tap_report $? "$1"
}

done_testing() {
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
    exit $?
}

# Starts a daemon mount of the scratch store at $T/mnt and waits for it.
mount_store() {
    mkdir -p "$T/mnt"
    lc mount "$T/mnt" "$@" || return 1
    mountpoint -q "$T/mnt"
}
unmount_store() { lc unmount "$T/mnt"; }
