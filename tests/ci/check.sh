#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All recipes of tools/ci, each through four generations with a real Docker daemon, and the
# same builds with BuildKit's own inline cache in the registry: how many steps are CACHED.
# `make check-ci`; takes some minutes.
. "$(dirname "$0")/../lib/ci.sh"
ci_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need root upper dockerd docker docker-registry htpasswd openssl busybox ip curl python3
ci_start

# What a recipe's builds are without layercache: built from the registry, pushed there.
alone_build() { # FORM
    local r=registry.example/alone/$1 compose=()
    case $1 in
    single)
        docker build --cache-from "$r:latest" --tag "$r:latest" \
            --build-arg BUILDKIT_INLINE_CACHE=1 . && docker push "$r:latest"
        return
        ;;
    single-compose) compose=(docker compose) ;;
    multi*)
        docker build --target base --cache-from "$r:base" --tag "$r:base" \
            --build-arg BUILDKIT_INLINE_CACHE=1 --file Dockerfile.multi . &&
            docker push "$r:base" || return
        compose=(docker compose -f docker-compose.multi.yml)
        ;;
    esac
    if [ "$1" = multi ]; then
        docker build --cache-from "$r:base" --cache-from "$r:stage" --tag "$r:stage" \
            --build-arg BUILDKIT_INLINE_CACHE=1 --file Dockerfile.multi . &&
            docker push "$r:stage"
        return
    fi
    export STORE=registry.example CACHE_IMAGE=alone/$1 TAG=built
    "${compose[@]}" build --build-arg BUILDKIT_INLINE_CACHE=1 || return
    case $1 in
    single-compose) docker tag "$r:built" "$r:latest" && docker push "$r:latest" ;;
    *) docker tag "$r:built-stage" "$r:stage" && docker push "$r:stage" ;;
    esac
}

# FORM; COUNTS are those of its generations.
alone() {
    local change
    counts=()
    ci_app
    for change in '' '' source requirements; do
        ci_change "$change"
        ci_wipe
        ci_home
        (
            cd "$app" && export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 &&
                docker login -u "$REGISTRY_USER" -p "$REGISTRY_PASS" registry.example &&
                alone_build "$1"
        ) >"$log" 2>&1 || return 1
        counts+=("$(ci_count "$log")")
    done
    ci_wipe
}

for form in single single-compose multi multi-compose; do
    for platform in circleci gitlab github; do
        ci_generations "$platform/$form.yml"
    done
    ours=("${counts[@]}")
    alone "$form"
    tap_report $? "$form: the same with BuildKit alone"
    is "$form: which finds what the first build did" "${counts[1]}" "${ours[1]}"
    for i in 0 1 2 3; do
        [ "${ours[i]}" -ge "${counts[i]}" ]
        tap_report $? "$form, generation $((i + 1)): ${ours[i]} steps CACHED, alone ${counts[i]}"
    done
done
done_testing
