#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Dockerfile as a script of `run` steps: what an edit runs again, and what it does not.
# shellcheck disable=SC2016 # the step's shell expands it
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper busybox jq skopeo umoci

. "$lib/buildbase.sh"
make_base "$T/base"
ok 'a base image' lc snapshot -n base "$T/base"
mkdir -p "$T/ctx/app" && cd "$T/ctx" || exit 1
printf 'django\nflask\n' >requirements.txt
echo 'print("hello")' >app/main.py
echo '*.pyc' >app/.dockerignore

# FROM base / RUN pkg install / WORKDIR / COPY requirements.txt . / RUN pip install / COPY app .
step() { # name options...
    local name=$1 line
    shift
    line=$(lc run --parent "$parent" --json "$@" 2>>"$T/steps.err") || return
    parent=$(jq -r .key <<<"$line")
    jq -er .hit <<<"$line" >/dev/null || printf '%s ' "$name" >>"$T/ran"
}
build() {
    local parent=base
    rm -f "$T/ran" "$T/steps.err"
    touch "$T/ran" "$T/steps.err"
    step pkg -- pkg install netcat &&
        step workdir --workdir /usr/src/app &&
        step copy --input requirements.txt &&
        step pip -- pip install -r requirements.txt &&
        step app --input app:. --name app
}
# Builds, and says which steps were run.
rebuilds() { # title steps
    build || echo "# the build failed: $(cat "$T/steps.err")" >&2
    is "$1" "$(cat "$T/ran")" "$2"
}
image() { lc list images | awk '/\/app:latest/ {print $2}'; }

rebuilds 'the first time all of it is run' 'pkg workdir copy pip app '
first=$(image)
is 'in the order of the file' "$(grep RAN "$T/steps.err" | xargs)" 'RAN pkg netcat RAN pip install -r requirements.txt'
rebuilds 'the second time nothing is' ''
is 'and nothing is said' "$(cat "$T/steps.err")" ''
is 'it is the same image' "$(image)" "$first"
touch requirements.txt app/main.py app
rebuilds 'touch changes nothing' ''
echo 'junk' >app/main.pyc
rebuilds 'nor does what is ignored' ''
chmod 755 app/main.py
rebuilds 'chmod is a change' 'app '
chmod 644 app/main.py
rebuilds 'that can be taken back' ''
echo 'print("hello again")' >app/main.py
rebuilds 'an edit of the app runs the last step' 'app '
is 'the name goes with it' "$([ "$(image)" != "$first" ] && echo moved)" moved
echo requests >>requirements.txt
rebuilds 'an edit of the requirements runs that step and those after it' 'copy pip app '
rebuilds 'once' ''

ok 'a mount' mount_store
tree=$(lc path app)
is 'the result' "$(cd "$tree" && cat usr/src/app/main.py usr/lib/python/requests && sh usr/bin/netcat)" \
    "$(printf 'print("hello again")\ncode of requests\nthis is netcat')"
rebuilds 'with the store mounted it is the same' ''
fails 1 'a step that fails' lc run --parent app -- pip install -r nosuch.txt
echo 'print(1)' >app/main.py
rebuilds 'under a live mount steps run as well' 'app '
is 'and it shows' "$(cat "$(lc path app)/usr/src/app/main.py")" 'print(1)'

# ---- as an image ----
ok 'export' lc export app "oci:$T/layout:app"
ok 'skopeo reads it' skopeo inspect --config "oci:$T/layout:app"
is 'the working directory' "$(jq -r .config.WorkingDir "$T/out")" /usr/src/app
skopeo inspect --config "oci:$T/layout:app" >"$T/config"
is 'the history' "$(jq -r '.history[1:][]|.created_by' "$T/config")" "$(printf '%s\n' 'RUN pkg install netcat' \
    'WORKDIR /usr/src/app' 'COPY requirements.txt requirements.txt' 'RUN pip install -r requirements.txt' 'COPY app .')"
is 'a layer each' "$(jq '.rootfs.diff_ids|length' "$T/config")" 6
ok 'umoci unpacks it' umoci unpack --image "$T/layout:app" "$T/bundle"
ok 'to the same files' diff -r --no-dereference "$(lc path app)" "$T/bundle/rootfs"

# ---- two stages: wheels are built in one, and copied to the other ----
stages() {
    local parent=base
    rm -f "$T/ran" "$T/steps.err"
    touch "$T/ran" "$T/steps.err"
    step b-copy --workdir /build --input requirements.txt &&
        step b-wheel --name wheels -- pip wheel -r requirements.txt -w /wheels || return
    parent=base
    step f-pkg -- pkg install netcat &&
        step f-wheels --workdir /usr/src/app --input "$(lc path wheels)/wheels:/wheels" \
            --input "$(lc path wheels)/build/requirements.txt" &&
        step f-pip -- pip install --no-index -f /wheels -r requirements.txt &&
        step f-app --input app:. --name final
}
restages() {
    stages || echo "# the build failed: $(cat "$T/steps.err")" >&2
    is "$1" "$(cat "$T/ran")" "$2"
}
restages 'two stages; one step is known' 'b-copy b-wheel f-wheels f-pip f-app '
restages 'again: nothing' ''
is 'wheels went over' "$(cat "$(lc path final)/usr/lib/python/django")" 'code of django'
echo 'print(2)' >app/main.py
restages 'an edit of the app' 'f-app '
echo numpy >>requirements.txt
restages 'of the requirements: what is copied between the stages as well' 'b-copy b-wheel f-wheels f-pip f-app '
printf 'a build step for each, and %s\n' comments >"$T/ctx/README"
restages 'of something else: nothing' ''

# ---- what was evicted is made again ----
ok 'unmount' unmount_store
rebuilds 'the one stage after that' 'copy pip app '
fails 3 'a key is not there' lc lookup sha256:"$(printf '%064d' 1)"
key=$(lc run --parent base -- pkg install netcat | cut -d' ' -f3)
ok 'a key is removed' lc remove "key:${key#sha256:}"
rebuilds 'that step is run again; those above it are known by its key' 'pkg '
ok 'the store is whole' lc verify
is 'nothing is mounted' "$(grep -c "$T/store" /proc/self/mountinfo)" 0
done_testing
