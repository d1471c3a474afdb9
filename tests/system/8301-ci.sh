#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/ci.sh"
ci_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need root upper dockerd docker docker-registry docker-compose htpasswd openssl busybox ip curl python3
ci_start
for g in 1 2; do
ok "job $g" ci_job ${F:-github/single.yml} --cache "$T/cache.tar"
cp $T/job.log /tmp/ci-h/job.$g.log
is 'cached' "$(ci_cached "$T/job.log")" ''
ci_wipe
done
cp $T/docker.log /tmp/ci-h
done_testing
