#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Against Debian's docker-registry, plain, with htpasswd and with TLS, in a network namespace of
# its own; skopeo says what is in it.
if [ "$(id -u)" = 0 ] && [ "${LC_OWN_NET:-}" != 1 ]; then
    LC_OWN_NET=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/../lib/tap.sh"
need root docker-registry skopeo htpasswd openssl jq ip python3
ip link set lo up

export HOME=$T/home XDG_RUNTIME_DIR=$T/run
mkdir "$HOME" "$XDG_RUNTIME_DIR"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy
python3 "$lib/mkimage.py" layered "$T/small" v1
python3 "$lib/mkimage.py" big "$T/big" v1
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/tls.key" -out "$T/tls.crt" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
htpasswd -Bbn ci s3cret >"$T/htpasswd"

serve() { # kind port, more of http:, more
    cat >"$T/$1.yml" <<Y
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $T/reg-$1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$2"$3}
$4
Y
    docker-registry serve "$T/$1.yml" >>"$T/$1.log" 2>&1 &
    eval "$1_pid=$!"
    for _ in $(seq 100); do
        (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        sleep 0.05
    done
}
serve plain 5000 '' ''
serve auth 5001 '' "auth: {htpasswd: {realm: test, path: $T/htpasswd}}"
serve tls 5002 ", tls: {certificate: $T/tls.crt, key: $T/tls.key}" ''
count() { grep -acE "\"$1" "$T/plain.log"; }

# What skopeo sees of the two is the same.
same() { # option, skopeo's name a, b
    diff <(skopeo inspect --raw "$1" "$2") <(skopeo inspect --raw "$1" "$3")
}
image_of() { skopeo inspect --tls-verify=false --raw "$1" | jq -r .config.digest; }
diffids_of() { skopeo inspect --tls-verify=false --config "$1" | jq -c .rootfs.diff_ids; }

# ---- plain ----

ok 'skopeo fills the registry' skopeo copy --dest-tls-verify=false "oci:$T/small:v1" docker://127.0.0.1:5000/small:v1
lc import -q "oci:$T/small:v1" local/small:v1 >"$T/line"
is 'pull gives the image that import gives' "$(lc --store "$T/p" pull -q 127.0.0.1:5000/small:v1 | cut -d' ' -f2-)" \
    "$(cut -d' ' -f2- "$T/line")"
ok 'push to another repository: the layers are mounted' lc --store "$T/p" push -q 127.0.0.1:5000/small:v1 127.0.0.1:5000/copy/small:v1
is 'skopeo sees the very manifest' "$(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/copy/small:v1 | sha256sum)" \
    "$(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/small:v1 | sha256sum)"
ok 'push to a new registry' lc --store "$T/p" push -q --creds ci:s3cret 127.0.0.1:5000/small:v1 127.0.0.1:5001/small:v1
ok 'skopeo copies what was pushed' skopeo copy --src-tls-verify=false --src-creds ci:s3cret \
    docker://127.0.0.1:5001/small:v1 "oci:$T/back:v1"
is 'image ID' "$(image_of "oci:$T/back:v1")" "$(image_of "oci:$T/small:v1")"
is 'DiffIDs' "$(diffids_of "oci:$T/back:v1")" "$(diffids_of "oci:$T/small:v1")"
before=$(wc -l <"$T/auth.log")
ok 'push again' lc --store "$T/p" push -q --creds ci:s3cret 127.0.0.1:5000/small:v1 127.0.0.1:5001/small:v1
is 'sends nothing' "$(tail -n "+$((before + 1))" "$T/auth.log" | grep -acE '"(PUT|POST|PATCH)')" 0
is 'in less than 10 requests' "$(($(tail -n "+$((before + 1))" "$T/auth.log" | grep -ac '"GET\|"HEAD') < 10))" 1
is 'list --remote' "$(lc list --remote 127.0.0.1:5000/copy/small)" 127.0.0.1:5000/copy/small:v1
fails 3 'a repository that is not there' lc list --remote 127.0.0.1:5000/none

# ---- several platforms, Docker's media types ----

python3 - "$T/small" <<'P'
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
for arch in ("amd64", "arm64"):
    config = dict(c, architecture=arch, os="linux")
    cd, cs = put(config)
    md, ms = put(dict(m, config=dict(m["config"], digest=cd, size=cs)))
    entries.append({"mediaType": top["mediaType"], "digest": md, "size": ms,
                    "platform": {"os": "linux", "architecture": arch}})
xd, xs = put({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
              "manifests": entries})
json.dump({"schemaVersion": 2, "manifests": [
    {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": xd, "size": xs,
     "annotations": {"org.opencontainers.image.ref.name": "multi"}}]}, open(d + "/index.json", "w"))
P
ok 'skopeo pushes an index' skopeo copy --all --dest-tls-verify=false "oci:$T/small:multi" docker://127.0.0.1:5000/multi:v1
is 'pull takes all platforms' "$(lc --store "$T/m" pull -q --keep-blobs --all-platforms 127.0.0.1:5000/multi:v1 | cut -d' ' -f1 | tr '\n' ' ')" \
    '127.0.0.1:5000/multi:v1 127.0.0.1:5000/multi:v1@linux-arm64 '
ok 'or one' lc --store "$T/m1" pull -q --platform linux/arm64 127.0.0.1:5000/multi:v1
ok 'push writes the index' lc --store "$T/m" push -q --creds ci:s3cret 127.0.0.1:5000/multi:v1 127.0.0.1:5001/multi:v1
is 'the very same' "$(skopeo inspect --tls-verify=false --creds ci:s3cret --raw docker://127.0.0.1:5001/multi:v1 | sha256sum)" \
    "$(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/multi:v1 | sha256sum)"
ok 'again' lc --store "$T/m" push -q --creds ci:s3cret 127.0.0.1:5000/multi:v1 127.0.0.1:5001/multi:v1
is 'sends nothing' "$(tail -n 12 "$T/auth.log" | grep -acE '"(PUT|POST|PATCH)[^"]*multi')" 0
ok 'skopeo pushes it in the form of Docker' skopeo copy --format v2s2 --dest-tls-verify=false \
    "oci:$T/back:v1" docker://127.0.0.1:5000/v2s2:v1
ok 'pull of that' lc --store "$T/d" pull -q --keep-blobs 127.0.0.1:5000/v2s2:v1
ok 'push keeps the form' lc --store "$T/d" push -q 127.0.0.1:5000/v2s2:v1 127.0.0.1:5000/v2s2-copy:v1
is 'the very manifest' "$(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/v2s2-copy:v1 | sha256sum)" \
    "$(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/v2s2:v1 | sha256sum)"

# ---- htpasswd ----

fails_saying 1 'log in first' 'htpasswd: nobody gets in' lc --store "$T/a" pull -q 127.0.0.1:5001/small:v1
fails_saying 1 'does not take our credentials' 'htpasswd: login with a wrong password' \
    lc login --creds ci:wrong 127.0.0.1:5001
ok 'htpasswd: login' lc login --creds ci:s3cret 127.0.0.1:5001
ok 'htpasswd: pull' lc --store "$T/a" pull -q 127.0.0.1:5001/small:v1
ok 'skopeo reads what login wrote' skopeo inspect --tls-verify=false --authfile "$HOME/.docker/config.json" docker://127.0.0.1:5001/small:v1
ok 'htpasswd: logout' lc logout 127.0.0.1:5001
ok 'skopeo logs in' skopeo login --tls-verify=false -u ci -p s3cret 127.0.0.1:5001 --authfile "$T/skopeo.json"
ok 'what skopeo wrote is read' lc --store "$T/a" pull -q --authfile "$T/skopeo.json" 127.0.0.1:5001/small:v1

# ---- TLS ----

fails_saying 1 'certificate' 'TLS: an unknown authority' lc --store "$T/t" pull -q localhost:5002/small:v1
mkdir -p "$HOME/.config/containers/certs.d/localhost:5002" "$T/certs"
cp "$T/tls.crt" "$T/certs/ca.crt"
ok 'TLS: push with --cert-dir' lc push -q --cert-dir "$T/certs" local/small:v1 localhost:5002/small:v1
cp "$T/tls.crt" "$HOME/.config/containers/certs.d/localhost:5002/ca.crt"
ok 'TLS: certs.d' lc --store "$T/t" pull -q localhost:5002/small:v1
ok 'TLS: not checked' lc --store "$T/t" pull -q --tls-verify=false 127.0.0.1:5002/small:v1
ok 'plain HTTP where TLS may be missing' lc --store "$T/t" pull -q --tls-verify=false 127.0.0.1:5000/small:v1
ip addr add 192.0.2.1/24 dev lo
fails 1 'no plain HTTP to another host' lc --store "$T/t" pull -q 192.0.2.1:5000/small:v1

# ---- a pull that is killed ----

skopeo copy --dest-tls-verify=false "oci:$T/big:v1" docker://127.0.0.1:5000/big:v1 >/dev/null 2>&1
python3 - "$T/ports2" "$T/slow" <<'P' &
# A relay on port 5003 that lets so many bytes through as the file says, then nothing more.
import os, socket, sys, threading
left = [int(open(sys.argv[2]).read()) if os.path.exists(sys.argv[2]) else 1 << 40]
def pump(a, b, counted):
    try:
        while True:
            data = a.recv(16384)
            if not data:
                break
            if counted:
                left[0] -= len(data)
                if left[0] < 0:
                    open(sys.argv[2] + ".reached", "w").close()
                    threading.Event().wait()
            b.sendall(data)
    except OSError:
        pass
    b.close()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 5003))
