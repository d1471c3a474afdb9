#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every tag of the four corpora and every fixture image goes out and into the clients: skopeo,
# umoci, podman load, docker load (a dockerd of its own). Image IDs and DiffIDs stay; layouts
# are byte for byte what came, which a table per producer counts.
. "$(dirname "$0")/../lib/tap.sh"
need root jq skopeo umoci podman dockerd docker python3 zstd
CORPORA=${CORPORA:-$here/build/corpora}
targets="debian python-app node-app toolchain"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for t in $targets; do
    [ -e "$CORPORA/$t/.complete" ] || skip_all "no corpus $t: check.sh makes them"
done

s() { skopeo --insecure-policy "$@"; }

# ---- the clients, with everything they keep below $T ----

driver=overlay2
[ "$(stat -f -c %T "$T")" != overlayfs ] || driver=vfs
export DOCKER_HOST=unix://$T/docker.sock
unset DOCKER_CONTEXT DOCKER_BUILDKIT
mkdir "$T/docker"
unshare -m --propagation private dockerd --iptables=false --ip6tables=false --bridge=none \
    --storage-driver "$driver" --data-root "$T/docker/root" --exec-root "$T/docker/run" \
    -p "$T/docker/pid" -H "$DOCKER_HOST" >"$T/docker/log" 2>&1 &
dockerd=$!
end_dockerd() {
    kill "$dockerd" && wait "$dockerd"
}
up() {
    for _ in $(seq 150); do
        docker version >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -20 "$T/docker/log"
    return 1
}
ok 'dockerd starts' up

cat >"$T/storage.conf" <<CONF
[storage]
driver = "${driver%2}"
graphroot = "$T/podman/root"
runroot = "$T/podman/run"
CONF
export CONTAINERS_STORAGE_CONF=$T/storage.conf TMPDIR=$T
pod() { podman --events-backend none --cgroup-manager cgroupfs "$@"; }

# ---- one image ----

# What a client says of an image: its ID and DiffIDs, as one line.
line() { jq -r '.[0] | [.Id] + .RootFS.Layers | join(" ")' | sed 's/^\(sha256:\)\?/sha256:/'; }
want() { # name
    lc show --json "$1" | jq -r '[.image] + [.steps[].layer | select(.)] | join(" ")'
}
docker_load() { # name
    lc export -q "$1" "docker-archive:$T/docker.tar" >/dev/null && docker load -q -i "$T/docker.tar" >"$T/loaded" &&
        docker image inspect "$2" | line
    rm -f "$T/docker.tar"
}
podman_load() { # name id option...
    local name=$1 id=$2
    shift 2
    lc export -q "$name" "oci-archive:$T/oci.tar:x" "$@" >/dev/null &&
        pod load -q -i "$T/oci.tar" >"$T/loaded" && pod image inspect "${id#sha256:}" | line
    rm -f "$T/oci.tar"
}
clients() { # name
    local w
    w=$(want "$1")
    is "docker loads $1" "$(docker_load "$1" "${w%% *}" 2>"$T/err")" "$w"
    is "podman loads $1" "$(podman_load "$1" "${w%% *}" 2>"$T/err")" "$w"
}
forget() { # what the clients have, for the disk's sake
    docker image ls -q | sort -u | xargs -r docker image rm -f >/dev/null 2>&1
    pod image rm -af >/dev/null 2>&1
}

# ---- the corpora ----

count() { # producer-of-file: one line per layer for the table
    sed -n 's/.*layer [0-9]* of [0-9]* \(sha256:[0-9a-f]*\): \(identical, \)\?\(made again by [^,]*\|[a-z ]*\).*/\1 \2\3/p' "$1"
}
: >"$T/table"
same_layout() { # target tag: the exported layout has the very blobs of the corpus
    local d f
    d=$(jq -r --arg t "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t).digest' \
        "$CORPORA/$1/index.json")
    for f in "$d" $(jq -r '.config.digest, .layers[].digest' "$CORPORA/$1/blobs/sha256/${d#sha256:}"); do
        cmp "$CORPORA/$1/blobs/sha256/${f#sha256:}" "$T/lay.$1/blobs/sha256/${f#sha256:}" || return 1
    done
}

for t in $targets; do
    ok "import every tag of $t" lc import "oci:$CORPORA/$t"
    cp "$T/out" "$T/imported"
    while read -r name _ _; do
        tag=${name##*:}
        ok "$t:$tag into a layout" lc export "$name" "oci:$T/lay.$t:$tag"
        count "$T/err" >>"$T/table"
        ok 'which is what came, byte for byte' same_layout "$t" "$tag"
        ok 'skopeo looks at it' s inspect "oci:$T/lay.$t:$tag"
        clients "$name"
    done <"$T/imported"
    rm -rf "$T/lay.$t"
    forget
    case $t in node-app | toolchain) continue ;; esac # the rest takes time and tells no more
    name=$(tail -1 "$T/imported") && name=${name%% *}
    ok "$name as a directory" lc export -q "$name" "dir:$T/dir"
    ok 'skopeo copies it' s copy -q "dir:$T/dir" "oci:$T/copy:x"
    rm -rf "$T/dir" "$T/copy"
    w=$(want "$name")
    is "podman loads $name as zstd" "$(podman_load "$name" "${w%% *}" --compression zstd 2>"$T/err")" "$w"
    pod image rm -af >/dev/null 2>&1
    is "and compressed anew" "$(podman_load "$name" "${w%% *}" --compression gzip --level 1 2>"$T/err")" "$w"
    forget
done

# ---- the fixtures ----

mkdir "$T/f"
zstd -dcq "$here/tests/fixtures/images.tar.zst" | tar -x -C "$T/f"
for x in "$T"/f/*; do
    n=$(basename "$x")
    case $n in
    Dockerfile* | README* | cache-*) continue ;;
    *oci-archive*.tar) from=oci-archive:$x ;;
    *.tar) from=docker-archive:$x ;;
    skopeo-dir) from=dir:$x ;;
    *) from=oci:$x ;;
    esac
    name=localhost/fix/$(echo "$n" | tr A-Z_ a-z-):v1
    rm -rf "$T/store"
    ok "$n comes in" lc import "$from" "$name"
    ok 'goes out' lc export "$name" "oci:$T/fx.$n:x"
    count "$T/err" >>"$T/table"
    case $n in *zstd*) # which umoci does not know
        ok 'out as gzip' lc export "$name" "oci:$T/fx.$n:x" --compression gzip ;;
    esac
    ok 'umoci unpacks it' umoci unpack --image "$T/fx.$n:x" "$T/bundle"
    rm -rf "$T/bundle"
    clients "$name"
    forget
done

ok 'dockerd ends' end_dockerd
echo '# layers that came compressed, each once, and how they went out:'
sort -u "$T/table" | grep -v 'the plain tar' | cut -d' ' -f2- | sort | uniq -c | sed 's/^/#/'
done_testing
