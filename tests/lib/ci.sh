# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ci.sh: a machine of a CI fleet, for tests of the recipes in tools/ci.
#
#   . "$(dirname "$0")/../lib/ci.sh"
#   ci_alone "$0"              # before tap.sh: in namespaces of its own, which take along all
#   . ".../tap.sh"             # that was started or mounted, whatever becomes of the test
#   ci_start                   # a Docker daemon, registry.example and a mirror of Docker Hub
#   ci_app                     # the example, as it is, in $app
#   ci_job FILE [--cache TAR] [NAME=VALUE...]  # runs a recipe there as its platform does, on a
#                              # new machine; what it says is in $log
#   ci_cached LOG              # the steps of a build that BuildKit took from a cache
#   ci_wipe                    # what Docker knows is forgotten
#   ci_generations FILE        # four generations of the example, checked
#
# registry.example has TLS and one user, REGISTRY_USER and REGISTRY_PASS. pip and apt-get in
# the base images are scripts that leave files where the real ones do.
ci_alone() {
    [ -z "${CI_ALONE:-}" ] || return 0
    [ "$(id -u)" = 0 ] || return 0
    # The recipes keep the store in /tmp: the tests have theirs elsewhere, and a /tmp per job.
    CI_ALONE=1 TMPDIR=/var/tmp exec unshare --net --mount --pid --fork --kill-child \
        --mount-proc --propagation private bash "$1"
}

ci_wait() { # seconds, command...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

ci_registry() { # name, address, more of http:, more
    mkdir "$T/$1"
    cat >"$T/$1.yml" <<END
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/$1}, delete: {enabled: true}}
http: {addr: "$2"$3}
$4
END
    docker-registry serve "$T/$1.yml" >"$T/$1.log" 2>&1 &
    ci_wait 20 bash -c "exec 3<>/dev/tcp/${2/://}"
}

# Programs of the base images.
ci_base() {
    local b=$T/base
    mkdir -p "$b"/{bin,usr/bin,tmp,etc}
    cp "$(command -v busybox)" "$b/bin/busybox"
    for n in sh rm mkdir cat cp ls echo head touch basename sed; do
        ln -s busybox "$b/bin/$n"
    done
    cat >"$b/usr/bin/apt-get" <<'END'
#!/bin/sh
case $1 in
update) mkdir -p /var/lib/apt && echo lists >/var/lib/apt/lists ;;
install) echo '#!/bin/sh' >/usr/bin/netcat ;;
clean) rm /var/lib/apt/lists ;;
esac
END
    cat >"$b/usr/bin/pip" <<'END'
#!/bin/sh
what=$1
while [ $# -gt 0 ]; do
    case $1 in
    -r) list=$(cat "$2") ;;
    --wheel-dir) wheels=$2 ;;
    *.whl) list="$list $(basename "$1" .whl)" ;;
    esac
    shift
done
site=${wheels:-/usr/lib/python3/site-packages}
mkdir -p "$site"
for p in $list; do
    [ "$what" = wheel ] && echo "wheel $p" >"$site/$p.whl" || echo "$p" >"$site/$p"
