#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The recipes in tools/ci with a real Docker daemon and a registry: which steps are CACHED, on
# machines that are new for each build. All twelve of them: `make check-ci`.
. "$(dirname "$0")/../lib/ci.sh"
ci_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need root upper dockerd docker docker-registry htpasswd openssl busybox ip curl python3
ci_start

# ---- the platforms run the same commands ----

commands() { # FILE; from the login on
    python3 "$lib/cijob.py" shell "$here/tools/ci/$1" | sed -n '/^if .*REGISTRY_PASS/,$p' | grep -v '^$' |
        sed 's/0\.0\.0\.0:5000 --listen-any/127.0.0.1:5000/; /^layercache serve/s/ >.*//'
}
for form in single single-compose multi multi-compose; do
    is "$form: GitLab's commands are GitHub's" "$(commands gitlab/$form.yml)" \
        "$(commands github/$form.yml)"
    is "$form: so are CircleCI's" "$(commands circleci/$form.yml)" \
        "$(commands github/$form.yml)"
done

# ---- generations ----

ci_generations github/single.yml
ci_generations gitlab/multi-compose.yml

# ---- a public registry, and a job that may only read it ----

ci_registry public 127.0.0.2:443 ", tls: {certificate: $T/tls.crt, key: $T/tls.key}" ''
rm -rf "$T/public"
ln -s registry "$T/public"
ci_app
ok 'a fork, the image is public, nothing is kept' \
    ci_fork circleci/single.yml CACHE_IMAGE=public.example/github/single
is 'steps before what differs are CACHED' "$(ci_cached "$log")" '2/7,3/7'
ok 'it did read there' grep -q '"GET .*/manifests/latest' "$T/public.log"
is 'it wrote nothing' "$(grep -cE '"(POST|PUT|PATCH|DELETE)' "$T/public.log")" 0

# ---- what goes wrong ----

ok 'no registry answers: the job builds' \
    ci_fork github/single.yml CACHE_IMAGE=nowhere.example/app
done_testing
