#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# layercache serve --upstream in front of Debian's docker-registry: what is asked of it, and how
# often; tags that move; several platforms; an upstream that is gone; many clients at once;
# htpasswd.
. "$(dirname "$0")/../lib/serve.sh"
serve_alone "$0"
. "$(dirname "$0")/../lib/tap.sh"
need root docker-registry skopeo htpasswd jq python3 curl

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" layered "$T/img" v1
python3 "$lib/mkimage.py" small "$T/other" v1
htpasswd -Bbn ci s3cret >"$T/htpasswd"

upstream() { # kind port, more
    cat >"$T/$1.yml" <<Y
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/reg-$1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$2"}
$3
Y
    docker-registry serve "$T/$1.yml" >>"$T/$1.log" 2>&1 &
    eval "$1_pid=$!"
    for _ in $(seq 100); do
        (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        sleep 0.05
    done
}
fill() { # layout:tag, name at port 5801, more options of skopeo
    skopeo --insecure-policy copy -q --dest-tls-verify=false "${@:3}" "oci:$1" "docker://127.0.0.1:5801/$2"
}
mark() { wc -l <"$T/plain.log" >"$T/mark"; }
# What the upstream was asked since the mark, once it has written that: one line per request.
asked() {
    sleep 0.2
    tail -n "+$(($(<"$T/mark") + 1))" "$T/plain.log" | grep -aoE '"(GET|HEAD|POST|PUT) /v2/[^"]* HTTP/1.1"' |
        grep -acE "${1:-.}"
}
pull() { # name, layout:tag, more options
    skopeo --insecure-policy copy -q --src-tls-verify=false "${@:3}" "docker://$address/$1" "oci:$T/$2"
}
raw() { skopeo inspect --tls-verify=false --raw "docker://$address/$1" | sha256sum; }
here() { skopeo inspect --tls-verify=false --raw "docker://127.0.0.1:5801/$1" | sha256sum; }
code() { curl -s -o "$T/body" -w '%{http_code}' "$@"; }
# The images are put into the store behind the clients' backs.
kept() { # name
    for _ in $(seq 200); do
        lc list 2>/dev/null | cut -d' ' -f1 | grep -qxF "$1" && return
        sleep 0.05
    done
    return 1
}

upstream plain 5801 ''
fill "$T/img:v1" team/app:v1

# ---- one image ----

ok 'a server with an upstream' serve_start --upstream 127.0.0.1:5801
mark
ok 'skopeo copies through it' pull team/app:v1 one:v1
count=$(jq '.layers | length + 1' "$T/img/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/img/index.json" | cut -d: -f2)")
is 'each blob was asked for once' "$(asked '/blobs/')" "$count"
is 'and the manifest' "$(asked '/manifests/')" 1
ok 'the image comes into the store' kept 127.0.0.1:5801/team/app:v1
is 'the client has the very image' "$(jq -r '.manifests[0].digest' "$T/one/index.json")" \
    "$(jq -r '.manifests[0].digest' "$T/img/index.json")"
mark
ok 'a second client' pull team/app:v1 two:v1
is 'asks for no blob there' "$(asked '/blobs/')" 0
is 'only what the tag is' "$(asked 'HEAD .*/manifests/v1')" "$(asked)"
is 'the same bytes' "$(raw team/app:v1)" "$(here team/app:v1)"
mark
ok 'by the name it has in the store' curl -sf -o "$T/o" "http://$address/v2/team/app/manifests/v1?ns=127.0.0.1:5801"
is '?ns= of another registry is not found' "$(code "http://$address/v2/team/app/manifests/v1?ns=docker.io")" 404
is 'HEAD of the manifest' "$(code -I "http://$address/v2/team/app/manifests/v1")" 200
is 'tags' "$(curl -s "http://$address/v2/team/app/tags/list" | jq -c .tags)" '["v1"]'
is 'what the upstream lacks is not found' "$(code "http://$address/v2/team/none/manifests/v1")" 404
is 'with the code of the specification' "$(jq -r '.errors[0].code' "$T/body")" MANIFEST_UNKNOWN
d=sha256:$(printf 'nothing' | sha256sum | cut -d' ' -f1)
is 'nor a blob' "$(code "http://$address/v2/team/app/blobs/$d") $(jq -r '.errors[0].code' "$T/body")" '404 BLOB_UNKNOWN'
is 'nor tags' "$(code "http://$address/v2/team/none/tags/list") $(jq -r '.errors[0].code' "$T/body")" '404 NAME_UNKNOWN'
is 'it takes no pushes' "$(code -X POST "http://$address/v2/team/app/blobs/uploads/")" 405
ok 'it is an image like others' lc export -q 127.0.0.1:5801/team/app:v1 "oci:$T/exported:v1"

# ---- a tag that moves ----

fill "$T/other:v1" team/app:v1
sleep 1.1
ok 'the tag moves upstream' pull team/app:v1 moved:v1
is 'and is the new one here' "$(jq -r '.manifests[0].digest' "$T/moved/index.json")" \
    "$(jq -r '.manifests[0].digest' "$T/other/index.json")"
new=$(jq -r .config.digest "$T/other/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/other/index.json" | cut -d: -f2)")
moved() { for _ in $(seq 200); do [ "$(lc list --json | jq -r '.[] | select(.name=="127.0.0.1:5801/team/app:v1").image')" = "$new" ] && return; sleep 0.05; done; return 1; }
ok 'in the store too' moved
sleep 1.1
fill "$T/img:v1" team/app:v1
mark
ok 'back to the first' pull team/app:v1 back:v1
is 'no blob is fetched for that' "$(asked '/blobs/')" 0
new=$(jq -r .config.digest "$T/img/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/img/index.json" | cut -d: -f2)")
ok 'the name follows' moved

# ---- several platforms ----

python3 - "$T/img" <<'P'
import hashlib, json, sys
d = sys.argv[1]
top = json.load(open(d + "/index.json"))["manifests"][0]
def put(doc):
    data = json.dumps(doc).encode()
    digest = hashlib.sha256(data).hexdigest()
    open(d + "/blobs/sha256/" + digest, "wb").write(data)
    return "sha256:" + digest, len(data)
m = json.load(open(d + "/blobs/" + top["digest"].replace(":", "/")))
c = json.load(open(d + "/blobs/" + m["config"]["digest"].replace(":", "/")))
entries = []
for arch in ("amd64", "arm64", "s390x"):
    cd, cs = put(dict(c, architecture=arch, os="linux"))
    md, ms = put(dict(m, config=dict(m["config"], digest=cd, size=cs)))
    entries.append({"mediaType": top["mediaType"], "digest": md, "size": ms,
                    "platform": {"os": "linux", "architecture": arch}})
xd, xs = put({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
              "manifests": entries})
json.dump({"schemaVersion": 2, "manifests": [
    {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": xd, "size": xs,
     "annotations": {"org.opencontainers.image.ref.name": "multi"}}]}, open(d + "/multi.json", "w"))
P
cp -r "$T/img" "$T/multi"
mv "$T/multi/multi.json" "$T/multi/index.json"
fill "$T/multi:multi" team/multi:v1 --all
ok 'one image of an index' pull team/multi:v1 arm:v1 --override-arch arm64
ok 'the name comes with it' kept 127.0.0.1:5801/team/multi:v1
platforms() { lc list --json | jq -c '.[] | select(.name=="127.0.0.1:5801/team/multi:v1")| [.platforms[].platform] | sort'; }
is 'for its platform' "$(platforms)" '["linux/arm64"]'
ok 'and another' pull team/multi:v1 amd:v1 --override-arch amd64
for _ in $(seq 100); do [ "$(platforms)" = '["linux/arm64"]' ] || break; sleep 0.05; done
is 'both are there' "$(platforms)" '["linux/amd64","linux/arm64"]'
is 'the index is the very one' "$(raw team/multi:v1)" "$(here team/multi:v1)"

# ---- referrers ----

digest=$(jq -r '.manifests[0].digest' "$T/img/index.json")
size=$(stat -c %s "$T/img/blobs/sha256/${digest#sha256:}")
printf '{}' >"$T/empty"
e=sha256:$(sha256sum <"$T/empty" | cut -d' ' -f1)
location=$(curl -s -D - -o /dev/null -X POST http://127.0.0.1:5801/v2/team/app/blobs/uploads/ | tr -d '\r' | sed -n 's/^Location: //Ip')
curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$T/empty" "$location&digest=$e"
jq -nc --arg d "$digest" --argjson s "$size" --arg e "$e" '{schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: "application/x.sig",
    config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $e, size: 2},
    layers: [{mediaType: "application/x.sig", digest: $e, size: 2}],
    subject: {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s}}' >"$T/sig.json"
curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$T/sig.json" \
    http://127.0.0.1:5801/v2/team/app/manifests/sig
ok 'an artifact comes through' curl -sf -o "$T/got" "http://$address/v2/team/app/manifests/sig"
is 'as it is' "$(sha256sum <"$T/got")" "$(sha256sum <"$T/sig.json")"
ok 'its blob too' curl -sf -o "$T/got" "http://$address/v2/team/app/blobs/$e"
is 'as it is' "$(cat "$T/got")" '{}'
about() { curl -s "http://$address/v2/team/app/referrers/$digest"; }
for _ in $(seq 100); do [ "$(about | jq '.manifests | length')" = 0 ] || break; sleep 0.05; done
is 'the store knows what it is about' "$(about | jq -r '.manifests[0].artifactType')" application/x.sig

# ---- a restart, and no upstream ----

serve_stop
ok 'the store is well' lc verify
mark
ok 'after a restart' serve_start --upstream 127.0.0.1:5801
ok 'a client' pull team/app:v1 three:v1
is 'gets all from the store' "$(asked '/blobs/') $(asked 'GET .*/manifests/')" '0 0'
kill "$plain_pid"
wait "$plain_pid" 2>/dev/null
sleep 1.1
ok 'the upstream is gone: a client all the same' pull team/app:v1 four:v1
is 'has the image' "$(jq -r '.manifests[0].digest' "$T/four/index.json")" "$(jq -r '.manifests[0].digest' "$T/img/index.json")"
ok 'and one of several platforms' pull team/multi:v1 five:v1 --override-arch arm64
is 'what was not fetched is not to be had' "$(code "http://$address/v2/team/later/manifests/v1")" 503
is 'with an error of the specification' "$(jq -r '.errors | length' "$T/body")" 1
is 'tags of the store' "$(curl -s "http://$address/v2/team/app/tags/list" | jq -c .tags)" '["sig","v1"]'
serve_stop
ok 'a server that starts without its upstream' serve_start --upstream 127.0.0.1:5801
ok 'gives what there is' pull team/app:v1 six:v1
serve_stop
ok 'gc keeps it' lc gc --keep-days 0
serve_start
ok 'without any upstream' pull team/app:v1 seven:v1
serve_stop