done
head -c 64 /dev/urandom >/tmp/compiled # no two installations are the same
END
    chmod 755 "$b"/usr/bin/*
    for n in python:3.9.7 python:3.9.7-slim; do
        tar -C "$b" -c . | docker import - "127.0.0.1:5002/library/$n" &&
            docker push -q "127.0.0.1:5002/library/$n" || return 1
    done
}

ci_docker() {
    local services
    mapfile -t services < <(python3 "$lib/cijob.py" services "$here/tools/ci/gitlab/single.yml")
    export DOCKER_HOST=unix://$T/docker.sock
    mkdir "$T/docker" && mount -t tmpfs tmpfs "$T/docker" # nothing that is synced matters
    TMPDIR=$T dockerd --iptables=false --ip6tables=false --data-root "$T/docker" --exec-root "$T/exec" \
        -p "$T/docker.pid" -H "$DOCKER_HOST" --registry-mirror http://127.0.0.1:5002 \
        --insecure-registry https://registry.example "${services[@]}" >"$T/docker.log" 2>&1 &
    ci_wait 30 docker version || skip_all "dockerd does not run here: $(tail -1 "$T/docker.log")"
}

ci_stop() {
    local pid
    pid=$(cat "$T/docker.pid" 2>/dev/null) && kill "$pid" && ci_wait 30 test ! -e "$T/docker.pid"
    tap_cleanup
}

ci_home() {
    local host
    rm -rf "$HOME" && mkdir -p "$HOME/.docker/cli-plugins"
    for host in registry.example public.example; do
        mkdir -p "$HOME/.config/containers/certs.d/$host"
        cp "$T/tls.crt" "$HOME/.config/containers/certs.d/$host/ca.crt"
    done
    # Debian 12 has Compose as a program of its own only.
    docker compose version >/dev/null 2>&1 || {
        cat >"$HOME/.docker/cli-plugins/docker-compose" <<'END'
#!/bin/sh
[ "$1" != docker-cli-plugin-metadata ] || {
    echo '{"SchemaVersion": "0.1.0", "Vendor": "Debian", "Version": "1"}'
    exit
}
shift
exec docker-compose "$@"
END
        chmod 755 "$HOME/.docker/cli-plugins/docker-compose"
    }
}

ci_start() {
    trap ci_stop EXIT
    # Other builds of docker may come first, and have no BuildKit.
    export PATH=$T/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=$T/home BUILDKIT_PROGRESS=plain
    export REGISTRY_USER=ci REGISTRY_PASS=s3cret
    unset TAG LAYERCACHE_GIT DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR DOCKER_CONTEXT
    unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy
    ip link set lo up
    mkdir "$T/bin"
    ln -s "$BIN/layercache" "$T/bin/layercache"
    printf '127.0.0.1 localhost build registry.example\n127.0.0.2 public.example\n' >"$T/hosts"
    mount --bind "$T/hosts" /etc/hosts
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$T/tls.key" \
        -out "$T/tls.crt" -subj /CN=registry.example \
        -addext subjectAltName=DNS:registry.example,DNS:public.example 2>/dev/null
    htpasswd -Bbn "$REGISTRY_USER" "$REGISTRY_PASS" >"$T/htpasswd"
    ci_registry registry 127.0.0.1:443 ", tls: {certificate: $T/tls.crt, key: $T/tls.key}" \
        "auth: {htpasswd: {realm: test, path: $T/htpasswd}}"
    ci_registry mirror 127.0.0.1:5002 '' ''
    ci_docker
    ci_home
    ci_base >"$T/base.log" 2>&1 || skip_all "no base images: $(tail -1 "$T/base.log")"
    ci_wipe
    app=$T/app
    log=$T/job.log
}

ci_app() {
    rm -rf "$app"
    cp -a "$here/tools/ci/app" "$app"
}

ci_wipe() {
    local images
    images=$(docker images -qa | sort -u)
    # shellcheck disable=SC2086 # as many as there are
    [ -z "$images" ] || docker rmi -f $images >/dev/null
    docker builder prune -af >/dev/null
    [ -z "$(docker images -qa)" ]
}

ci_job() { # FILE, more for cijob.py
    local file=$here/tools/ci/$1 status
    shift
    ci_home
    rm -rf "$app/.layercache"
    mkdir -p "$T/job.tmp"
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount --propagation private bash -c '
        mount -t tmpfs tmpfs "$1" || exit
        case $2 in # the sources may be below /tmp themselves
            /tmp/*) mkdir -p "$1${2#/tmp}" && mount --bind "$2" "$1${2#/tmp}" || exit ;;
        esac
        mount --rbind "$1" /tmp && cd "$3" && shift 3 && exec "$@"' - "$T/job.tmp" "$here" "$app" \
        python3 "$lib/cijob.py" run "$file" "$@" >"$log" 2>&1
    status=$?
    [ $status = 0 ] || tail -n 20 "$log"
    return $status
}

# As it runs for a fork: nobody gives it credentials.
ci_fork() { REGISTRY_USER='' REGISTRY_PASS='' ci_job "$@"; }

# Steps as "stage-1 2/7" or "2/7", without FROM. The base stage is built twice where there are
# several: what counts is the first time. Compose 2 puts the service's name in front.
ci_cached() { # LOG
    sed -n 's/^\(#[0-9]*\) \[app /\1 [/
        s/^\(#[0-9]*\) \[\([a-z0-9-]* *[0-9]*\/[0-9]*\)\] \([A-Z]*\).*/\1 \3 \2/p
        s/^\(#[0-9]*\) \(CACHED\|DONE\).*/\1 \2/p' "$1" | awk '
        $2 == "CACHED" || $2 == "DONE" {
            n = name[$1]
            if (n != "" && !(n in state)) { state[n] = $2; order[++count] = n }
            next
        }
        { id = $1; from = $2 == "FROM"; sub(/^[^ ]+ [^ ]+ /, ""); name[id] = from ? "" : $0 }
        END { for (i = 1; i <= count; i++) if (state[order[i]] == "CACHED") print order[i] }
    ' | sort | paste -sd, -
}

