#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pulls from a registry that misbehaves in all the ways that registries do.
. "$(dirname "$0")/../lib/tap.sh"
need python3

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" small "$T/layout" v1
python3 "$lib/stubregistry.py" "$T/layout" "$T/log" "$T/ports" 2>"$T/stub.err" &
for _ in $(seq 100); do [ -e "$T/ports" ] && break; sleep 0.05; done
read -r port _ <"$T/ports"
host=127.0.0.1:$port

lc import -q "oci:$T/layout:v1" local:v1 >"$T/line"
want=$(cut -d' ' -f2- "$T/line")

# A pull into a store of its own gives the very image.
fresh() { rm -rf "$T/s"; : >"$T/log"; }
pulls() { # behaviour, options...
    local behaviour=$1 got
    shift
    fresh
    got=$(lc --store "$T/s" pull -q "$@" "$host/$behaviour/app:v1") || return 1
    [ "$got" = "$host/$behaviour/app:v1 $want" ] || { echo "$got"; return 1; }
    lc --store "$T/s" verify >/dev/null
}
# A pull that fails leaves nothing behind that has a name.
refused() { # status, pattern, title, behaviour, options...
    local status=$1 pattern=$2 title=$3 behaviour=$4
    shift 4
    fresh
    fails_saying "$status" "$pattern" "$title" lc --store "$T/s" pull -q "$@" "$host/$behaviour/app:v1"
    is "$title: nothing has a name" "$(lc --store "$T/s" list 2>/dev/null)" ''
}
requests() { grep -c "^GET .*$1" "$T/log"; }

# ---- what is as it should be ----

ok 'a plain registry' pulls plain
ok 'the same again: only the manifest and the config are asked for' \
    lc --store "$T/s" pull -q "$host/plain/app:v1"
is 'no layer is fetched twice' "$(grep 'GET /v2/plain/app/blobs' "$T/log" | sort | uniq -c | awk '$1 > 1' | wc -l)" 1
fresh
ok 'import docker:// is the same' lc --store "$T/s" import -q "docker://$host/plain/app:v1" named:v1
is 'with the name that was given' "$(lc --store "$T/s" list)" "docker.io/library/named:v1 $want"
manifest=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"])' "$T/layout/index.json")
ok 'by digest' lc --store "$T/s" pull -q "$host/plain/app@$manifest"
fails_saying 3 'answers 404: manifest unknown' 'a tag that is not there is status 3' \
    lc --store "$T/s" pull -q "$host/plain/app:v2"
fails_saying 3 'answers 404$' 'also if the answer is a page of HTML' \
    lc --store "$T/s" pull -q "$host/html/app:v2"
fails_saying 1 'Could ?n.t connect|refused' 'nobody there' lc --store "$T/s" pull -q 127.0.0.1:1/app
fails 2 'usage: no name' lc pull
fails_saying 1 "bad name" 'a bad name' lc pull -q 'UP/er'
ok 'no digests, no lengths, wrong media types' pulls bare

# ---- who we are ----

refused 1 'log in first' 'Basic without credentials' basic
ok 'Basic with them' pulls basic --creds ci:s3cret
refused 1 'does not take our credentials' 'wrong ones are tried once' basic --creds ci:wrong
refused 1 'answers 401: who are you' 'a token without credentials' token
ok 'a token with them' pulls token --creds ci:s3cret
ok 'an anonymous token' pulls anon
refused 1 'answers 401' 'a token that is never good enough' stale
is 'is not asked for endlessly' "$(($(grep -c stale.service "$T/log") <= 3))" 1
refused 1 'will not ask for a token' 'a token server of no kind that we know' downgrade
ok 'a token that expires' pulls expire

echo '{"auths": {"'"$host"'": {"auth": "'"$(printf ci:s3cret | base64)"'"}, "other": {}}}' >"$T/auth.json"
ok '--authfile' pulls basic --authfile "$T/auth.json"
ok 'REGISTRY_AUTH_FILE' env REGISTRY_AUTH_FILE="$T/auth.json" "$BIN/layercache" --store "$T/s2" pull -q "$host/basic/app:v1"
refused 1 "there is no file" 'a file that is not there' basic --authfile "$T/none"
mkdir "$HOME/.docker" "$XDG_RUNTIME_DIR/containers"
cp "$T/auth.json" "$HOME/.docker/config.json"
ok 'config.json in .docker' pulls basic
echo '{"auths": {"'"$host"'": {"auth": "bad!"}, "'"$host"'/basic": {"auth": "'"$(printf ci:s3cret | base64)"'"}}}' \
    >"$XDG_RUNTIME_DIR/containers/auth.json"
ok 'podman'"'"'s file comes first, and the longest path' pulls basic
rm "$XDG_RUNTIME_DIR/containers/auth.json"
printf '{"auths": {' >"$HOME/.docker/config.json"
refused 1 'config.json.*JSON|config.json' 'a file that is broken' basic
echo '{"auths": {"http://'"$host"'/v1/": {"identitytoken": "id+token/="}}}' >"$HOME/.docker/config.json"
ok 'an identity token' pulls refresh