# ---- many at once ----

export LAYERCACHE_STORE=$T/named
upstream plain 5801 ''
serve_start --upstream 127.0.0.1:5801
mark
is '20 clients at once' "$(python3 - "$address" team/app v1 <<'P'
import hashlib, http.client, json, sys, threading
host, repo, tag = sys.argv[1:]
start, good, lock = threading.Barrier(20), [], threading.Lock()
def get(c, what):
    c.request("GET", "/v2/%s/%s" % (repo, what),
              headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    r = c.getresponse()
    data = r.read()
    assert r.status == 200, (what, r.status, data)
    return data
def client():
    start.wait()
    c = http.client.HTTPConnection(host)
    m = json.loads(get(c, "manifests/" + tag))
    for d in [m["config"]] + m["layers"]:
        data = get(c, "blobs/" + d["digest"])
        assert "sha256:" + hashlib.sha256(data).hexdigest() == d["digest"]
    with lock:
        good.append(1)
threads = [threading.Thread(target=client) for _ in range(20)]
for t in threads: t.start()
for t in threads: t.join()
print(len(good))
P
)" 20
is 'one request for the manifest' "$(asked 'GET .*/manifests/')" 1
is 'one for each blob' "$(asked '/blobs/')" "$count"
ok 'the image is kept' kept 127.0.0.1:5801/team/app:v1
serve_stop

