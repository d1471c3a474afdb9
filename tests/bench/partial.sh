#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pull of python-app:v5, where all was built anew, into a store that has v4: bytes that
# docker-registry sends for zstd:chunked layers, against the content that changed and against
# whole layers.
. "$(dirname "$0")/lib.sh"
host=127.0.0.1:5872
unset http_proxy https_proxy all_proxy
start_registry 5872 || exit 1

push_forms "$host"
for v in v4 v5; do
    "$BIN/layercache" --store "$W/made" export -q "app:$v" "oci:$W/layout:$v" --compression zstd:chunked >/dev/null
done
# The store, and one that has v4.
begin() { rm -rf "$W/store" && lc pull -q "$host/$1:v4"; }
next() { lc pull -q "$host/$1:v5"; }
mib() { awk -v n="$1" 'BEGIN {printf (n < 1e5 ? "%.1f KB\n" : "%.2f MB\n"), n / (n < 1e5 ? 1e3 : 1e6)}'; }
against() { # title ours peer op limit
    fact "$1" "$(mib "$2")" "$(mib "$3")" "$(awk -v a="$2" -v b="$3" 'BEGIN {print a / b}')" "$4" "$5"
}

begin chunked >/dev/null
read -r chunked answers < <(sent_by next chunked)
begin gzip >/dev/null
read -r plain _ < <(sent_by next gzip)
podman_pull "$host/gzip:v4" >/dev/null 2>&1
read -r podman _ < <(sent_by podman_pull "$host/gzip:v5")
read -r content tables _ < <(python3 "$here/tests/bench/chunked_changed.py" "$W/layout" v4 v5)
say "$answers answers"
title='pull of v5 where v4 is, bytes sent'
against "$title, zstd:chunked: changed content" "$chunked" "$content" '<=' 1.1
against "$title, zstd:chunked: that and the tables" "$chunked" $((content + tables)) '<=' 1.1
against "$title, gzip: \`podman pull\`" "$plain" "$podman" '<=' 1.0
fact "$title: \`podman pull\` against zstd:chunked" "$(mib "$chunked")" "$(mib "$podman")" \
    "$(awk -v a="$podman" -v b="$chunked" 'BEGIN {print a / b}')" '>=' 10
umount "$W/containers/overlay" 2>/dev/null