# What the registry has: the digests of the tags' manifests.
ci_tags() { # repository, tag...
    local repo=$1 tag
    shift
    for tag in "$@"; do
        curl -fsS --cacert "$T/tls.crt" -u "$REGISTRY_USER:$REGISTRY_PASS" -o /dev/null -D - \
            -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
            -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
            "https://registry.example/v2/$repo/manifests/$tag" |
            tr -d '\r' | awk -v tag="$tag" 'tolower($1) == "docker-content-digest:" {print tag, $2}'
    done
}

# Steps CACHED in each generation: all, source changed, requirements changed.
ci_steps() { # FORM
    local base='base 2/3,base 3/3,' s=stage-1
    case $1 in
    single*)
        all='2/7,3/7,4/7,5/7,6/7,7/7'
        source='2/7,3/7,4/7,5/7'
        requirements='2/7,3/7'
        tags=(latest)
        ;;
    multi*)
        requirements="$s 2/7,$s 3/7"
        source="$base$requirements,$s 4/7,$s 5/7,$s 6/7"
        all="$source,$s 7/7"
        tags=(base stage)
        ;;
    esac
}

ci_count() { ci_cached "$1" | awk -F, '{print NF}'; }

ci_change() { # source or requirements, or nothing
    case $1 in
    source) echo '# changed' >>"$app/project/urls.py" ;;
    requirements) echo 'whitenoise==5.3.0' >>"$app/requirements.txt" ;;
    esac
}

# What the steps CACHED of each were is in `counts` then.
ci_generations() { # FILE
    local name=${1%.yml} tar=$T/cache.tar all source requirements tags before
    local image=CACHE_IMAGE=registry.example/$name
    ci_steps "${name#*/}"
    ci_app
    rm -f "$tar"
    counts=()

    ok "$name: a first build, no cache anywhere" ci_job "$1" --cache "$tar" "$image"
    is "$name: no step is CACHED" "$(ci_cached "$log")" ''
    counts+=("$(ci_count "$log")")
    before=$(ci_tags "$name" "${tags[@]}")
    is "$name: the image is in the registry" "$(wc -l <<<"$before")" ${#tags[@]}

    ci_wipe
    ok "$name: the same in a fork" ci_fork "$1" --cache "$tar" "$image"
    is "$name: all steps are CACHED" "$(ci_cached "$log")" "$all"
    counts+=("$(ci_count "$log")")
    is "$name: the registry is as it was" "$(ci_tags "$name" "${tags[@]}")" "$before"

    ci_wipe
    ci_change source
    ok "$name: source changed, what the platform kept is lost" ci_job "$1" "$image"
    is "$name: steps before it are CACHED" "$(ci_cached "$log")" "$source"
    counts+=("$(ci_count "$log")")

    ci_wipe
    ci_change requirements
    ok "$name: requirements changed" ci_job "$1" --cache "$tar" "$image"
    is "$name: steps before them are CACHED" "$(ci_cached "$log")" "$requirements"
    counts+=("$(ci_count "$log")")
    ci_wipe
}
