#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Imports every tag of the four corpora (real images) and compares each chain, through the
# mount, with what umoci unpacks: types, modes, owners, times, contents, hardlinks, xattrs.
# CORPORA names a directory of generate.sh's output; by default it is made under build/.
. "$(dirname "$0")/../lib/tap.sh"
need root fuse umoci jq buildah skopeo debootstrap npm
CORPORA=${CORPORA:-$here/build/corpora}
targets="debian python-app node-app toolchain"

for t in $targets; do
    # shellcheck disable=SC2086
    [ -e "$CORPORA/$t/.complete" ] ||
        "$here/tests/corpora/generate.sh" "$CORPORA" "$t" >"$T/generate.log" 2>&1 ||
        { tail -20 "$T/generate.log"; skip_all "the corpus $t could not be generated"; }
done

ok 'a new store' lc init
for t in $targets; do
    ok "import every tag of $t" lc import "oci:$CORPORA/$t"
    cp "$T/out" "$T/imported.$t"
done
ok 'verify finds nothing' lc verify
ok 'mount' mount_store

compare() { # target tag chain
    local r
    rm -rf "$T/bundle"
    umoci unpack --image "$CORPORA/$1:$2" "$T/bundle" >"$T/umoci.log" 2>&1 || {
        cat "$T/umoci.log"
        return 1
    }
    python3 "$lib/treecmp.py" "$T/bundle/rootfs" "$T/mnt/chains/sha256/${3#sha256:}"
    r=$?
    rm -rf "$T/bundle"
    return "$r"
}

for t in $targets; do
    while read -r name _ chain; do
        ok "$t:${name##*:} equals umoci's tree" compare "$t" "${name##*:}" "$chain"
    done <"$T/imported.$t"
done

layers_out() { # every distinct layer of a target comes out as it went in
    local d blob
    jq -r '.manifests[].digest' "$CORPORA/$1/index.json" | while read -r d; do
        jq -r '.layers[].digest' "$CORPORA/$1/blobs/sha256/${d#sha256:}"
    done | sort -u | while read -r d; do
        blob=$CORPORA/$1/blobs/sha256/${d#sha256:}
        zcat "$blob" >"$T/layer.tar"
        d=$(sha256sum <"$T/layer.tar" | cut -c1-64)
        lc export "layer:$d" "tar:-" | cmp - "$T/layer.tar" || return 1
    done
}
for t in $targets; do
    ok "every layer of $t is exported byte for byte" layers_out "$t"
done
for t in $targets; do
    ok "re-import of $t writes nothing" lc import "oci:$CORPORA/$t"
done
ok 'unmount' unmount_store
echo "# store: $(du -sm "$T/store" | cut -f1) MiB"
done_testing
