#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One cached build step: what it prints, what the command is given, what is kept of it, and
# that the result is an image like any other.
# shellcheck disable=SC2016 # the step's shell expands it
. "$(dirname "$0")/../lib/tap.sh"
need root fuse upper busybox python3 umoci jq setfattr

. "$lib/buildbase.sh"
make_base "$T/base"
ok 'a base image' lc snapshot -n base "$T/base"
run() { lc run --parent base "$@"; }
files_of() { lc export "layer:$1" "tar:$T/layer.tar" && tar tf "$T/layer.tar" | sort | tr '\n' ' '; }
# What the command says comes out as our standard error.
says() { # title text options...
    local title=$1 want=$2
    shift 2
    run "$@" >"$T/line" 2>"$T/text"
    is "$title" "$(cat "$T/text")" "$want"
}

# ---- hit and miss ----
ok 'a miss runs the command' run --name one -- sh -c 'echo RAN; echo hello >/x'
cp "$T/out" "$T/line"
is 'its output is on standard error' "$(cat "$T/err")" RAN
read -r diff chain key <"$T/line"
is 'one line of digests' "$(grep -cE '^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$' "$T/line")" 1
is 'the layer is the change and nothing else' "$(files_of "$diff")" './ x '
ok 'a hit' run -- sh -c 'echo RAN; echo hello >/x'
is 'prints the same line and runs nothing' "$(cat "$T/out" "$T/err")" "$diff $chain $key"
ok 'the key is that of `key`' lc key --parent base -- sh -c 'echo RAN; echo hello >/x'
is 'the same' "$(cat "$T/out")" "$key"
ok 'and `lookup` finds it' lc lookup "$key"
is 'the chain' "$(cut -d' ' -f1 "$T/out")" "$chain"
ok 'a hit gives a name, too' run --name two -- sh -c 'echo RAN; echo hello >/x'
is 'of the same image' "$(lc list images | grep -cE "/(one|two):latest .* $chain\$")" 2
ok 'as JSON' run --json -- sh -c 'echo RAN; echo hello >/x'
is 'with what the line has' "$(jq -r '[.layer,.chain,.key,.hit]|join(" ")' "$T/out")" "$diff $chain $key true"
ok '--no-cache runs it again' run --no-cache -- sh -c 'echo RAN; echo hello >/x'
is 'really' "$(cat "$T/err")" RAN
for other in '--env A=1' '--arg A=1' '--workdir /w' '--user 0' '--network none' '--scope s' '--instruction t'; do
    # shellcheck disable=SC2086
    run $other -- sh -c 'echo RAN; echo hello >/x' >"$T/line" 2>"$T/text"
    is "another key: $other" "$(head -1 "$T/text") $(grep -c "$key" "$T/line")" 'RAN 0'
done

# ---- failures ----
names=$(lc list cache | wc -l)
fails 42 'a failing command: its status' run -- sh -c 'echo bad; exit 42'
is 'and its output' "$(head -1 "$T/err")" bad
fails 42 'it runs again' run -- sh -c 'echo bad; exit 42'
fails 143 'ended by a signal' run -- sh -c 'kill -TERM $$'
fails_saying 127 "cannot execute 'nosuch'" 'no such command' run -- nosuch
fails_saying 126 "cannot execute '/etc/passwd'" 'no program' run -- /etc/passwd
fails_saying 125 "no image 'docker.io/library/nosuch:latest'" 'no such parent' lc run --parent nosuch -- true
fails_saying 125 "unknown option" 'usage' run --bogus
fails_saying 125 "nothing to do" 'nothing to do' lc run --parent base
fails_saying 125 "there is no user 'nobody2'" 'no such user' run --user nobody2 -- true
fails_saying 125 "there is no '.*/nosuch'" 'no such input' run --input "$T/nosuch" -- true
fails_saying 125 'bad secret' 'a secret without a file' run --secret a -- true
fails_saying 125 "secret 'a': " 'a secret that is not there' run --secret "a=$T/nosuch" -- true
is 'nothing was recorded' "$(lc list cache | wc -l)" "$names"

