#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command itself: help, versions, exit statuses, a store of its own.
. "$(dirname "$0")/../lib/tap.sh"

ok 'help lists the verbs' lc help
grep -q import "$T/out"
tap_report $? 'help names import'
ok '--version' lc --version
ok 'help of a verb' lc help import
fails_saying 2 "layercache: .*'frobnicate'" 'an unknown verb is a usage error' lc frobnicate
fails 2 'no verb is a usage error' lc
fails_saying 2 "layercache: " 'an unknown option is a usage error' lc list --no-such-option
fails_saying 2 "layercache: " 'a missing argument is a usage error' lc import
fails_saying 3 "layercache: .*store" 'a command that reads needs a store' lc list
ok 'init makes a store' lc init
ok 'init again is content' lc init
is 'a new store has mode 0700' "$(stat -c %a "$T/store")" 700
ok 'list of an empty store is empty' lc list
[ ! -s "$T/out" ]
tap_report $? 'and prints nothing'
ok 'list --json of an empty store' lc list --json
is 'is an empty array' "$(tr -d ' \n' <"$T/out")" '[]'
fails 3 'show of something unknown is not found' lc show no-such-image
fails 3 'path of something unknown is not found' lc path no-such-image
fails 3 'a digest that is not there is not found' lc show \
    sha256:0000000000000000000000000000000000000000000000000000000000000000
ok 'verify of an empty store' lc verify
mkdir "$T/other" && echo keep >"$T/other/file"
fails_saying 1 "not empty|not a store" 'a directory with files is not taken for a store' \
    lc --store "$T/other" init
is 'and stays as it was' "$(cat "$T/other/file")" keep
printf 'layercache store\nread 99\nwrite 99\n' >"$T/store/version"
fails_saying 1 "version" 'a store of the future is refused' lc list
lc list >/dev/full 2>"$T/err"
is 'errors are one line' "$(wc -l <"$T/err")" 1
done_testing
