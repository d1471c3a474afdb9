#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Replays every fuzz corpus through its target: corpora are regression tests.
cd "$(dirname "$0")/../.." || exit 1
BIN=${BIN:-build/release}
n=0
bad=0
for src in tests/fuzz/fuzz_*.c; do
    name=$(basename "$src" .c)
    n=$((n + 1))
    if timeout 300 "$BIN/tests/$name" "tests/fuzz/corpus/${name#fuzz_}" 2>&1 | sed 's/^/# /' &&
        [ "${PIPESTATUS[0]}" = 0 ]; then
        echo "ok $n - $name replays its corpus"
    else
        echo "not ok $n - $name replays its corpus"
        bad=1
    fi
done
echo "1..$n"
exit $bad