# ---- what the command is given ----
says 'namespaces of its own' "$(printf 'layercache\n2\n/')" -- sh -c 'hostname; echo $$; pwd'
says 'no input, no file of the caller' '0 0' -- sh -c 'set -- /proc/self/fd/[3-9]; [ -e "$1" ] && n=1; echo $(wc -c) ${n:-0}' 7<"$T"
mkdir "$T/etc" && ln -s ../run/resolve/conf "$T/etc/resolv.conf"
lc run --parent base --name away --input "$T/etc:/etc" >/dev/null
ok 'the host has its resolv.conf where a link of the image says' lc run --parent away -- cat /etc/resolv.conf
is 'as it is' "$(cat "$T/err")" "$(cat /etc/resolv.conf)"
is 'and it is gone' "$(lc run --parent away -- cat /etc/resolv.conf 2>/dev/null | cut -d' ' -f2)" \
    "$(lc run --parent away -- true 2>/dev/null | cut -d' ' -f2)"
mkdir "$T/loop" && ln -s hosts "$T/loop/hosts"
lc run --parent base --name loop --input "$T/loop:/etc" >/dev/null
ok 'a link that leads nowhere is no hindrance' lc run --parent loop -- true
says 'devices' 'null zero full random urandom tty ' -- sh -c 'for d in null zero full random urandom tty; do [ -c /dev/$d ] && printf "%s " $d; done'
says 'none that it makes' '1 1' -- sh -c 'mknod /dev/d b 7 0; mknod /d b 7 0; cat /dev/d 2>/dev/null; a=$?; cat /d 2>/dev/null; echo $a $?'
says 'capabilities as in Docker' '00000000a80425fb' -- awk '/CapEff/ {print $2}' /proc/self/status
says 'the host cannot be changed' 'no no no' -- sh -c 'for f in /proc/sys/kernel/hostname /sys/kernel/profiling /etc/hosts; do (echo x >$f) 2>/dev/null && echo yes || echo no; done | xargs'
says 'environment: --env, --arg, the usual' 'A=1 B=2 HOME=/root PATH=/usr/bin:/bin' --env A=1 --env PATH=/usr/bin:/bin --arg B=2 --arg A=9 -- sh -c 'env | grep -v -e PWD -e SHLVL | sort | xargs'
says 'a user with groups, a directory that is made' '1000:1000 1000 2000 /home/app/src' --user app --workdir /home/app/src -- sh -c 'echo $(id -u):$(id -g) $(id -G) $PWD'
says 'a user and group by number' '77:2000 2000' --user 77:tools -- sh -c 'echo $(id -u):$(id -g) $(id -G)'
says 'as a user no capabilities' '0000000000000000' --user app -- awk '/CapEff/ {print $2}' /proc/self/status
says 'programs that are setuid work' '0' -- sh -c 'grep " / " /proc/mounts | grep -c nosuid; true'
says 'without a network there is a loopback' 'lo' --network none -- sh -c 'ls /sys/class/net'
says 'that is up' '1' --network none -- sh -c 'ifconfig lo | grep -c UP'
is 'the layer of nothing' "$(files_of "$(run -- true | cut -d' ' -f1)")" ''

# ---- secrets ----
secret=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
printf %s "secret-$secret" >"$T/token"
ok 'a secret' run --secret "tok=$T/token" -- sh -c '[ "$(wc -c </run/secrets/tok)" = 31 ] && stat -c %a:%u /run/secrets/tok >/got'
read -r diff _ key _ <"$T/out"
is 'leaves nothing' "$(files_of "$diff")" './ got '
is 'of which it was the user' "$(tar xOf "$T/layer.tar" got)" '400:0'
ok 'and is not in the key' lc key --parent base -- sh -c '[ "$(wc -c </run/secrets/tok)" = 31 ] && stat -c %a:%u /run/secrets/tok >/got'
is 'the same' "$(cat "$T/out")" "$key"
ok 'for a user' run --user app --secret "tok=$T/token" -- sh -c 'cat /run/secrets/tok >/dev/null && ! echo >/run/secrets/tok'
is 'is nowhere in the store' "$(grep -rlaF "$secret" "$LAYERCACHE_STORE" | wc -l)" 0
lc export "layer:$diff" "tar:$T/layer.tar"
is 'nor in the layer' "$(grep -caF "$secret" "$T/layer.tar")" 0