mkdir "$T/bin"
cat >"$T/bin/docker-credential-stub" <<'S'
#!/bin/sh
read -r server
echo "$1 $server" >>"${0%/bin/*}/helper"
case $1:$server in
get:127.*) echo '{"ServerURL":"x","Username":"ci","Secret":"s3cret"}' ;;
get:*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
S
chmod +x "$T/bin/docker-credential-stub"
PATH=$T/bin:$PATH
echo '{"credHelpers": {"'"$host"'": "stub"}}' >"$HOME/.docker/config.json"
ok 'a credential helper' pulls basic
is 'it was asked for this host' "$(sort -u "$T/helper")" "get $host"
echo '{"credsStore": "stub"}' >"$HOME/.docker/config.json"
ok 'a helper for all hosts' pulls token
echo '{"credsStore": "../evil"}' >"$HOME/.docker/config.json"
refused 1 'bad credential helper' 'a helper with a path is none' basic
rm "$HOME/.docker/config.json"

# ---- where we are sent ----

ok 'blobs elsewhere' pulls away --creds ci:s3cret
is 'nobody there was told who we are' "$(grep -c LEAK "$T/log")" 0
is 'the blobs came from there' "$(($(grep -c 'GET /far/.* -$' "$T/log") > 0))" 1
refused 1 'too many redirects' 'a circle' loop

# ---- what breaks ----

ok 'servers that are busy' pulls busy
refused 1 'answers 503' 'one that stays busy' down
refused 1 'answers 429' 'one that wants us back tomorrow' later
ok 'a body cut off goes on by a range' pulls cut
is 'from the middle' "$(($(grep -c ' 206 ' "$T/log") > 0))" 1
ok 'ranges ignored' pulls norange
ok 'ranges refused' pulls refuse
refused 1 'another part than was asked for' 'another range than was asked for' wrongrange
refused 1 'size mismatch' 'another size in between' changed
export LAYERCACHE_NET_TIMEOUT=1
ok 'a server that falls silent' pulls slow
unset LAYERCACHE_NET_TIMEOUT

# ---- what is wrong ----

refused 1 'digest mismatch' 'another content' baddigest
refused 1 'size mismatch' 'another size' badsize
refused 1 'Docker-Content-Digest announces' 'another manifest' baddoc
refused 1 'answers 404: blob unknown' 'a layer that is not there is a bad image, not a bad name' gone
refused 1 'config: .* is missing' 'nor is a config' lost
refused 1 'more than [0-9]+ bytes' 'a huge manifest' huge
refused 1 'more than [0-9]+ bytes' 'an endless one' endless
ok 'an endless blob is read as far as it goes' pulls endlessblob

# ---- tags ----

is 'list --remote: all pages' "$(lc list --remote "$host/plain/app" | sed -n '1p;250p;$=')" \
    "$(printf '%s\n' "$host/plain/app:t000" "$host/plain/app:t249" 250)"
is 'and as JSON' "$(lc list --json --remote "$host/plain/app" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(len(d), d[0]["tag"])')" '250 t000'
is 'a repository without tags' "$(lc list --remote "$host/notags/app"; echo $?)" 0
fails_saying 1 'more than 1000 pages' 'pages in a circle' lc list --remote "$host/round/app"
fails 2 'usage: --remote and a list' lc list layers --remote "$host/plain/app"

# ---- login ----

export DOCKER_CONFIG=$T/dc
login() { printf '%s\n' "$1" | "$BIN/layercache" login -u ci --password-stdin "$host"; }
fails_saying 3 'not logged in' 'logout without login' lc logout "$host"
ok 'login' login s3cret
is 'the file is for us alone' "$(stat -c %a "$DOCKER_CONFIG/config.json")" 600
ok 'it is used' pulls basic
echo '{"auths": {"x": {"auth": "eDp5"}}, "proxies": {"a": [1]}}' >"$DOCKER_CONFIG/config.json"
ok 'login into a file that has more' login s3cret
is 'the rest stays' "$(python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(sorted(d["auths"])[1], d["proxies"])' "$DOCKER_CONFIG/config.json")" "x {'a': [1]}"
ok 'logout' lc logout "$host"
refused 1 'log in first' 'and it is gone' basic
echo '{"credsStore": "stub"}' >"$DOCKER_CONFIG/config.json"
ok 'login by a helper' login s3cret
is 'which got it' "$(grep -c '^store .*"ServerURL":"'"$host"'".*s3cret' "$T/helper")" 1
is 'no secret is in the file' "$(cat "$DOCKER_CONFIG/config.json")" '{"credsStore": "stub"}'
fails_saying 2 'give --username' 'usage: nobody' lc login "$host"

done_testing
