# SPDX-License-Identifier: Apache-2.0
# layercache: one GNU make file. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
-include config.mak

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
PREFIX ?= /usr/local
DESTDIR ?=
SAN ?=
WERROR ?= 0
comma := ,
O ?= build/$(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)

PKGS := fuse3 libmicrohttpd libarchive libzstd libdeflate libcrypto libcurl jansson libxxhash libisal
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wundef -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual \
	$(if $(filter 1,$(WERROR)),-Werror)
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CFLAGS = -std=gnu17 $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) $(CPPFLAGS) $(PKG_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
# Asked for once, and not before what they name is installed.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g'))$(PKG_CFLAGS)
LIBS = $(eval LIBS := $(shell pkg-config --libs $(PKGS)) -llmdb -pthread)$(LIBS)

STORE_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard store/*.c store/base/*.c))
APP_OBJS := $(patsubst %.c,$(O)/%.o,\
	$(filter-out tools/main.c,$(wildcard fs/*.c tools/*.c tools/*/*.c)))
UNITS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
HELPERS := $(patsubst tests/lib/%.c,$(O)/tests/%,$(wildcard tests/lib/*.c))
SYSTEM := $(sort $(wildcard tests/system/[0-9]*.sh))
SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: all units fuzzers helpers help deps deps-check unit-deps check check-san \
	check-corpora fuzz lint format demo fresh crash bench install uninstall clean man force
all: $(O)/layercache

help:
	@echo 'layercache: targets'
	@echo '  make demo           build, import a real image, mount, overlay, snapshot, clean up'
	@echo '  make check          build and run the whole test suite (needs root for mounts)'
	@echo '  make all            build $(O)/layercache'
	@echo '  make check-san      the unit and system tests with ASan and UBSan'
	@echo '  make check-corpora  import four sets of real images and compare with umoci'
	@echo '  make fresh          demo and check inside new Debian 12 and 13 roots'
	@echo '  make crash          kill -9 campaign (ROUNDS=200)'
	@echo '  make fuzz           replay the fuzz corpora; explore: CC=clang SAN=fuzzer,address'
	@echo '  make bench          ratios against installed peers in one run'
	@echo '  make lint format    style checks; reformat'
	@echo '  make install uninstall  PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo '  make deps           install what building and testing needs (apt, as root)'
	@echo '  variables: V=1 WERROR=1 SAN=address,undefined CC CFLAGS LDFLAGS O=DIR'

# ---- build ----

# A change of flags rebuilds everything.
FLAGS_NOW := $(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(SAN) $(WERROR)
$(O)/flags: force
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

$(O)/%.o: %.c $(O)/flags | deps-check
	@mkdir -p $(@D)
	$(Q)echo "  CC    $<"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libstore.a: $(STORE_OBJS)
$(O)/libapp.a: $(APP_OBJS)
$(O)/libstore.a $(O)/libapp.a:
	$(Q)rm -f $@; $(AR) rcs $@ $^

LINK = $(Q)echo "  LINK  $@"; mkdir -p $(@D); $(CC) $(ALL_LDFLAGS) -o $@

$(O)/layercache: $(O)/tools/main.o $(O)/libapp.a $(O)/libstore.a
	$(LINK) $^ $(LIBS)

units: $(UNITS)
$(UNITS:$(O)/tests/%=$(O)/tests/unit/%.o): | unit-deps
unit-deps:
	@$(INSTALL) libcmocka-dev
$(UNITS): $(O)/tests/%: $(O)/tests/unit/%.o $(O)/libapp.a $(O)/libstore.a
	$(LINK) $^ -lcmocka $(LIBS)

fuzzers: $(FUZZERS)
FUZZ_DRIVER := $(if $(findstring fuzzer,$(SAN)),,$(O)/tests/fuzz/driver.o)
$(FUZZERS): $(O)/tests/%: $(O)/tests/fuzz/%.o $(FUZZ_DRIVER) $(O)/libapp.a $(O)/libstore.a
	$(LINK) $^ $(LIBS)

# libnfs is needed by this one only.
HELPER_LIBS_nfswalk := -lnfs
helpers: $(HELPERS)
$(HELPERS): $(O)/tests/%: $(O)/tests/lib/%.o $(O)/libstore.a
	$(LINK) $^ $(HELPER_LIBS_$*) $(LIBS)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY: $(UNITS:$(O)/tests/%=$(O)/tests/unit/%.o) $(FUZZERS:$(O)/tests/%=$(O)/tests/fuzz/%.o)

# ---- what it needs ----

BUILD_PACKAGES := gcc libc6-dev make pkg-config scdoc fuse3 libfuse3-dev liblmdb-dev \
	libarchive-dev libdeflate-dev libisal-dev libjansson-dev libzstd-dev libssl-dev libxxhash-dev \
	libcurl4-openssl-dev libmicrohttpd-dev
DEMO_PACKAGES := debootstrap umoci
TEST_PACKAGES := libcmocka-dev perl python3 umoci skopeo jq erofs-utils attr acl rsync \
	zstd xz-utils bzip2 strace util-linux mount procps e2fsprogs git busybox-static \
	libnfs-dev iproute2 docker-registry apache2-utils openssl
CORPORA_PACKAGES := buildah skopeo umoci debootstrap jq python3 zstd \
	$(if $(shell command -v npm),,npm)
LINT_PACKAGES := git clang-format shellcheck codespell universal-ctags pmccabe

INSTALL := tests/lib/install.sh
# A make inside make: as parallel as the outer one, else as the machine.
SUBMAKE = @$(MAKE) --no-print-directory O=$(O) $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

deps:
	@$(INSTALL) $(BUILD_PACKAGES) $(TEST_PACKAGES)
deps-check:
	@$(INSTALL) $(BUILD_PACKAGES)

# ---- tests ----

PROVE = BIN=$(abspath $(O)) CMOCKA_MESSAGE_OUTPUT=TAP prove --timer -e ''

check: deps
	$(SUBMAKE) all man units fuzzers helpers
	@$(PROVE) $(UNITS) tests/lib/headers.sh tests/fuzz/replay.sh $(SYSTEM)

# Every bad access or leak is a status that no test expects. Left out are the kill campaign
# (it takes long) and faults by strace (no leak checking under it).
SAN_SYSTEM := $(filter-out %/7001-kill.sh %/7005-faults.sh,$(SYSTEM))
check-san: SAN := address,undefined
check-san: O := build/san-address-undefined
check-san: deps
	$(SUBMAKE) SAN=$(SAN) all man units fuzzers helpers
	@LAYERCACHE_SAN=1 LC_TIMEOUT=600 ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99 \
		$(PROVE) $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c)) \
		tests/fuzz/replay.sh $(SAN_SYSTEM)

check-corpora:
	@$(INSTALL) $(BUILD_PACKAGES) perl $(CORPORA_PACKAGES)
	$(SUBMAKE) all
	@$(PROVE) -v tests/corpora/check.sh

fuzz: deps
	$(SUBMAKE) fuzzers
	@BIN=$(abspath $(O)) tests/fuzz/replay.sh

crash: deps
	$(SUBMAKE) all
	@ROUNDS=$(or $(ROUNDS),200) $(PROVE) -v tests/system/7001-kill.sh

fresh:
	@$(INSTALL) debootstrap git util-linux
	@tests/lib/fresh.sh

bench: deps
	$(SUBMAKE) all
	@BIN=$(abspath $(O)) tests/bench/run.sh

demo:
	@$(INSTALL) $(BUILD_PACKAGES) $(DEMO_PACKAGES)
	$(SUBMAKE) all
	@BIN=$(abspath $(O)) tests/demo.sh

# ---- style ----

lint:
	@$(INSTALL) $(LINT_PACKAGES) perl
	@prove --timer -e '' tests/lib/lint.sh
format:
	clang-format -i $(SOURCES)

# ---- install ----

BINDIR := $(DESTDIR)$(PREFIX)/bin
SBINDIR := $(DESTDIR)/sbin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
COMPLETION := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
MANPAGES := $(patsubst tools/man/%.scd,$(O)/man/%,$(wildcard tools/man/*.scd))

man: $(MANPAGES)
$(MANPAGES): $(O)/man/%: tools/man/%.scd | deps-check
	@mkdir -p $(@D); scdoc < $< > $@

install: all man
	install -D -m 755 $(O)/layercache $(BINDIR)/layercache
	install -d $(SBINDIR)
	ln -sf $(PREFIX)/bin/layercache $(SBINDIR)/mount.fuse.layercache
	for m in $(MANPAGES); do install -D -m 644 $$m $(MANDIR)/man$${m##*.}/$${m##*/}; done
	install -D -m 644 tools/completion/layercache.bash $(COMPLETION)/layercache

uninstall:
	rm -f $(BINDIR)/layercache $(SBINDIR)/mount.fuse.layercache $(COMPLETION)/layercache
	for m in $(MANPAGES); do rm -f $(MANDIR)/man$${m##*.}/$${m##*/}; done

clean:
	rm -rf build
