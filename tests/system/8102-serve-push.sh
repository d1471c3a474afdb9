#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The store as a registry that is pushed to: images, artifacts, removals, gc between them, and
# an end with kill -9.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq skopeo

python3 "$lib/mkimage.py" layered "$T/img" v1
ok 'a writable server makes a store' serve_start -w
serve_ask uploads
serve_ask broken_off
serve_ask artifacts
ok 'skopeo pushes' skopeo --insecure-policy copy -q --dest-tls-verify=false --preserve-digests \
    "oci:$T/img:v1" "docker://$address/team/app:v1"
came=$(jq -r '.manifests[0].digest' "$T/img/index.json")
is 'and gets the very manifest' "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/team/app:v1")" "$came"
: >"$T/serve.err"
ok 'again' skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$T/img:v1" "docker://$address/team/app:v2"
grep -q PATCH "$T/serve.err"
is 'uploads nothing' $? 1
is 'the store has the names' "$(lc list | cut -d' ' -f1 | paste -sd,)" \
    localhost/team/app:v1,localhost/team/app:v2
ok 'and verifies' lc verify
fails_saying 3 'is an artifact' 'an artifact is no image' lc show localhost/art:v1
d=$(jq -r '.layers[1].digest' "$T/img/blobs/sha256/${came#sha256:}")
serve_ask refused "$T/img/blobs/sha256/${d#sha256:}"
serve_ask many "$T/img" v1 crowd
ok 'gc keeps what it must' lc gc --keep-days 0
serve_ask artifact_there
serve_ask same team/app v1 "$(lc list --json | jq -r '.[0].image')"
python3 "$lib/mkimage.py" small "$T/img" small
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$T/img:small" "docker://$address/solo:1"
serve_ask image_deleted solo 1
serve_ask deleted_here team/app v1 crowd v
ok 'removing the artifact as any name' lc remove localhost/art:v1 localhost/art:index
ok 'then gc takes it' lc gc --keep-days 0
grep -q ^artifact "$T/out"
tap_report $? 'and says so'

# ---- indexes ----
serve_ask indexes "$T/img"
is 'its first platform has the name' "$(lc list --json | jq -r '.[] | select(.name=="localhost/multi:v1").platforms | length')" 2
ok 'gc' lc gc --keep-days 0
serve_ask indexes_there
serve_stop
ok 'both are exported' lc export localhost/multi:v1 "oci:$T/multi:v1"
ok 'and imported elsewhere, without their blobs' \
    lc --store "$T/other" import --all-platforms "oci:$T/multi:v1" multi:v1
lc --store "$T/other" import "oci:$T/img:small" one:1 >/dev/null 2>&1
LAYERCACHE_STORE=$T/other serve_start -w
serve_ask platforms multi v1 2
serve_ask image_deleted one 1
serve_stop

# ---- kill -9 while it is pushed to ----
python3 "$lib/mkimage.py" big "$T/img" big
serve_start -w
for _ in 1 2 3; do
    skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$T/img:big" "docker://$address/big:1" \
        >/dev/null 2>&1 &
    pusher=$!
    sleep "0.$((RANDOM % 3 + 1))"
    kill -9 "$serve_pid"
    wait "$serve_pid" "$pusher" 2>/dev/null
    ok 'clean after kill -9' lc verify
    serve_start -w
done
ok 'the push is done again' skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$T/img:big" "docker://$address/big:1"
serve_stop
ok 'clean at the end' lc verify
ok 'no file is left behind' sh -c "! find '$T/store' -maxdepth 1 -name '*tmp*' | grep ."
done_testing
