#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh PACKAGE...: installs the Debian packages that are missing. Quick when none is.
#
# No service of an installed package is started: while apt runs, a policy-rc.d (the file that
# invoke-rc.d and deb-systemd-invoke ask before they start anything) says no. If the machine
# has a policy of its own, that one is left alone and decides.
set -eu
POLICY=${POLICY:-/usr/sbin/policy-rc.d} # other names are for tests
mark='temporary policy of layercache tests/lib/install.sh'
missing=
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null) || {
    echo "not a Debian system, please install by hand: $*" >&2
    exit 0
}
for p in "$@"; do
    case "
$installed
" in
    *"
$p installed
"*) ;;
    *) missing="$missing $p" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing packages, please install them as root:$missing" >&2
    exit 1
fi
echo "installing:$missing" >&2

# One at a time: the policy of one must not go while another still needs it.
exec 9<"$(dirname "$POLICY")"
flock 9
log=$(mktemp)
cleanup() {
    rm -f "$log"
    ! grep -qs "$mark" "$POLICY" || rm -f "$POLICY"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$POLICY" ]; then
    printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$POLICY.layercache"
    chmod 755 "$POLICY.layercache"
    mv "$POLICY.layercache" "$POLICY"
fi

export DEBIAN_FRONTEND=noninteractive
get() {
    # shellcheck disable=SC2086
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
}
# Lists may be absent or old; a repository that cannot be reached may not be needed.
if ! { get || { apt-get update || true; get; }; } >"$log" 2>&1 9<&- </dev/null; then
    tail -20 "$log" >&2
    exit 1
fi
