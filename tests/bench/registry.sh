#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pulls from Debian's docker-registry and pushes to it, on loopback, nothing shaped: against
# importing the same image from local files, and against other clients.
. "$(dirname "$0")/lib.sh"

image=127.0.0.1:5871/python-app:v4
unset http_proxy https_proxy all_proxy
start_registry 5871 || exit 1
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$CORPORA/python-app:v4" "docker://$image"

fresh() {
    umount "$W/containers/overlay" 2>/dev/null # a mount that containers-storage leaves
    rm -rf "$W/store" "$W/containers" "$W/containers.run"
    drop_caches
    find "$CORPORA/python-app/blobs" "$W/registry" -type f -exec cat {} + >/dev/null
    warm "$BIN/layercache"
}
import() { lc import -q "oci:$CORPORA/python-app:v4"; }
pull() { lc pull -q "$image"; }
skopeo_copy() {
    skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$image" \
        "containers-storage:[overlay@$W/containers+$W/containers.run]localhost/bench:v4"
}
say 'pull of python-app:v4'
candidate ours fresh pull
candidate local fresh import
measure "$ROUNDS" ours local
goal 'pull python-app:v4: import of the same from local files' ours local '<=' 1.3
candidate ours fresh pull
candidate skopeo fresh skopeo_copy
measure $(((ROUNDS + 1) / 2)) ours skopeo
faster "pull python-app:v4: \`skopeo copy\` to containers-storage" ours skopeo 3

say 'push of what is there'
fresh
pull >/dev/null
push() { lc push -q "$image"; }
candidate again : push
measure $((2 * ROUNDS)) again
bound 'push of an image that is there' "$(time_of again)" "$(seconds "$(time_of again)")" '<' 0.1 '100 ms'
count=$(logged_by push | grep -acE '"(GET|HEAD|PUT|POST|PATCH) ')
bound 'push of an image that is there: requests' "$count" "$count" '<' 10 10
