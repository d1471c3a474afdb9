#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is exported is loaded by a real dockerd, podman and buildah: as the same image, and with
# the same files; what they save comes back as the same image.
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_MOUNTS:-}" != 1 ]; then
    LC_OWN_MOUNTS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
need root upper python3 jq skopeo dockerd containerd podman buildah

# Daemons and tools make keys and directories of their own, whatever they are told.
for d in /etc /opt /var/lib; do
    mkdir -p "$T/own$d/upper" "$T/own$d/work"
    mount -t overlay -o "lowerdir=$d,upperdir=$T/own$d/upper,workdir=$T/own$d/work" own "$d" ||
        skip_all "needs overlays"
done
mount -t tmpfs -o mode=755 tmpfs /run

export HOME=$T/home XDG_RUNTIME_DIR=$T/run TMPDIR=$T
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG DOCKER_HOST CONTAINERS_CONF CONTAINERS_STORAGE_CONF

python3 "$lib/mkimage.py" layered "$T/img" v1
ok 'import' lc import "oci:$T/img:v1" team/app:v1
read -r _ id chain <"$T/out"
name=docker.io/team/app:v1
identity() { lc list | awk -v n="$1" '$1 == n {print $2, $3}'; }
ok 'a docker-archive' lc export team/app:v1 "docker-archive:$T/app.tar"
ok 'an oci-archive' lc export team/app:v1 "oci-archive:$T/oci.tar:v1"

# ---- dockerd ----

dockerd --iptables=false --ip6tables=false --bridge=none --data-root "$T/docker" --storage-driver vfs \
    --exec-root "$T/exec" --pidfile "$T/docker.pid" --host "unix://$T/docker.sock" >"$T/docker.log" 2>&1 &
engine() { python3 "$lib/engine.py" "$T/docker.sock" "$@"; }
for _ in $(seq 200); do
    ! engine ping >"$T/version" 2>/dev/null || break
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
[ -s "$T/version" ] || {
    tail -5 "$T/docker.log" >&2
    skip_all "needs a machine that dockerd starts on"
}
echo "# dockerd $(cat "$T/version")"

ok 'docker loads the docker-archive' engine load "$T/app.tar"
is 'and says its name' "$(cat "$T/out")" 'Loaded image: team/app:v1'
is 'as the same image' "$(engine id team/app:v1)" "$id"
ok 'all layers are the same' sh -c "python3 '$lib/engine.py' '$T/docker.sock' layers team/app:v1 >'$T/layers' &&
    skopeo inspect --config oci:'$T/img:v1' | jq -r '.rootfs.diff_ids[]' | diff - '$T/layers'"
fails 1 'a dockerd without the containerd store takes no oci-archive' engine load "$T/oci.tar"
ok 'docker saves it' engine save team/app:v1 "$T/saved.tar"
ok 'which is imported' lc --store "$T/other" import "docker-archive:$T/saved.tar"
is 'as the same image and layers' "$(cat "$T/out")" "$name $id $chain"
python3 "$lib/mkimage.py" small "$T/img" small
lc import "oci:$T/img:small" team/small:v1 >"$T/o"
ok 'a second image, and the first with two names' sh -c "'$BIN/layercache' tag team/app:v1 team/app:again &&
    '$BIN/layercache' export team/small:v1 docker-archive:'$T/small.tar' && '$BIN/layercache' export team/app:again docker-archive:'$T/again.tar'"
ok 'docker loads one' engine load "$T/small.tar"
ok 'and the other' engine load "$T/again.tar"
ok 'and saves all' engine save team/small:v1 team/app:v1 team/app:again "$T/all.tar"
ok 'a container' engine create team/small:v1
ok 'its files' engine export "$(cat "$T/out")" "$T/container.tar"
mkdir "$T/container"
ok 'are unpacked' tar -C "$T/container" --numeric-owner --xattrs --xattrs-include='*' -xpf "$T/container.tar"
ok 'checkout' lc checkout team/small:v1 "$T/root"
# A container has mount points of its own, its tar neither fractions of seconds nor user.*
# attributes; directories without an entry in the image get modes by each program's taste.
python3 "$lib/treecmp.py" "$T/root" "$T/container" |
    grep -vE '^(\.dockerenv|dev|dev/(console|pts|shm)|proc|sys|etc|etc/(hosts|hostname|mtab|resolv.conf)|): |implied: mode|implied/parent: mode|var/xattr: xattr|: mtime: |differences$' >"$T/diff"
is 'and are those of the checkout' "$(cat "$T/diff")" ''

for n in small:v1 app:v1 app:again; do
    ok "team/$n comes back" lc --store "$T/third" import "docker-archive:$T/all.tar:team/$n"
    is 'as what it was' "$(cut -d' ' -f2- "$T/out")" "$(identity docker.io/team/$n)"
done
kill %1
wait %1 2>/dev/null

# ---- podman, buildah, skopeo ----

cat >"$T/storage.conf" <<C
[storage]
driver = "vfs"
graphroot = "$T/graph"
runroot = "$T/runroot"
C
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$T/policy.json"
export CONTAINERS_STORAGE_CONF=$T/storage.conf
p() { podman --cgroup-manager cgroupfs --events-backend none "$@"; }
for form in app oci; do
    ok "podman loads $form.tar" p load -q --signature-policy "$T/policy.json" -i "$T/$form.tar"
    loaded=$(sed -n 's/^Loaded image: *//p' "$T/out")
    is 'as the same image' "sha256:$(p image inspect --format '{{.Id}}' "$loaded" | sed 's/^sha256://')" "$id"
done
ok 'podman saves it' p save -q --format docker-archive -o "$T/podman.tar" docker.io/team/app:v1
ok 'which is imported' lc --store "$T/fourth" import "docker-archive:$T/podman.tar"
is 'as the same image and layers' "$(cut -d' ' -f2- "$T/out")" "$id $chain"
ok 'an oci-archive of the small one' lc export team/small:v1 "oci-archive:$T/small.oci:x"
small=$(identity docker.io/team/small:v1)
small=${small% *}
for from in "docker-archive:$T/small.tar" "oci-archive:$T/small.oci:x"; do
    ok "buildah works from ${from%%:*}" buildah from -q --signature-policy "$T/policy.json" --pull-never=false "$from"
    work=$(cat "$T/out")
    is 'on the same image' "$(buildah inspect --format '{{.FromImageID}}' "$work")" "${small#sha256:}"
    root=$(buildah mount "$work")
    is 'with the same files' "$(python3 "$lib/treecmp.py" "$T/root" "$root" | grep -vE ': mtime: |differences$')" ''
    buildah rm "$work" >/dev/null
done
ok 'skopeo inspects the docker-archive' sh -c "skopeo inspect 'docker-archive:$T/app.tar' |
    jq -e --rawfile l '$T/layers' '.Layers == (\$l | rtrimstr(\"\n\") | split(\"\n\"))'"
ok 'and the oci-archive' skopeo inspect "oci-archive:$T/oci.tar:v1"
unset CONTAINERS_STORAGE_CONF
done_testing
