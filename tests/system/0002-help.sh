#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Help, completion and man page come from or agree with the same tables; what is data and
# what is a message goes to the right stream.
. "$(dirname "$0")/../lib/tap.sh"

man=$here/tools/man/layercache.1.scd
mapfile -t verbs < <(lc --complete -- '')
is 'completion knows the commands' "$(printf '%s\n' "${verbs[@]}" | grep -cxE 'init|import|export|snapshot|list|show|path|diff|tag|remove|mount|unmount|overlay|verify|repair|stats|serve|help|version|pull|push|login|logout|key|lookup|run|cache|gc|publish|checkout|repack')" 31

# To stdout only, starting with the usage, at most 100 columns wide.
is_help() { # first words, command...
    local words=$1
    shift
    lc "$@" >"$T/help" 2>"$T/e" || { echo "exit status $?"; return 1; }
    [ ! -s "$T/e" ] || { cat "$T/e"; return 1; }
    head -1 "$T/help" | grep -q "^usage: $words" || { head -1 "$T/help"; return 1; }
    awk 'length > 100 {print FNR ": " length " columns"; bad = 1} END {exit bad}' "$T/help"
}
ok 'help is fit to read' is_help layercache help
ok '--help too' is_help layercache --help
cp "$T/help" "$T/overview"
same_help() {
    is_help "layercache $1" help "$1" && cp "$T/help" "$T/by-help" &&
        is_help "layercache $1" "$1" --help && diff "$T/by-help" "$T/help" &&
        is_help "layercache $1" "$1" -h && diff "$T/by-help" "$T/help" &&
        grep -qE "^  $1 +[a-z]" "$T/overview"
}

# The options of a command in the man page: between *verb* and the text below it.
man_options() {
    awk -v v="*$1*" '
        /^# / {inside = ($0 == "# COMMANDS")}
        inside && /^\*/ {take = index(", " $0 " ", ", " v " ") > 0}
        inside && /^\t/ {take = 0}
        take' "$man" | grep -oE -- '--[a-z-]+' | sort -u
}
own_options() {
    lc --complete -- "$1" -- | grep -vxE -- '--(store|alternate|quiet|help)' | sort -u
}
same_options() {
    diff <(own_options "$1") <(man_options "$1") >"$T/d" ||
        { echo '< program, > man page'; cat "$T/d"; return 1; }
    [ "$(own_options "$1" | while read -r o; do
        grep -qE -- "^ .*$o\b" "$T/by-help" || echo "$o"; done)" = '' ]
}
# Wrong use: exactly one line on stderr, nothing on stdout, status 2 (125 where the others are
# those of a command that was run).
wrong_use() {
    local r want=2
    [ "${1:-}" = run ] && want=125
    lc "$@" >"$T/o" 2>"$T/e"
    r=$?
    cat "$T/e"
    [ "$r" = "$want" ] && [ ! -s "$T/o" ] && [ "$(wc -l <"$T/e")" = 1 ] && grep -q '^layercache: ' "$T/e"
}
for v in "${verbs[@]}"; do
    ok "$v: help and --help are the same, fit to read" same_help "$v"
    lc help "$v" >"$T/by-help"
    ok "$v: the man page has its options" same_options "$v"
    ok "$v: an unknown option is wrong use" wrong_use "$v" --no-such-option
    ok "$v: so are too many arguments or none of those needed" sh -c "
        case $v in remove | lookup) set -- $v ;; key) set -- $v --explain a ;; run) set -- $v --network a ;; *) set -- $v a b c d ;; esac
        '$BIN/layercache' \"\$@\"; r=\$?; [ \$r = 2 ] || [ $v:\$r = run:125 ]"
    case $v in
    help) ;;
    *) ok "$v: completion offers its options" sh -c \
        "'$BIN/layercache' --complete -- $v -- | grep -qx -- --help" ;;
    esac
done

# Commands of a group, as far as there are groups.
for v in "${verbs[@]}"; do
    for m in $(lc help "$v" | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
        ok "$v $m: help and --help are the same" sh -c "
            '$BIN/layercache' help $v $m >'$T/by-help' && '$BIN/layercache' $v $m --help | diff '$T/by-help' - &&
            head -1 '$T/by-help' | grep -q '^usage: layercache $v $m' &&
            ! grep -qE '.{101}' '$T/by-help'"
        lc help "$v" "$m" >"$T/by-help"
        lc --complete -- "$v" "$m" -- | grep -vxE -- '--(store|alternate|quiet|help)' | sort -u >"$T/o"
        man_options "$v $m" >"$T/m"
        ok "$v $m: the man page has its options" diff "$T/o" "$T/m"
        ok "$v $m: an unknown option is wrong use" wrong_use "$v" "$m" --no-such-option
        ok "$v $m: completion knows it" sh -c "'$BIN/layercache' --complete -- $v '' | grep -qx $m"
    done
done
sed -n '/^# COMMANDS/,/^# MOUNT/s/^\(\*[a-z]*\*.*\)/\1/p' "$man" |
    grep -oE '(^|, )\*[a-z]+\*' | tr -d '*, ' | sort >"$T/man.verbs"
printf '%s\n' "${verbs[@]}" | sort >"$T/verbs"
ok 'the man page lists the same commands' diff "$T/verbs" "$T/man.verbs"
ok 'an unknown command is wrong use' wrong_use frobnicate
ok 'no command is wrong use' wrong_use
ok 'an unknown option before the command too' wrong_use --frobnicate list
ok 'help of an unknown command too' wrong_use help frobnicate
is 'completion of an unknown word is silent' "$(lc --complete -- frob 2>&1)" ''
ok 'none of this made a store' test ! -e "$LAYERCACHE_STORE"

if command -v scdoc >/dev/null && command -v man >/dev/null; then
    ok 'the man page is well formed' sh -c "scdoc <'$man' >'$T/m.1' && man -l --warnings '$T/m.1' >/dev/null"
else
    ok 'the man page is well formed' sh -c "scdoc <'$man' >'$T/m.1'"
fi
is 'bash completion offers verbs' "$(bash -c '
    PATH=$1:$PATH; . "$2"; COMP_WORDS=(layercache ver); COMP_CWORD=1; _layercache
    printf "%s\n" "${COMPREPLY[@]}"' - "$BIN" "$here/tools/completion/layercache.bash" | paste -sd' ')" \
    'verify version'
done_testing