# ---- inputs ----
mkdir -p "$T/src/sub" "$T/src/skip" && cd "$T/src" || exit 1
echo one >a && echo two >sub/b && chmod 750 sub && ln -s a link && echo x >skip/x && chmod +x sub/b
chown -R 5:6 . && setfattr -n user.note -v hi a && touch -d @1500000000 a sub/b sub
printf 'skip\n*.o\n' >.dockerignore && echo o >c.o && mkfifo pipe
ok 'a directory is copied in' lc run --parent base --workdir /app --input .
read -r diff _ <"$T/out"
is 'where the command runs, without what is ignored' "$(files_of "$diff")" \
    './ app/ app/.dockerignore app/a app/link app/pipe app/sub/ app/sub/b '
is 'of root, with modes and times' "$(tar tvf "$T/layer.tar" --numeric-owner --utc --full-time | awk '$6 ~ /app.(a|sub)/ {print $1,$2,$4,$5,$6}')" \
    "$(printf '%s\n' '-rw-r--r-- 0/0 2017-07-14 02:40:00 app/a' 'drwxr-x--- 0/0 2017-07-14 02:40:00 app/sub/' '-rwxr-xr-x 0/0 2017-07-14 02:40:00 app/sub/b')"
is 'with attributes' "$(grep -acF 'SCHILY.xattr.user.note=hi' "$T/layer.tar")" 1
ok 'two inputs, other owners, a command that sees them' lc run --parent base --chown 7:8 \
    --input a:/in/ --input sub:/in/deeper -- sh -c 'stat -c "%n %u:%g" /in/a /in/deeper/b'
is 'all there' "$(cat "$T/err")" "$(printf '/in/a 7:8\n/in/deeper/b 7:8')"
ok 'an input over what is there' lc run --parent one --input a:/x
is 'the new one' "$(lc export "layer:$(cut -d' ' -f1 "$T/out")" "tar:$T/layer.tar"; tar xOf "$T/layer.tar" x)" one
lc run --parent base --name links -- ln -s ../../../../../../tmp /up >/dev/null
ok 'links of the image do not lead out of it' lc run --parent links --input "a:/up/${T##*/}"
is 'but in it' "$(files_of "$(cut -d' ' -f1 "$T/out")")" "tmp/ tmp/${T##*/} "
cd / || exit 1

# ---- configuration and history ----
ok 'a step that only says something' run --name conf --env 'V=a b' --user app --workdir /etc
ok 'one above it' lc run --parent conf --name conf2 -- sh -c 'echo "$V $(id -un) $PWD"'
is 'goes by it' "$(cat "$T/err")" 'a b app /etc'
ok 'export' lc export conf2 "oci:$T/layout:conf2"
blob() { echo "$T/layout/blobs/sha256/${1#sha256:}"; }
manifest=$(jq -r '.manifests[0].digest' "$T/layout/index.json")
config=$(jq -r .config.digest "$(blob "$manifest")")
is 'its configuration' "$(jq -c '[.config.Env,.config.User,.config.WorkingDir]' "$(blob "$config")")" '[["V=a b"],"app","/etc"]'
is 'its history: a layer per step that made one' \
    "$(jq -c '[.history[]|.empty_layer//false]' "$(blob "$config")") $(jq '.rootfs.diff_ids|length' "$(blob "$config")")" '[false,true,false] 2'
is 'what was done' "$(jq -r '.history[2].created_by' "$(blob "$config")")" 'RUN sh -c echo "$V $(id -un) $PWD"'
ok 'umoci unpacks it' umoci unpack --image "$T/layout:conf2" "$T/bundle"
is 'the program does not start a shell for it' "$(run -- 'echo $HOME' 2>&1 >/dev/null | grep -c 'cannot execute')" 1
ok 'without a parent' lc run --name scratch --input "$T/base:/" --user app
is 'history does not say where the host had its files' "$(lc show --json scratch | jq -c '.. | .created_by? // empty' | grep COPY)" '"COPY base /"'
ok 'on it' lc run --parent scratch --name scratch2 -- id -un
is 'it runs' "$(cat "$T/err")" app
fails 1 'without a parent no devices either' lc run --input "$T/base:/" -- sh -c 'mknod /d b 7 0; cat /d'

is 'nothing is mounted' "$(grep -c "$T/store" /proc/self/mountinfo)" 0
is 'no overlay is left' "$(find "$LAYERCACHE_STORE/overlays" "$LAYERCACHE_STORE/runs" -mindepth 1 | wc -l)" 0
ok 'the store is whole' lc verify
done_testing
