#!/bin/sh
# install.sh PACKAGE...: installs the Debian packages that are missing. Quick when none is.
# Services of installed packages are not started.
set -eu
missing=
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null) || {
    echo "not a Debian system: please install by hand: $*" >&2
    exit 0
}
for p in "$@"; do
    case "
$installed" in
    *"
$p installed"*) ;;
    *) missing="$missing $p" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing packages, please install them as root:$missing" >&2
    exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# RUNLEVEL=1 keeps invoke-rc.d from starting daemons.
export RUNLEVEL=1
log=$(mktemp)
# shellcheck disable=SC2086
if { apt-get install -y --no-install-recommends $missing ||
    { apt-get update && apt-get install -y --no-install-recommends $missing; }; } >"$log" 2>&1; then
    rm -f "$log"
else
    tail -20 "$log" >&2
    rm -f "$log"
    exit 1
fi
