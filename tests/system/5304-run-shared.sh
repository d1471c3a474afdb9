#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Results of steps travel: what one store has run and sent to a registry or a layout, another
# finds there.
# shellcheck disable=SC2016 # the step's shell expands it
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper busybox docker-registry skopeo jq ip
ip link set lo up
export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy

. "$lib/buildbase.sh"
make_base "$T/base"
cat >"$T/registry.yml" <<Y
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/registry}}
http: {addr: "127.0.0.1:5000"}
Y
docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
for _ in $(seq 100); do
    (: <"/dev/tcp/127.0.0.1/5000") 2>/dev/null && break
    sleep 0.05
done
requests() { grep -acE "\"($1) /v2/" "$T/registry.log"; }
mkdir "$T/app"
echo 'print(1)' >"$T/app/main.py"
lc --store "$T/a" snapshot -n base --epoch 0 "$T/base" >"$T/line"
is 'two stores with the same base' "$(lc --store "$T/b" snapshot -n base --epoch 0 "$T/base")" "$(cat "$T/line")"

# Three steps in a store; the last line is its image's chain.
build() { # store options...
    local store=$1 parent=base
    shift
    step() { parent=$(lc --store "$store" run -q --parent "$parent" "${options[@]}" "$@" | cut -d' ' -f3) && [ -n "$parent" ]; }
    options=("$@")
    step -- pkg install netcat &&
        step --workdir /app &&
        step --input "$T/app:." --name app &&
        lc --store "$store" list images | awk '/\/app:latest/ {print $3}'
}
chain=$(build "$T/a" --cache-to 127.0.0.1:5000/ci/cache 2>"$T/ran")
is 'one store runs the steps and sends them' "$(grep -c RAN "$T/ran")" 1
is 'to a tag each' "$(lc list --remote 127.0.0.1:5000/ci/cache | grep -cE ':[0-9a-f]{64}$')" 3
sent=$(requests PUT)
build "$T/a" --cache-to 127.0.0.1:5000/ci/cache >"$T/line" 2>&1
is 'once' "$(requests PUT)" "$sent"
is 'the other runs nothing and has the same' "$(build "$T/b" --cache-from 127.0.0.1:5000/ci/cache 2>&1)" "$chain"
got=$(requests GET)
is 'what is here is not asked for' "$(build "$T/b" --cache-from 127.0.0.1:5000/ci/cache 2>&1) $(requests GET)" "$chain $got"
echo 'print(2)' >"$T/app/main.py"
chain2=$(build "$T/b" --cache-from 127.0.0.1:5000/ci/cache --cache-to 127.0.0.1:5000/ci/cache 2>&1)
is 'an edit: one step more' "$(lc list --remote 127.0.0.1:5000/ci/cache | wc -l)" 4
is 'which the first store finds' "$(build "$T/a" --cache-from 127.0.0.1:5000/ci/cache 2>&1)" "$chain2"
is 'they are images as any other' "$(skopeo inspect --tls-verify=false --config "docker://$(lc list --remote 127.0.0.1:5000/ci/cache | tail -1)" | jq -r .os)" linux

# ---- lookup ----
key=$(lc --store "$T/a" key --parent base -- pkg install netcat)
ok 'a store that is not there yet looks up a key' lc --store "$T/c" lookup "$key" --cache-from 127.0.0.1:5000/ci/cache
is 'the chain' "$(cut -d' ' -f1 "$T/out")" "$(lc --store "$T/a" lookup "$key" | cut -d' ' -f1)"
ok 'then it has it' lc --store "$T/c" lookup "$key"
fails_saying 3 'no result of key' 'nobody has it' lc --store "$T/c" lookup sha256:"$(printf '%064d' 1)" --cache-from 127.0.0.1:5000/ci/cache
fails_saying 3 'no result of any of the 2 keys' 'none of several' lc --store "$T/c" lookup x y --cache-from 127.0.0.1:5000/none

# ---- a layout; several; a tag ----
chain3=$(build "$T/a" --cache-from "oci:$T/none" --cache-to "oci:$T/layout:main" 2>&1)
is 'to a layout, that is made' "$chain3 $(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$T/layout/index.json" | grep -cE '^main-[0-9a-f]{64}$')" "$chain2 3"
lc --store "$T/d" snapshot -n base --epoch 0 "$T/base" >"$T/line"
is 'from the second of two' "$(build "$T/d" --cache-from "oci:$T/layout:other" --cache-from "oci:$T/layout:main" 2>&1)" "$chain2"

# ---- failures ----
run() { lc --store "$T/d" run --parent base "$@"; }
fails_saying 125 "'a@b' is no place" 'no place' run --cache-from a@b -- true
fails_saying 125 "is no place" 'nor a transport that has no tags' run --cache-to 'dir:' -- true
ok 'who does not answer has nothing' run --cache-from 127.0.0.1:5999/x -- sh -c 'echo RAN 1'
is 'it is said, and the step is run' "$(grep -c "no result from '127.0.0.1:5999/x'" "$T/err") $(grep -c RAN "$T/err")" '1 1'
fails 125 'what cannot be sent is an error' run --cache-to 127.0.0.1:5999/x -- sh -c 'echo RAN 2'
ok 'but recorded' run --cache-to 127.0.0.1:5000/ci/cache -- sh -c 'echo RAN 2'
is 'and can be sent later' "$(cat "$T/err") $(lc list --remote 127.0.0.1:5000/ci/cache | grep -c "$(cut -d' ' -f3 "$T/out" | cut -d: -f2)")" ' 1'
fails 7 'failures are not sent' run --cache-to 127.0.0.1:5000/ci/cache -- sh -c 'exit 7'
is 'really' "$(lc list --remote 127.0.0.1:5000/ci/cache | wc -l)" 5
done_testing