# ---- other names, prefixes, pushes beside it ----

serve_start -w --upstream docker.io=127.0.0.1:5801/team --upstream corp.test=127.0.0.1:5801
fill "$T/img:v1" team/library/tool:v1
ok 'as Docker names it' pull tool:v1 tool:v1
ok 'it is kept so' kept docker.io/library/tool:v1
ok 'the other by its host' pull corp.test/team/app:v1 corp:v1
ok 'is kept so' kept corp.test/team/app:v1
is 'a host that is none of both' "$(code "http://$address/v2/other.test/team/app/manifests/v1")" 404
fill "$T/other:v1" team/library/tool:v2
ok 'a push here' skopeo --insecure-policy copy -q --dest-tls-verify=false --preserve-digests "oci:$T/other:v1" "docker://$address/tool:v1"
ok 'wins' pull tool:v1 pushed:v1
is 'it is that' "$(jq -r '.manifests[0].digest' "$T/pushed/index.json")" "$(jq -r '.manifests[0].digest' "$T/other/index.json")"
is 'tags of both' "$(curl -s "http://$address/v2/tool/tags/list" | jq -c .tags)" '["v1","v2"]'
serve_stop

# ---- credentials ----

upstream auth 5802 "auth: {htpasswd: {realm: test, path: $T/htpasswd}}"
skopeo --insecure-policy copy -q --dest-tls-verify=false --dest-creds ci:s3cret "oci:$T/img:v1" docker://127.0.0.1:5802/app:v1
export LAYERCACHE_STORE=$T/auth
ok 'an upstream that wants a password' serve_start --upstream 127.0.0.1:5802
is 'without one' "$(code "http://$address/v2/app/manifests/v1") $(jq -r '.errors[0].code' "$T/body")" '403 DENIED'
is 'what the client has is not handed on' "$(code -u ci:s3cret "http://$address/v2/app/manifests/v1")" 403
ok 'login' lc login --creds ci:s3cret 127.0.0.1:5802
ok 'counts from then on' pull app:v1 auth:v1
ok 'it is kept' kept 127.0.0.1:5802/app:v1
lc logout 127.0.0.1:5802 2>/dev/null
serve_stop
serve_start --upstream 127.0.0.1:5802
is 'who may no more see the tag gets nothing' "$(code "http://$address/v2/app/manifests/v1")" 403
serve_stop
ok 'credentials by option' serve_start --upstream 127.0.0.1:5802 --creds ci:s3cret
ok 'do as well' pull app:v1 auth2:v1
serve_stop
grep -q s3cret "$T/serve.err" "$T/serve.out"
is 'no secret is told' $? 1

# ---- the command line ----

fails_saying 2 'without a scheme' 'an address' lc serve 127.0.0.1:0 --upstream https://x.test
fails_saying 2 'bad upstream' 'no host' lc serve 127.0.0.1:0 --upstream nothing
fails_saying 2 'itself' 'itself' lc serve 127.0.0.1:5899 --upstream localhost:5899
fails_saying 2 'one upstream' 'one secret for two' lc serve 127.0.0.1:0 --upstream a.test --upstream b.test --creds a:b
fails_saying 2 'two upstreams' 'the same twice' lc serve 127.0.0.1:0 --upstream a.test=b.test --upstream a.test
ok 'the store is well' lc verify
done_testing
