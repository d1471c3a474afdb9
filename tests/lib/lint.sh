#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules of style that a program can check, as TAP. `make lint` runs it; a rule whose tool
# is missing fails. What each rule is for stands in .github/CONTRIBUTING.md.
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C.UTF-8
shopt -s lastpipe # report counts, at the end of pipes
n=0
bad=0

report() { # title, offences on standard input
    local found
    found=$(cat)
    n=$((n + 1))
    if [ -z "$found" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        head -40 <<<"$found" | while read -r line; do echo "#   $line"; done
        bad=1
    fi
}

for tool in git clang-format shellcheck codespell ctags pmccabe; do
    command -v $tool >/dev/null || { echo "Bail out! lint needs $tool"; exit 1; }
done
files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do
    [ -f "$f" ] && echo "$f"
done; }
mapfile -t all < <(files | grep -vE '^tests/(fuzz/corpus|fixtures|golden)/|^LICENSE$')
mapfile -t c < <(files '*.c' '*.h')
mapfile -t store < <(files 'store/*.[ch]')
mapfile -t base < <(files 'store/base/*.[ch]')
mapfile -t fs < <(files 'fs/*.[ch]')
mapfile -t code < <(files 'store/*.[ch]' 'fs/*.[ch]' 'tools/*.[ch]')
mapfile -t scripts < <(files '*.sh' .ci/run)
mapfile -t python < <(files '*.py')

# ---- tools ----

# Other versions of clang-format break lines elsewhere: only 14 (Debian 12) decides.
version=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
if [ "$version" = 14 ]; then
    clang-format --dry-run -Werror "${c[@]}" 2>&1 |
        sed -n 's/^\([^ :]*:[0-9]*\):.*error: /\1: /p' | report 'the C code is formatted'
else
    n=$((n + 1))
    echo "ok $n - the C code is formatted # SKIP clang-format is $version, only 14 decides"
fi
shellcheck -x -f gcc "${scripts[@]}" tools/completion/layercache.bash 2>&1 |
    report 'shellcheck finds nothing in the scripts'
codespell "${all[@]}" | report 'no common spelling mistakes'
for f in "${python[@]}"; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f" 2>&1
done | report 'Python scripts parse'

# ---- size and complexity ----

wc -l "${c[@]}" "${scripts[@]}" "${python[@]}" |
    awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines, at most 600"}' |
    report 'no file is longer than 600 lines'
ctags --fields=+ne --c-kinds=f -o - "${c[@]}" 2>/dev/null |
    sed -n 's/^\([^\t]*\)\t\([^\t]*\)\t.*line:\([0-9]*\).*end:\([0-9]*\).*/\1 \2 \3 \4/p' |
    awk '$4 - $3 + 1 > 100 {print $2 ":" $3 ": " $1 " has " $4 - $3 + 1 " lines"}' |
    report 'no function is longer than 100 lines'
# pmccabe counts each && and || of a long comparison too: above 15 is told, above 20 fails.
pmccabe "${c[@]}" 2>/dev/null | awk '$1 > 15 && $1 <= 20 {print "# complexity " $1 ": " $6, $7}'
pmccabe "${c[@]}" 2>/dev/null | awk '$1 > 20 {print $6 " " $7 ": complexity " $1 ", at most 20"}' |
    report 'no function is more complex than 20'

# ---- layers: who may see what ----