s.listen(50)
open(sys.argv[1], "w").close()
def limit():
    while not os.path.exists(sys.argv[2]):
        threading.Event().wait(0.02)
    left[0] = int(open(sys.argv[2]).read())
threading.Thread(target=limit, daemon=True).start()
while True:
    c, _ = s.accept()
    u = socket.create_connection(("127.0.0.1", 5000))
    threading.Thread(target=pump, args=(c, u, False), daemon=True).start()
    threading.Thread(target=pump, args=(u, c, True), daemon=True).start()
P
for _ in $(seq 100); do [ -e "$T/ports2" ] && break; sleep 0.05; done
mapfile -t sizes < <(skopeo inspect --tls-verify=false --raw docker://127.0.0.1:5000/big:v1 | jq '.layers[].size')
total=0
for s in "${sizes[@]}"; do total=$((total + s)); done
echo $((total * 9 / 10)) >"$T/slow"
sleep 0.1
"$BIN/layercache" --store "$T/k" pull -q 127.0.0.1:5003/big:v1 >"$T/o" 2>&1 &
pid=$!
for _ in $(seq 600); do [ -e "$T/slow.reached" ] && break; sleep 0.05; done
layers() { lc --store "$T/k" list layers 2>/dev/null | wc -l; }
for _ in $(seq 100); do [ "$(layers)" != 0 ] && break; sleep 0.05; done
kill -9 $pid
wait $pid 2>/dev/null
have=$(layers)
echo "# $have of ${#sizes[@]} layers were there when the pull was killed"
is 'what was whole is there, without a name' "$((have > 0)) $(lc --store "$T/k" list | wc -l)" '1 0'
before=$(wc -l <"$T/plain.log")
ok 'the next pull' lc --store "$T/k" pull -q 127.0.0.1:5000/big:v1
is 'fetches the rest alone' \
    "$(tail -n "+$((before + 1))" "$T/plain.log" | grep -ac '"GET /v2/big/blobs')" "$((${#sizes[@]} - have + 1))"
ok 'and the store is well' lc --store "$T/k" verify

done_testing
