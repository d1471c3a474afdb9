# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the benchmarks share. Each part is a script of its own that sources this:
# candidates are run in turn, again and again (interleaved), so that what disturbs the machine
# disturbs all of them; what counts is the median of the ratios of each round.
#
#   candidate NAME PREPARE COMMAND     two function names; PREPARE is not timed, may be `:`
#   measure ROUNDS NAME...             runs all of them ROUNDS times, interleaved
#   goal TITLE OURS PEER "<=" LIMIT    a row of the table: OURS against PEER, times
#   fact TITLE OURS PEER RATIO "<=" LIMIT   the same of numbers that are already there
#   start_registry PORT [quiet]        Debian's docker-registry, its files below $W/registry
#   push_forms HOST                    python-app:v4 and v5, as HOST/gzip and HOST/chunked
#   podman_pull REF                    into containers-storage below $W/containers
set -u -o pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${BIN:-$here/build/release}
OUT=${OUT:-$here/build/bench}
CORPORA=${CORPORA:-$here/build/corpora}
ROUNDS=${ROUNDS:-5}
mkdir -p "$OUT/rows"
part=$(basename "$0" .sh)
rows=$OUT/rows/$part.md
: >"$rows"
W=$OUT/work.$part # scratch: on the filesystem of the checkout, a tmpfs would flatter all
mkdir -p "$W/samples"
declare -A prepare command

lc() { "$BIN/layercache" --store "$W/store" "$@"; }
say() { printf '%s\n' "$*" >&2; }

