#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a build would find in a cache, computed from Dockerfile and context alone: every step of
# caches that Docker 20.10 and 26 wrote, and the file and attribute that make one miss.
. "$(dirname "$0")/../lib/tap.sh"
need zstd jq

f=$T/fixtures
mkdir "$f"
for a in "$here"/tests/fixtures/*.tar.zst; do
    zstd -dcq "$a" | tar -x -p -C "$f"
done
import() { lc import -q "$@" >/dev/null || exit 1; }
import "oci:$f/cache-buildkit-local-index-max" max
import "oci:$f/cache-docker26-max" d26
import "dir:$f/inline-docker20.10-v1-dir" app:v1
import "dir:$f/inline-docker20.10-v2-dir" app:v2
explain() { lc cache explain --context "$@" 2>"$T/notes"; }
states() { explain "$@" | grep -v '^ ' | awk '{print $1}' | sort | uniq -c | awk '{print $1, $2}' | paste -sd' '; }

# ---- what BuildKit computed ----

ctx=$f/context-local-index-max
is 'every step of the cache is found' "$(states "$ctx" max)" '3 hit'
is 'all its records are computed' "$(explain "$ctx" max --json | jq -r '.[]|.digests[0],.content//empty' | sort)" \
    "$(lc cache show max --json | jq -r '.records[].digest' | sort)"
is 'an inline cache of Docker 20.10, its base image guessed' "$(states "$f/context-docker20.10" app:v2)" '1 hit 4 lost'
is 'which is told' "$(grep -c 'base/tiny.* is not in the store' "$T/notes")" 1
lc cache complete -q app:v2 >/dev/null
is 'completed, all of it is found' "$(states "$f/context-docker20.10" app:v2)" '5 hit'
d26=$f/context-docker26
is 'without the base image some cannot be known' "$(states "$d26" d26 | grep -c unknown)" 1
import "dir:$f/base-tiny-dir" localhost:5821/base/tiny:1
is 'with it everything that Docker 26 wrote is found' "$(states "$d26" d26)" '19 hit 1 lost'
is 'of a stage only what it needs' "$(states "$d26" d26 --target one)" '16 hit'
fails 3 'a stage that is not there' lc cache explain --context "$d26" d26 --target nosuch
is 'another argument misses where it counts, and after' "$(states "$d26" d26 --build-arg X=two)" '16 after 1 lost 3 miss'

# ---- what differs ----

new() { rm -rf "$T/c" && cp -a "$1" "$T/c"; }
new "$ctx"
find "$T/c" -exec touch -h -d 2001-01-01 {} +
is 'times do not count' "$(states "$T/c" max)" '3 hit'
chmod 600 "$T/c/main.txt"
is 'a mode is named' "$(explain "$T/c" max | grep '^  mode')" '  mode main.txt 0644 0600'
new "$ctx"
echo B >"$T/c/src/a.txt"
is 'a byte is named' "$(explain "$T/c" max | grep -E '^  [a-z]+ src')" '  content src/a.txt'
is 'the steps after it are not blamed' "$(states "$T/c" max)" '1 after 1 hit 1 miss'
new "$ctx"
mv "$T/c/src/sub/b.txt" "$T/c/src/sub/c.txt"
is 'a renamed file is named' "$(explain "$T/c" max | grep -E '^  [a-z]+ src')" '  renamed src/sub/c.txt src/sub/b.txt'
new "$ctx"
echo new >"$T/c/src/new"
rm "$T/c/src/a.txt"
ln -sf elsewhere "$T/c/src/link"
chmod 700 "$T/c/src/sub"
is 'so are all others' "$(explain "$T/c" max | grep -E '^  [a-z]+ src' | paste -sd'|')" \
    '  link src/link a.txt elsewhere|  mode src/sub 0755 0700|  removed src/a.txt|  added src/new'
is 'in JSON too' "$(explain "$T/c" max --json | jq -c '.[0].files|map([.what,.path])')" \
    '[["link","src/link"],["mode","src/sub"],["removed","src/a.txt"],["added","src/new"]]'
new "$ctx"
rm -rf "$T/c/main.txt"
is 'a file that is gone' "$(explain "$T/c" max | grep -A1 '^miss' | tail -1)" '  why a file that it copies is not there'
new "$ctx"
sed -i 's/main.txt \/main.txt/main.txt \/other.txt/' "$T/c/Dockerfile"
is 'another destination is another step' "$(explain "$T/c" max | grep -A1 '^miss' | tail -1)" '  why no record of a copy of these names to there'
new "$f/context-docker20.10"
sed -i 's/installed/other/' "$T/c/Dockerfile"
is 'of another command what is cached is told' "$(explain "$T/c" app:v2 | grep '^  cached')" '  cached RUN /bin/mk /installed # buildkit'
echo flask==2 >"$T/c/requirements.txt"
is 'changed requirements: the steps before are found' "$(states "$T/c" app:v2)" '1 after 2 hit 2 miss'

# ---- what is ignored ----

new "$ctx"
echo junk >"$T/c/src/junk"
printf '**/junk\n' >"$T/c/.dockerignore"
is 'what .dockerignore leaves out does not count' "$(states "$T/c" max)" '3 hit'
printf 'nothing\n' >"$T/c/Dockerfile.dockerignore"
is 'a Dockerfile has its own' "$(states "$T/c" max | grep -c miss)" 1
cp "$T/c/Dockerfile" "$T/Other"
is 'another Dockerfile by -f' "$(states "$T/c" -f "$T/Other" max)" '3 hit'

# ---- what is no build ----

bad() { printf '%b' "$1" >"$T/c/Dockerfile"; fails_saying 1 "$2" "$3" lc cache explain --context "$T/c" max; }
bad '' 'no FROM' 'an empty Dockerfile'
bad 'RUN x\n' 'before the first FROM' 'RUN before FROM'
bad 'FROM scratch\nFOO x\n' "line 2: unknown instruction 'FOO'" 'an unknown instruction'
bad 'FROM scratch\nCOPY a\n' 'a source and a destination' 'COPY of nothing'
bad "FROM scratch\nENV A=\${B\n" 'without' 'a bad variable'
bad "FROM scratch\nENV A=\${B:-\${C:-\${D:-\${E:-\${F:-\${G:-\${H:-\${I:-\${J:-\${K:-x}}}}}}}}}}\n" 'nested deeper' 'deep variables'
printf 'FROM scratch\nRUN <<EOF\nFROM nothing\nEOF\nRUN --mount=type=cache,target=/x y\nADD https://example.com/x /\nCOPY --link a /\n' >"$T/c/Dockerfile"
is 'what cannot be computed says so' "$(states "$T/c" max)" '4 unknown'
fails_saying 1 'there is no file' 'no Dockerfile' lc cache explain --context "$T/c" -f "$T/nosuch" max
fails 3 'no such cache' lc cache explain --context "$ctx" nosuch
done_testing
