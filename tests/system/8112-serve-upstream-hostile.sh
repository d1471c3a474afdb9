#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# layercache serve --upstream in front of a registry that misbehaves in all the ways that
# registries do: nothing wrong is stored or looks whole, and what went wrong is told.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need python3 jq curl

export HOME=$T/home XDG_RUNTIME_DIR=$T/run LAYERCACHE_NET_TIMEOUT=1
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/stubregistry.py" "$T/img" "$T/log" "$T/ports" 2>"$T/stub.err" &
stub=$!
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
manifest=$T/img/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/img/index.json" | cut -d: -f2)
config=$(jq -r .config.digest "$manifest")
layer=$(jq -r '.layers | max_by(.size).digest' "$manifest")
size=$(jq -r '.layers | max_by(.size).size' "$manifest")
start() { serve_start --upstream "127.0.0.1:$port" --fresh 0 "$@"; }

# "STATUS", with what curl has to say if the body broke off; the code of an error.
get() { # path
    curl -s -o "$T/body" -m 20 -w '%{http_code}' "http://$address/v2/$1" || printf ' broken'
    [ ! -s "$T/body" ] || jq -jr 'if .errors then " " + .errors[0].code else "" end' "$T/body" 2>/dev/null
}
is_good() { # behaviour: all of it comes, as it is
    local d
    for d in $(jq -r '.config.digest, .layers[].digest' "$manifest"); do
        [ "$(curl -sf -m 20 "http://$address/v2/$1/app/blobs/$d" | sha256sum | cut -d' ' -f1)" = "${d#sha256:}" ] || return 1
    done
}
whole() { # behaviour
    [ "$(get "$1/app/manifests/v1")" = 200 ] && cmp -s "$T/body" "$manifest" && is_good "$1"
}
fresh() { serve_stop; rm -rf "$T/store"; start; }
stored() { lc list 2>/dev/null | wc -l; }

ok 'a server' start
ok 'all is well' whole plain
fresh

# ---- documents ----

is 'a manifest that is not what is announced' "$(get baddoc/app/manifests/v1)" '502 UNKNOWN'
jq -r '.errors[0].message' "$T/body" | grep -q 'digest mismatch'
tap_report $? 'is called that'
is 'a huge one' "$(get huge/app/manifests/v1)" '502 UNKNOWN'
is 'an endless one' "$(get endless/app/manifests/v1)" '502 UNKNOWN'
is 'a server in trouble' "$(get down/app/manifests/v1)" '502 UNKNOWN'
is 'a tag that is not there' "$(get plain/app/manifests/v2)" '404 MANIFEST_UNKNOWN'
is 'a page of HTML' "$(get html/app/manifests/v2)" '404 MANIFEST_UNKNOWN'
is 'a password' "$(get basic/app/manifests/v1)" '403 DENIED'
is 'a token from a strange place' "$(get downgrade/app/manifests/v1)" '403 DENIED'
is 'nothing was stored' "$(stored)" 0

# ---- blobs ----

is 'a wrong digest: never whole' "$(get baddigest/app/manifests/v1 >"$T/o"; get "baddigest/app/blobs/$layer")" '200 broken'
is 'not even to one who wants only the end' "$(curl -s -m 20 -r $((size - 10))- "http://$address/v2/baddigest/app/blobs/$layer" | wc -c | awk '{print $1 < 10}')" 1
is 'a small one not at all' "$(get "baddigest/app/blobs/$config")" '502 UNKNOWN'
grep -q 'has the digest' "$T/serve.err"
tap_report $? 'the server says why'
is 'a wrong size' "$(get badsize/app/manifests/v1 >"$T/o"; get "badsize/app/blobs/$layer")" '502 UNKNOWN'
is 'a blob that never ends' "$(get endlessblob/app/manifests/v1 >"$T/o"; get "endlessblob/app/blobs/$layer")" '200'
is 'is cut where it should end, and right' "$(sha256sum <"$T/body" | cut -d' ' -f1)" "${layer#sha256:}"
fresh
is 'a blob of unknown size that never ends' "$(get "endlessblob/app/blobs/$layer")" '502 UNKNOWN'
is 'a blob that never comes' "$(get never/app/manifests/v1 >"$T/o"; get "never/app/blobs/$layer")" '502 UNKNOWN'
is 'a lost one' "$(get lost/app/manifests/v1 >"$T/o"; get "lost/app/blobs/$layer")" '404 BLOB_UNKNOWN'
is 'later' "$(get later/app/manifests/v1 >"$T/o"; get "later/app/blobs/$layer")" '429 TOOMANYREQUESTS'
is 'and when' "$(curl -s -D - -o "$T/o" "http://$address/v2/later/app/blobs/$layer" | tr -d '\r' | sed -n 's/^Retry-After: //Ip')" 100000
is 'a circle' "$(get loop/app/manifests/v1 >"$T/o"; get "loop/app/blobs/$layer")" '502 UNKNOWN'
is 'nothing has a name' "$(stored)" 0
ok 'the store is well' lc verify

# ---- what can be mended is ----

for b in cut norange busy slow anon away bare; do
    fresh
    [ "$b" != away ] || { serve_stop; start --creds ci:s3cret; }
    ok "mended: $b" whole "$b"
done
is 'no credentials go to another place' "$(grep -c LEAK "$T/log")" 0
fresh
: >"$T/log"
get slow/app/manifests/v1 >"$T/o"
curl -s -m 0.3 -o "$T/o" "http://$address/v2/slow/app/blobs/$layer"
ok 'a client that leaves does not end it' is_good slow
is 'it is fetched once, and resumed at most' "$(($(grep -c "^GET /v2/slow/app/blobs/$layer" "$T/log") <= 2))" 1

# ---- an end in the middle ----

fresh
get stall/app/manifests/v1 >"$T/o"
curl -s -m 10 -o "$T/o" "http://$address/v2/stall/app/blobs/$layer" &
client=$!
sleep 0.3
kill "$serve_pid"
before=$SECONDS
wait "$serve_pid"
is 'SIGTERM while it fetches: a clean end' $? 0
is 'soon' "$((SECONDS - before <= 6))" 1
wait "$client"
ok 'the store is well' lc verify
ok 'again' start
get plain/app/manifests/v1 >"$T/o"
curl -s -o "$T/o" "http://$address/v2/plain/app/blobs/$layer" &
client=$!
sleep 0.1
kill -9 "$serve_pid"
wait "$serve_pid" "$client" 2>/dev/null
ok 'kill -9: the store is well' lc verify
ok 'again' start
ok 'all of it comes' whole plain
serve_stop
kill "$stub"
ok 'the store is well' lc verify
grep -q 'ERROR: \|runtime error' "$T/serve.err"
is 'without a sanitizer report' $? 1
done_testing