registry_pid=
bench_cleanup() {
    local m
    [ -z "$registry_pid" ] || kill "$registry_pid" && wait "$registry_pid" 2>/dev/null
    lc unmount "$W/mnt" >/dev/null 2>&1
    tac /proc/self/mountinfo | awk '{print $5}' | while read -r m; do
        case $m in "$W"/*) umount -l "$m" ;; esac
    done
    rm -rf "${W:?}"
}
trap bench_cleanup EXIT
trap 'exit 130' INT TERM

# ---- caches ----

drop_caches() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}
warm() { cat "$@" >/dev/null; }

# ---- images ----

manifest_of() { # target tag -> path of its manifest
    local d
    d=$(jq -r --arg t "$2" '.manifests[] |
        select(.annotations["org.opencontainers.image.ref.name"] == $t).digest' "$CORPORA/$1/index.json")
    echo "$CORPORA/$1/blobs/sha256/${d#sha256:}"
}
layers_of() { # target tag -> paths of its layers, bottom first
    jq -r '.layers[].digest' "$(manifest_of "$1" "$2")" | sed "s,^sha256:,$CORPORA/$1/blobs/sha256/,"
}
tags_of() { # target
    jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$CORPORA/$1/index.json"
}

# ---- a registry ----

# What it was asked for and how many bytes it gave is in $W/registry.log, unless it is quiet.
start_registry() {
    local level=${2:+error}
    cat >"$W/registry.yml" <<END
version: 0.1
log: {level: ${level:-info}, accesslog: {disabled: $([ -n "$level" ] && echo true || echo false)}}
storage: {filesystem: {rootdirectory: $W/registry}}
http: {addr: "127.0.0.1:$1"}
END
    docker-registry serve "$W/registry.yml" >>"$W/registry.log" 2>&1 &
    registry_pid=$!
    for _ in $(seq 100); do
        (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.05
    done
    say "no registry: $(tail -1 "$W/registry.log")"
    return 1
}

# What it logged while a command ran.
logged_by() {
    local before
    before=$(wc -l <"$W/registry.log")
    "$@" >"$W/log" 2>&1 || say "$1 failed: $(tail -1 "$W/log")"
    sleep 0.2
    tail -n "+$((before + 1))" "$W/registry.log"
}

# A line "BYTES ANSWERS" of what it gave while a command ran.
sent_by() { logged_by "$@" | awk '/"GET \/v2\// {s += $10; n++} END {print s + 0, n + 0}'; }

push_forms() {
    local v
    for v in v4 v5; do
        skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$CORPORA/python-app:$v" "docker://$1/gzip:$v"
        "$BIN/layercache" --store "$W/made" import -q "oci:$CORPORA/python-app:$v" "app:$v" >/dev/null
        "$BIN/layercache" --store "$W/made" push -q "app:$v" "$1/chunked:$v" --compression zstd:chunked >/dev/null
    done
}

podman_pull() {
    podman --root "$W/containers" --runroot "$W/containers.run" --storage-driver overlay pull -q \
        --tls-verify=false "$1"
}

# ---- measuring ----

candidate() {
    prepare[$1]=$2
    command[$1]=$3
    rm -f "$W/samples/$1"
}

# Runs one candidate once; its time, or "failed", is one more line of its samples.
run_once() {
    local from to
    ${prepare[$1]} >"$W/log" 2>&1 || say "preparing $1 failed: $(tail -1 "$W/log")"
    from=$EPOCHREALTIME
    if ${command[$1]} >"$W/log" 2>&1; then
        to=$EPOCHREALTIME
        awk -v a="$from" -v b="$to" 'BEGIN {printf "%.4f\n", b - a}' >>"$W/samples/$1"
    else
        say "$1 failed: $(tail -2 "$W/log")"
        echo failed >>"$W/samples/$1"
    fi
}

measure() {
    local rounds=$1 i name
    shift
    for i in $(seq "$rounds"); do
        for name in "$@"; do
            run_once "$name"
            say "  $i/$rounds $name $(tail -1 "$W/samples/$name")"
        done
    done
}

median() { # of numbers on stdin; "failed" if one is not
    sort -g | awk '/failed/ {bad = 1} {v[NR] = $1}
        END {if (bad || !NR) print "failed"
             else print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2)}'
}
time_of() { median <"$W/samples/$1"; }
ratio_of() { # ours peer: median of the rounds' ratios
    paste "$W/samples/$1" "$W/samples/$2" |
        awk '/failed/ || NF < 2 {print "failed"; next} {printf "%.4f\n", $1 / $2}' | median
}

# ---- rows ----

row() { # title ours peer ratio goal verdict
    printf '| %s | %s | %s | %s | %s | %s |\n' "$@" | tee -a "$rows" >&2
}
verdict() { # ratio op limit
    awk -v r="$1" -v op="$2" -v l="$3" 'BEGIN {
        if (r == "failed") print "failed"
        else if (op == "<=" ? r + 0 <= l + 0 : op == "<" ? r + 0 < l + 0 : r + 0 >= l + 0) print "hit"
        else print "**missed**"}'
}
seconds() {
    awk -v s="$1" 'BEGIN {
        if (s == "failed") print s
        else if (s < 1) printf "%.0f ms\n", s * 1000
        else printf "%.2f s\n", s}'
}
short() { awk -v r="$1" 'BEGIN {if (r == "failed") print r; else printf "%.2f\n", r}'; }
goal() {
    local ratio
    ratio=$(ratio_of "$2" "$3")
    row "$1" "$(seconds "$(time_of "$2")")" "$(seconds "$(time_of "$3")")" "$(short "$ratio")" \
        "$4 $5" "$(verdict "$ratio" "$4" "$5")"
}
# How many times faster than a peer.
faster() { # title ours peer limit
    local ratio
    ratio=$(ratio_of "$3" "$2")
    row "$1" "$(seconds "$(time_of "$2")")" "$(seconds "$(time_of "$3")")" "$(short "$ratio") x faster" \
        ">= $4" "$(verdict "$ratio" ">=" "$4")"
}
# A bound in itself, no peer.
bound() { # title value text op limit limit-text
    row "$1" "$3" - - "$4 $6" "$(verdict "$2" "$4" "$5")"
}
fact() { row "$1" "$2" "$3" "$(short "$4")" "$5 $6" "$(verdict "$4" "$5" "$6")"; }
