# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# serve.sh: for tests of `layercache serve`, after tap.sh.
#
#   serve_start [OPTION...]    # a server of the scratch store on a free port; its address
#   serve_stop                 # is in $address afterwards
#   serve_ask PART [ARG...]    # runs a part of distribution.py, reports its checks
#
# Sourced before tap.sh with `serve_alone "$0"`, the script runs in a network of its own.
serve_alone() {
    [ -z "${SERVE_ALONE:-}" ] || return 0
    [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null || return 0
    # shellcheck disable=SC2016 # the inner shell expands it
    SERVE_ALONE=1 exec unshare -n bash -c 'ip link set lo up && exec bash "$0"' "$1"
}

serve_start() {
    : >"$T/serve.out"
    "$BIN/layercache" serve 127.0.0.1:0 "$@" >"$T/serve.out" 2>"$T/serve.err" &
    serve_pid=$!
    for _ in $(seq 200); do
        [ ! -s "$T/serve.out" ] || break
        sleep 0.05
    done
    address=$(sed -n 's,^http://,,p' "$T/serve.out")
    [ -n "$address" ]
}

serve_stop() {
    kill "$serve_pid" && wait "$serve_pid"
}

serve_ask() {
    local line
    : >"$T/out"
    : >"$T/err"
    T=$T python3 "$lib/${serve_asks:-distribution}.py" "$address" "$@" >"$T/asked" 2>&1 ||
        { cp "$T/asked" "$T/err"; tap_report 1 "distribution.py $1 came to its end"; }
    while read -r line; do
        case $line in
        'ok '*) tap_report 0 "${line#ok }" ;;
        'not ok '*) tap_report 1 "${line#not ok }" ;;
        *) echo "# $line" ;;
        esac
    done <"$T/asked"
}