# A library is visible only in the files whose job it is.
only() { # library, what stands in #include, regular expression of the files that may
    grep -nE "^#include <$2" "${code[@]}" | grep -vE "^($3):" | report "$1 is used only where it belongs"
}
only LMDB 'lmdb' 'store/catalog[a-z_]*\.[ch]'
only zstd 'zstd' 'store/(codec|inflate[a-z_]*|deflate_zstd)\.[ch]'
only libdeflate 'libdeflate' 'store/deflate_gzip\.c'
only libarchive 'archive' 'store/(tar_[a-z_]*|inflate[a-z_]*)\.[ch]|tools/oci/[a-z_]*archive[a-z_]*\.[ch]'
only zlib 'zlib' 'store/(inflate[a-z_]*\.[ch]|deflate_zlib\.c)'
only ISA-L '(isa-l|igzip|crc)' 'store/(inflate[a-z_]*|digest)\.[ch]'
only OpenSSL 'openssl' 'store/digest\.c'
only jansson 'jansson' 'tools/[a-z_/]*\.[ch]'
only FUSE 'fuse' 'fs/[a-z_]*\.[ch]|tools/cmd_mount\.c'
only libmicrohttpd 'microhttpd' 'tools/serve/http\.c'
only cURL 'curl' 'tools/registry/[a-z_]*\.[ch]'
only 'the EROFS format' '(linux/)?erofs' 'store/(erofs|tree)[a-z_]*\.[ch]'

grep -nE '^#include "(fs|tools|tests)/' "${store[@]}" |
    report 'store/ includes nothing of fs/ or tools/'
grep -nE '^#include "(tools|tests)/' "${fs[@]}" |
    report 'fs/ includes nothing of tools/'
grep -nE '^#include "' "${base[@]}" | grep -v '"store/base/' |
    report 'store/base/ includes only itself'
grep -nE '\b(v?f?printf|f?puts|putchar|perror|syslog|err_print)\(|\bstd(out|err)\b' \
    "${store[@]}" | grep -vE ':[[:space:]]*(/?\*|//)' |
    report 'store/ prints nothing'

# ---- what is never written ----

# Commands through a shell, and copies without a limit.
calls='system|popen|gets|strcpy|strcat|sprintf|vsprintf|tmpnam|tempnam|mktemp|alloca'
grep -nE "(^|[^_A-Za-z0-9.>\"])($calls)\(" "${code[@]}" |
    grep -vE ':[[:space:]]*(/?\*|//)' | report 'no banned function'
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${all[@]}" | grep -v '^tests/lib/lint.sh:' |
    report 'no notes of unfinished work'
grep -nE '^typedef (struct|union|enum)\b' "${code[@]}" | report 'no typedef of a struct, union or enum'
grep -nE '[[:blank:]]+$' "${all[@]}" | report 'no white space at ends of lines'
for f in "${all[@]}"; do
    [ -z "$(tail -c 1 "$f")" ] || echo "$f"
done | report 'every file ends with a newline'
for f in "${c[@]}" "${scripts[@]}" "${python[@]}" Makefile; do
    head -3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
done | report 'every file says its licence'
# A comment that says what the file is for follows in the same or the next lines.
for f in "${c[@]}"; do
    sed -n 2p "$f" | grep -q '^ \* .' || echo "$f"
done | report 'every C file says what it is for'
for f in "${code[@]}"; do
    [[ $f == *.h ]] || continue
    guard=$(tr 'a-z/.-' 'A-Z___' <<<"$f")
    grep -qx "#ifndef $guard" "$f" || echo "$f: expected $guard"
done | report 'include guards are named after their files'
for f in "${store[@]}"; do
    stem=$(basename "$f" .c)
    [[ $f == *.h ]] || grep -q "\`$stem\`" store/README.md || echo "$f"
done | report 'store/README.md names every file of store/'
for f in tools/*.c; do
    stem=$(basename "$f" .c)
    case $stem in cmd_* | show_*) continue ;; esac
    grep -q "\`$stem\`" tools/README.md || echo "$f"
done | report 'tools/README.md names every module of tools/'
for f in "${scripts[@]}" "${python[@]}"; do
    head -1 "$f" | grep -q '^#!' && [ ! -x "$f" ] && echo "$f"
done | report 'scripts are executable'

# ---- every header by itself ----

tests/lib/headers.sh | grep -vE '^(ok|1\.\.)' | report 'headers compile alone'

echo "1..$n"
exit $bad
