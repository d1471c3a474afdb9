#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone.
cd "$(dirname "$0")/../.." || exit 1
n=0
bad=0
flags=$(pkg-config --cflags fuse3 libarchive jansson)
for h in store/*.h store/base/*.h fs/*.h tools/*.h tools/*/*.h; do
    [ -e "$h" ] || continue
    n=$((n + 1))
    # shellcheck disable=SC2086
    if ${CC:-gcc} -std=gnu17 -Wall -Wextra -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
        -DFUSE_USE_VERSION=314 -I. $flags -fsyntax-only -x c "$h" 2>&1 |
        grep -v 'pragma once' | sed 's/^/# /' | grep .; then
        echo "not ok $n - $h compiles alone"
        bad=1
    else
        echo "ok $n - $h compiles alone"
    fi
done
echo "1..$n"
exit $bad
