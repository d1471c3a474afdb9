#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Steps at once, steps that are stopped or killed, and gc beside them: one executes, nothing
# stays mounted, nothing that is needed goes.
# shellcheck disable=SC2016 # the step's shell expands it
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper busybox python3

. "$lib/buildbase.sh"
make_base "$T/base"
ok 'a base image' lc snapshot -n base "$T/base"
run=("$BIN/layercache" run --parent base)
left() { find "$LAYERCACHE_STORE/overlays" "$LAYERCACHE_STORE/runs" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
mounts() { grep -c "$T/store" /proc/self/mountinfo; }
# The commands of this test are found by how long they sleep.
n=$((10000000 + $$))
sleeping() { pgrep -f "^sleep $1\$" | wc -l; }
wait_for() { # command...
    for _ in $(seq 1500); do
        "$@" && return
        sleep 0.02
    done
    return 1
}
starts() { [ "$(sleeping "$1")" -gt 0 ]; }
both() { starts "$1" && starts "$2"; }
ends() { [ "$(sleeping "$1")" = 0 ]; }

# ---- two at once ----
for i in 1 2 3; do
    "${run[@]}" -- sh -c 'echo RAN; sleep 0.5; head -c 16 /dev/urandom >/id' >"$T/line$i" 2>"$T/err$i" &
    pids[i]=$!
done
wait "${pids[@]}"
is 'of three equal steps at once one is executed' "$(cat "$T"/err?)" RAN
is 'all get its result' "$(sort -u "$T"/line? | grep -c sha256)" 1
for i in 1 2; do
    "${run[@]}" -- sh -c "sleep $((n + i)); true" >/dev/null 2>&1 &
    pids[i]=$!
done
ok 'two others do not wait for each other' wait_for both "$((n + 1))" "$((n + 2))"
for i in 1 2; do kill "$(pgrep -f "^sleep $((n + i))\$")"; done
wait "${pids[@]:1:2}"
n=$((n + 2))
"${run[@]}" -- sh -c 'echo RAN; sleep 0.4; exit 9' >/dev/null 2>"$T/err1" &
pids[1]=$!
"${run[@]}" -- sh -c 'echo RAN; sleep 0.4; exit 9' >/dev/null 2>"$T/err2"
second=$?
wait "${pids[1]}"
is 'if the first fails the second tries' "$? $second $(cat "$T"/err[12] | grep -c RAN)" '9 9 2'
is 'no lock is left' "$(left)" 0

# ---- stopped ----
for signal in INT TERM HUP; do
    n=$((n + 1))
    # Without a job of its own a background process ignores SIGINT.
    (trap - INT && exec setsid "${run[@]}" -- sh -c "sleep $n; true" >/dev/null 2>"$T/err1") &
    pid=$!
    wait_for starts "$n"
    is "SIG$signal: a step is running" "$(sleeping "$n")" 1
    kill -s "$signal" "$pid"
    wait "$pid" 2>/dev/null
    is "SIG$signal: it ends by it" "$? $(cat "$T/err1")" \
        "$((128 + $(kill -l "$signal"))) layercache: run: stopped by signal $(kill -l "$signal") ($(python3 -c "import signal; print(signal.strsignal(signal.SIG$signal))"))"
    is "SIG$signal: with the command" "$(sleeping "$n")" 0
    is "SIG$signal: nothing is left" "$(left) $(mounts)" '0 0'
done
n=$((n + 1))
cat >"$T/script" <<EOF
echo start
${run[*]} -- sleep $n 2>/dev/null
echo not reached
EOF
(exec env --default-signal=INT setsid bash "$T/script" >"$T/said" 2>&1) &
pid=$!
wait_for starts "$n"
kill -INT -"$pid"
wait "$pid"
is 'Ctrl-C ends a script of steps' "$? $(cat "$T/said")" '130 start'
is 'and the step' "$(sleeping "$n") $(left) $(mounts)" '0 0 0'

# ---- killed ----
n=$((n + 1))
"${run[@]}" -- sh -c "echo x >/x; sleep $n; true" >/dev/null 2>&1 &
pid=$!
wait_for starts "$n"
{ kill -KILL "$pid"; wait "$pid"; } 2>/dev/null
ok 'kill -9: the command goes, too' wait_for ends "$n"
is 'nothing is mounted' "$(mounts)" 0
wait_for sh -c "! pgrep -f '^layercache --store $LAYERCACHE_STORE mount' >/dev/null"
is 'nor served' "$?" 0
ok 'the next step' "${run[@]}" -- true
is 'sweeps what was left' "$(left)" 0
n=$((n + 1))
"${run[@]}" -- sh -c "setsid sleep $n & sleep 0.2" >/dev/null 2>&1
is 'what a command leaves behind ends with it' "$(sleeping "$n")" 0

# ---- gc ----
n=$((n + 1))
"${run[@]}" -- sh -c "echo y >/y; sleep $n; true" >/dev/null 2>&1 &
pid=$!
wait_for starts "$n"
ok 'the name is taken away under a step' lc remove base
ok 'gc' lc gc
kill "$(pgrep -f "^sleep $n\$")"
wait "$pid"
is 'the step ends well' "$?" 0
ok 'the store is whole' lc verify
done_testing
