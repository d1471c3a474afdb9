#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Jobs of the recipes in tools/ci that run at once on one machine and share its store, which
# one server gives out: each job's own finds the port in use.
. "$(dirname "$0")/../lib/ci.sh"
ci_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need root upper dockerd docker docker-registry htpasswd openssl busybox ip curl python3
ci_start
jobs=${CI_JOBS:-6}
store=$T/shared
recipes=(github/single.yml circleci/single.yml)
"$BIN/layercache" --store "$store" serve --writable >"$T/serve.out" 2>"$T/serve.err" &
server=$!
ok 'the server of the machine' ci_wait 20 test -s "$T/serve.out"

# Jobs at once, each with an application, a home directory and a /tmp of its own.
round() { # name
    local i pid pids=() failed=0
    for i in $(seq "$jobs"); do
        (
            trap - EXIT
            app=$T/app.$i HOME=$T/home.$i log=$T/$1.$i.log
            [ -d "$app" ] || { ci_app && echo "# of job $i" >>"$app/project/urls.py"; }
            ci_job "${recipes[i % 2]}" CACHE_IMAGE=registry.example/team/app \
                "LAYERCACHE_STORE=$store" >&2
        ) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return $failed
}

round first
tap_report $? "$jobs jobs at once, no cache anywhere"
ci_wipe
round second
tap_report $? "$jobs jobs at once, of which each finds what some did before"
is 'steps before what differs are CACHED in all' \
    "$(for i in $(seq "$jobs"); do ci_cached "$T/second.$i.log" | grep -c '^2/7,3/7,4/7,5/7'; done | sort | uniq -c | awk '{print $1, $2}')" \
    "$jobs 1"
is 'each has taken its own name away' "$(lc --store "$store" list | cut -d' ' -f1)" \
    registry.example/team/app:latest
ok 'the store is clean' lc --store "$store" verify
ok 'the registry has a whole image' lc --store "$T/other" pull --creds "$REGISTRY_USER:$REGISTRY_PASS" \
    --tls-verify false registry.example/team/app:latest
is 'of which no step lacks its result' \
    "$(lc --store "$T/other" cache show registry.example/team/app:latest | grep '^without_result')" 'without_result 0'
kill $server
wait $server
tap_report $? 'the server ends cleanly'
done_testing
