# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# golden.sh: what is recorded of a frozen store, by make-golden.sh, and compared for ever, by
# 7004-golden.sh. Needs `lc` and the store mounted.

# Everything that a user can see of the store, as text: names, layers, chains, the SHA-256 of
# every exported tar, every tree.
golden_expect() { # mountpoint
    local d
    lc list | sed 's/^/name /'
    lc list layers | sed 's/^/layer /'
    lc list chains | sed 's/^/chain /'
    for d in $(lc list layers | cut -d' ' -f1); do
        echo "tar $d sha256:$(lc export "layer:$d" tar:- | sha256sum | cut -c1-64)"
    done
    for d in $(cd "$1" && echo layers/sha256/* chains/sha256/*); do
        python3 "$here/tests/lib/treeimage.py" "$1/$d" | sed "s,^,${d%%/*} ${d##*/} ,"
    done
}
