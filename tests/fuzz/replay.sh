#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Replays every fuzz corpus through its target: corpora are regression tests.
# FUZZ_SECONDS=N with targets made by libFuzzer: explores for so long, each; what is found
# stays below $BIN/fuzz.
cd "$(dirname "$0")/../.." || exit 1
BIN=${BIN:-build/release}
limit=300
n=0
bad=0
for src in tests/fuzz/fuzz_*.c; do
    name=$(basename "$src" .c)
    corpus=tests/fuzz/corpus/${name#fuzz_}
    args=(-runs=0 "$corpus")
    if [ -n "${FUZZ_SECONDS:-}" ]; then
        mkdir -p "$BIN/fuzz/$name"
        limit=$((FUZZ_SECONDS + 300))
        args=(-max_total_time="$FUZZ_SECONDS" -artifact_prefix="$BIN/fuzz/$name-"
            "$BIN/fuzz/$name" "$corpus")
    fi
    n=$((n + 1))
    if timeout "$limit" "$BIN/tests/$name" "${args[@]}" 2>&1 | sed 's/^/# /' &&
        [ "${PIPESTATUS[0]}" = 0 ]; then
        echo "ok $n - $name replays its corpus"
    else
        echo "not ok $n - $name replays its corpus"
        bad=1
    fi
done
echo "1..$n"
exit $bad
