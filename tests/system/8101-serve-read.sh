#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The store as a registry: images that were imported are pulled, by any of their names.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq skopeo

python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" big "$T/img" big
fails 3 'no store, nothing to serve' lc serve 127.0.0.1:0
fails_saying 2 'no authentication' 'not for others unless asked' lc serve 0.0.0.0:0
fails_saying 2 'is no address' 'an address must be one' lc serve nowhere
fails_saying 2 'is no address' 'a port must be one' lc serve 127.0.0.1:70000
lc import "oci:$T/img:v1" >"$T/line" 2>/dev/null
image=$(cut -d' ' -f2 "$T/line")
lc import "oci:$T/img:big" local/big:1 >/dev/null 2>&1
other=$(lc list --json | jq -r '.[] | select(.name=="docker.io/local/big:1").image')

ok 'it starts' serve_start
ok 'is there already: the port is taken' sh -c \
    "! timeout 5 '$BIN/layercache' serve '$address' 2>'$T/taken'; grep -q 'cannot listen' '$T/taken'"
serve_ask pull img v1 "$T/img"
serve_stop
tap_report $? 'SIGTERM ends it cleanly'
grep -q '^GET /v2/img/manifests/v1 200 ' "$T/serve.err"
tap_report $? 'each request is a line on stderr'

# ---- names ----
for name in app:v1 reg.example/team/app:v1 reg.example:5000/port/app:x localhost/b:1 b:2 b:3; do
    lc tag img:v1 $name 2>/dev/null || lc tag localhost/img:v1 $name
done
lc tag local/big:1 b:1
lc tag local/big:1 reg.example/port/app:x
serve_start --quiet
serve_ask same app v1 "$image"
serve_ask same library/app v1 "$image"
serve_ask same docker.io/library/app v1 "$image"
serve_ask same reg.example/team/app v1 "$image"
serve_ask same team/app v1 "$image"
serve_ask same reg.example/port/app x "$other"
serve_ask same b 1 "$image" # localhost comes before docker.io
serve_ask same docker.io/library/b 1 "$other"
serve_ask lists b 1 2 3
serve_ask catalog b docker.io/library/app docker.io/library/b docker.io/local/big img port/app \
    reg.example/port/app reg.example/team/app
ok 'skopeo sees tags' sh -c "skopeo list-tags --tls-verify=false docker://$address/b | jq -e '.Tags==[\"1\",\"2\",\"3\"]'"
ok 'skopeo copies' skopeo --insecure-policy copy -q --src-tls-verify=false \
    "docker://$address/app:v1" "oci:$T/copy:v1"
d=$(jq -r '.manifests[0].digest' "$T/copy/index.json")
is 'the same image' "$(jq -r .config.digest "$T/copy/blobs/sha256/${d#sha256:}")" "$image"
served=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/app:v1")
[ ! -s "$T/serve.err" ]
tap_report $? '--quiet is quiet'

# ---- what is new ----
lc import "oci:$T/img:v1" late:1 >/dev/null 2>&1
serve_ask same late 1 "$image"
lc remove late:1
ok 'a name that was removed is gone' sh -c "! skopeo inspect --tls-verify=false docker://$address/late:1"
serve_stop
serve_start
ok 'digests are the same after a restart' skopeo inspect --tls-verify=false "docker://$address/app@$served"

# ---- as it came ----
lc import --keep-blobs "oci:$T/img:v1" kept:1 >/dev/null 2>&1
came=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"]=="v1").digest' "$T/img/index.json")
is 'kept blobs: the very manifest' "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/kept:1")" "$came"
ok 'and the very blobs' skopeo --insecure-policy copy -q --src-tls-verify=false --preserve-digests \
    "docker://$address/kept@$came" "dir:$T/kept"
serve_stop

# ---- beginning and end ----
# shellcheck disable=SC2016 # the inner shell expands it
LISTEN_FDS=1 timeout 5 bash -c 'LISTEN_PID=$$ exec "$0" serve 3<"$1"' "$BIN/layercache" "$T/line" 2>"$T/err"
is 'what is handed over must be a socket' $? 1
serve_start --idle-exit 1
wait "$serve_pid"
is 'nothing to do: it ends by itself' $? 0
done_testing
