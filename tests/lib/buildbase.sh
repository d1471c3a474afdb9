# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# make_base DIR: the files of a small image that can build: busybox, two users, a package
# manager (`pkg install NAME...`) and a `pip` that both need no network.
make_base() {
    local d=$1 name
    mkdir -p "$d"/{bin,usr/bin,usr/lib,etc,root,home/app,tmp,var/lib/pkg,proc,sys,dev,run}
    cp "$(command -v busybox)" "$d/bin/busybox"
    for name in $(busybox --list); do
        [ "$name" = busybox ] || ln -s busybox "$d/bin/$name"
    done
    chmod 1777 "$d/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >"$d/etc/passwd"
    printf 'root:x:0:\napp:x:1000:\ntools:x:2000:app\n' >"$d/etc/group"
    cat >"$d/usr/bin/pkg" <<'EOF'
#!/bin/sh
# pkg install NAME...: a list of what is installed, and a file for each
[ "$1" = install ] && shift
for name; do
    echo "RAN pkg $name"
    echo "$name" >>/var/lib/pkg/status
    printf '#!/bin/sh\necho this is %s\n' "$name" >"/usr/bin/$name"
    chmod 755 "/usr/bin/$name"
done
EOF
    cat >"$d/usr/bin/pip" <<'EOF'
#!/bin/sh
# pip wheel -r FILE -w DIR | pip install [--no-index -f DIR] -r FILE
echo "RAN pip $*"
verb=$1 dir= file=
shift
while [ $# -gt 0 ]; do
    case $1 in
    -r) file=$2; shift ;;
    -w | -f) dir=$2; shift ;;
    esac
    shift
done
while read -r name; do
    if [ "$verb" = wheel ]; then
        mkdir -p "$dir" && echo "code of $name" >"$dir/$name.whl" || exit 1
    elif [ -n "$dir" ]; then
        mkdir -p /usr/lib/python && cp "$dir/$name.whl" "/usr/lib/python/$name" || exit 1
    else
        mkdir -p /usr/lib/python && echo "code of $name" >"/usr/lib/python/$name" || exit 1
    fi
done <"$file"
EOF
    chmod 755 "$d/usr/bin/pkg" "$d/usr/bin/pip"
}
