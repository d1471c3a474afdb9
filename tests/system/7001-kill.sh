#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 during imports at random points: verify is clean, earlier images are intact, the
# import works afterwards, nothing that is left over grows. ROUNDS=N for a longer campaign.
. "$(dirname "$0")/../lib/tap.sh"
need python3
rounds=${ROUNDS:-25}

python3 "$lib/mkimage.py" layered "$T/img" v1
for s in 1 2 3; do python3 "$lib/mkimage.py" big "$T/img" "b$s" "$s"; done
lc import "oci:$T/img:v1" >/dev/null
lc list >"$T/list"
layer=$(lc list layers | head -1 | cut -d' ' -f1)
lc export "layer:$layer" "tar:$T/layer.tar"

begin=$(date +%s%N)
LAYERCACHE_STORE=$T/clean "$BIN/layercache" import "oci:$T/img:b1" >/dev/null
whole=$(($(date +%s%N) - begin))
bad=0
killed=0
for i in $(seq "$rounds"); do
    "$BIN/layercache" import "oci:$T/img:b$((i % 3 + 1))" "round:$i" >/dev/null 2>&1 &
    p=$!
    sleep "$(awk -v w=$whole -v r=$RANDOM 'BEGIN {printf "%.4f", w / 1e9 * (r / 32768) * 1.1}')"
    kill -9 $p 2>/dev/null && killed=$((killed + 1))
    wait $p 2>/dev/null
    [ $((i % 5)) = 0 ] || continue
    lc verify >"$T/out" 2>"$T/err" || { bad=$((bad + 1)); sed 's/^/# /' "$T/err"; }
    lc list | grep -v round: | cmp -s - "$T/list" || bad=$((bad + 1))
done 2>/dev/null
echo "# $killed of $rounds imports were killed"
is 'verify is clean and earlier images are there after every kill' "$bad" 0
ok 'the import works' lc import "oci:$T/img:b1" again:1
ok 'and the others' sh -c "for s in 2 3; do '$BIN/layercache' import 'oci:$T/img:b'\$s again:\$s || exit 1; done"
lc export "layer:$layer" "tar:$T/layer2.tar"
ok 'an earlier layer is intact' cmp "$T/layer.tar" "$T/layer2.tar"
ok 'verify' lc verify
is 'no temporary file is left' "$(find "$T/store" -name '*tmp*' | wc -l)" 0

export LAYERCACHE_STORE=$T/fresh
for t in v1 b1 b2 b3; do lc import "oci:$T/img:$t" >/dev/null; done
fresh=$(du -sk "$T/fresh/packs" | cut -f1)
used=$(du -sk "$T/store/packs" | cut -f1)
[ "$used" -le $((fresh * 3 / 2 + 1024)) ]
tap_report $? "leftovers do not grow ($used KiB, a fresh store $fresh KiB)"
done_testing
