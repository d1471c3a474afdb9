#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests that no client should send. The server answers each, and goes on.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3

serve_start -w
T=$T python3 "$lib/distribution.py" "$address" slow_head >"$T/slow" 2>&1 &
slow=$!
serve_ask hostile
wait $slow
grep -q '^ok' "$T/slow"
tap_report $? 'a head that comes byte by byte is cut off'
ok 'the store is clean' lc verify
kill -0 "$serve_pid"
tap_report $? 'the server lives'
serve_stop
tap_report $? 'and ends cleanly'
grep -q 'ERROR: \|runtime error' "$T/serve.err"
is 'without a sanitizer report' $? 1
done_testing
