#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How long it takes to have an image as plain files: from a store that has it, and with the
# import into a new one, against unpacking the layers. Input in the page cache.
. "$(dirname "$0")/lib.sh"

image=oci:$CORPORA/node-app:v1
trees() { rm -rf "$W/tree" "$W/bundle"; }
all() {
    trees
    rm -rf "$W/new"
}
checkout() { lc checkout image:v1 "$W/tree"; }
both() {
    "$BIN/layercache" --store "$W/new" import "$image" image:v1 &&
        "$BIN/layercache" --store "$W/new" checkout image:v1 "$W/tree"
}
umoci_unpack() { umoci unpack --image "$CORPORA/node-app:v1" "$W/bundle"; }

lc import "$image" image:v1 >/dev/null || exit 1
# shellcheck disable=SC2046
warm $(layers_of node-app v1) "$W"/store/packs/*
candidate ours all checkout
candidate both all both
candidate umoci all umoci_unpack
measure "$ROUNDS" ours both umoci
faster "checkout node-app:v1: \`umoci unpack\`" ours umoci 4
faster "import and checkout node-app:v1: \`umoci unpack\`" both umoci 2
