# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# registry.sh: Debian's docker-registry for a test, without TLS and users; tap.sh ends it.
#
#   . "$(dirname "$0")/../lib/registry.sh"      # after tap.sh
#   registry_start 5000     # on loopback; its files are in $T/reg, what it was asked in $T/reg.log
#   registry_sent           # bytes of blobs that it gave since the log was emptied
registry_start() { # port
    cat >"$T/reg.yml" <<END
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/reg}}
http: {addr: "127.0.0.1:$1"}
END
    docker-registry serve "$T/reg.yml" >>"$T/reg.log" 2>&1 &
    for _ in $(seq 100); do
        (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
}

registry_sent() { grep -a '"GET /v2/.*/blobs/' "$T/reg.log" | awk '{s += $10} END {print s + 0}'; }
