#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A build cache into a registry: against the export step of `docker buildx build --cache-to
# type=registry,mode=max`. Needs what Debian 13 has: docker with buildx, docker-registry.
# The image is python-app:v4: its first layer as the base, each other one as a step that adds
# it. Loopback, nothing shaped; the registries begin empty.
. "$(dirname "$0")/lib.sh"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY
for c in dockerd docker docker-registry; do
    command -v $c >/dev/null || { say "cache: no $c here"; exit 0; }
done
docker buildx version >/dev/null 2>&1 || { say 'cache: no docker buildx here (Debian 13 has it)'; exit 0; }

theirs=127.0.0.1:5872 ours=127.0.0.1:5873 base=127.0.0.1:5874
registries=()
for port in 5872 5873 5874; do
    mkdir -p "$W/$port"
    W=$W/$port start_registry $port quiet || exit 1
    registries+=("$registry_pid")
    registry_pid=
done

export DOCKER_CONFIG=$W/docker.config DOCKER_HOST=unix://$W/docker.sock
mkdir -p "$DOCKER_CONFIG"
echo '{"features": {"containerd-snapshotter": true}}' >"$W/daemon.json"
dockerd --config-file "$W/daemon.json" --iptables=false --ip6tables=false --bridge=none \
    --data-root "$W/docker" --exec-root "$W/docker.run" -p "$W/docker.pid" -H "$DOCKER_HOST" \
    >"$W/docker.log" 2>&1 &
docker_pid=$!
trap 'kill $docker_pid "${registries[@]}"; wait; bench_cleanup' EXIT
for _ in $(seq 300); do
    docker version >/dev/null 2>&1 && break
    sleep 0.1
done
docker version >/dev/null || { say "no dockerd: $(tail -1 "$W/docker.log")"; exit 1; }

lc import -q "oci:$CORPORA/python-app:v4" app:v4 >/dev/null || exit 1
layers=$(lc show --json app:v4 | jq .layer_count)
mkdir -p "$W/context"
for n in $(seq "$layers"); do
    lc export -q app:v4 "tar:$W/context/$n.tar" --layer "$n" || exit 1
done
lc import -q "tar:$W/context/1.tar" base:1 >/dev/null && lc push -q base:1 "$base/base:1" >/dev/null || exit 1
{
    echo "FROM $base/base:1"
    for n in $(seq 2 "$layers"); do echo "ADD $n.tar /"; done
} >"$W/context/Dockerfile"

step_seconds() { # of a log: the step that exports the cache
    awk '/exporting cache to registry/ {step = $1} $1 == step && $2 == "DONE" {sub("s$", "", $3); t = $3} END {print t == "" ? "failed" : t}'
}
build() { # output
    docker buildx build --progress=plain --cache-from "type=registry,ref=$theirs/cache" \
        --cache-to "type=registry,ref=$theirs/cache,mode=max" --output "type=$1" "$W/context" 2>&1
}
forget() { docker buildx prune -af >/dev/null 2>&1; docker system prune -af >/dev/null 2>&1; }
take() { lc cache import -q "docker://$theirs/cache" seed >/dev/null; }
give() { lc cache export -q seed "$ours/cache:a" --to registry "$@"; }
time_of_cmd() {
    local from=$EPOCHREALTIME
    "$@" >"$W/log" 2>&1 || { say "$1 failed: $(tail -1 "$W/log")"; echo failed; return; }
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f\n", b - a}'
}
change() { # another last layer
    mkdir -p "$W/more/srv" && head -c 1000000 /dev/urandom | base64 >"$W/more/srv/new"
    tar -C "$W/more" -rf "$W/context/$layers.tar" srv
}
compare() { # title, output of the build
    local peer mine
    peer=$(build "$2" | tee "$W/build.log" | step_seconds)
    [ "$peer" != failed ] || say "$(tail -3 "$W/build.log")"
    take || say 'the cache of buildx was not imported'
    mine=$(time_of_cmd give)
    row "$1" "$(seconds "$mine")" "$(seconds "$peer")" \
        "$(awk -v a="$peer" -v b="$mine" 'BEGIN {printf "%.2f", a / b}') x faster" '>= 5' \
        "$(verdict "$(awk -v a="$peer" -v b="$mine" 'BEGIN {print a / b}')" '>=' 5)"
}
what='cache export of python-app:v4 as a base and its steps, against buildx'
compare "$what: into an empty registry" cacheonly
change
compare 'the same with one layer changed' cacheonly
compare 'the same with nothing changed' cacheonly
forget
rm -rf "$W/5872/registry"/* "$W/5873/registry"/* "$W/store.2"
compare 'into an empty registry, after an image was written' image,name=x
change
compare 'the same with one layer changed' image,name=x
