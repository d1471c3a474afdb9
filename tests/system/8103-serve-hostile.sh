#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests that no client should send. The server answers each, and goes on.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3

serve_start -w
serve_ask hostile
ok 'the store is clean' lc verify
kill -0 "$serve_pid"
tap_report $? 'the server lives'
serve_stop
tap_report $? 'and ends cleanly'
grep -q 'ERROR: \|runtime error' "$T/serve.err"
is 'without a sanitizer report' $? 1
done_testing
