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

PKGS := fuse3 libarchive libzstd libcrypto jansson libxxhash libisal
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wundef -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual \
	$(if $(filter 1,$(WERROR)),-Werror)
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CFLAGS = -std=gnu17 $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) $(CPPFLAGS) $(PKG_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g')
LIBS = $(shell pkg-config --libs $(PKGS)) -llmdb -pthread

STORE_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard store/*.c store/base/*.c))
APP_OBJS := $(patsubst %.c,$(O)/%.o,\
	$(filter-out tools/main.c,$(wildcard fs/*.c tools/*.c tools/*/*.c)))
UNITS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
HELPERS := $(patsubst tests/lib/%.c,$(O)/tests/%,$(wildcard tests/lib/*.c))
SYSTEM := $(sort $(wildcard tests/system/[0-9]*.sh))
SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: all units fuzzers help deps deps-check check check-headers check-corpora fuzz lint \
	format demo fresh crash bench install uninstall clean man
all: $(O)/layercache

help:
	@echo 'layercache: targets'
	@echo '  make demo           build, import a real image, mount, overlay, snapshot, clean up'
	@echo '  make check          build and run the whole test suite (needs root for mounts)'
	@echo '  make all            build $(O)/layercache'
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
.PHONY: force

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
$(UNITS): $(O)/tests/%: $(O)/tests/unit/%.o $(O)/libapp.a $(O)/libstore.a
	$(LINK) $^ -lcmocka $(LIBS)

fuzzers: $(FUZZERS)
FUZZ_DRIVER := $(if $(findstring fuzzer,$(SAN)),,$(O)/tests/fuzz/driver.o)
$(FUZZERS): $(O)/tests/%: $(O)/tests/fuzz/%.o $(FUZZ_DRIVER) $(O)/libapp.a $(O)/libstore.a
	$(LINK) $^ $(LIBS)

# libnfs is needed by this one only.
HELPER_LIBS_nfswalk := -lnfs
$(HELPERS): $(O)/tests/%: $(O)/tests/lib/%.o $(O)/libstore.a
	$(LINK) $^ $(HELPER_LIBS_$*) $(LIBS)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY: $(UNITS:$(O)/tests/%=$(O)/tests/unit/%.o) $(FUZZERS:$(O)/tests/%=$(O)/tests/fuzz/%.o)

# ---- what it needs ----

BUILD_PACKAGES := gcc make pkg-config libfuse3-dev fuse3 liblmdb-dev libarchive-dev \
	libisal-dev libjansson-dev libzstd-dev libssl-dev libxxhash-dev
TEST_PACKAGES := libcmocka-dev perl python3 umoci skopeo jq erofs-utils attr acl rsync \
	zstd xz-utils strace util-linux procps git debootstrap busybox-static scdoc libnfs-dev \
	iproute2

deps:
	@tests/lib/install.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)
deps-check:
	@tests/lib/install.sh $(BUILD_PACKAGES)

# ---- tests ----

check: deps
	@$(MAKE) --no-print-directory O=$(O) all units fuzzers helpers
	@BIN=$(abspath $(O)) CMOCKA_MESSAGE_OUTPUT=TAP prove --timer -e '' \
		$(UNITS) tests/lib/headers.sh tests/fuzz/replay.sh $(SYSTEM)
.PHONY: helpers
helpers: $(HELPERS)

check-corpora: deps all
	@BIN=$(abspath $(O)) prove --timer -v -e '' tests/corpora/check.sh

fuzz: fuzzers
	@BIN=$(abspath $(O)) tests/fuzz/replay.sh

crash: deps all
	@BIN=$(abspath $(O)) ROUNDS=$(or $(ROUNDS),200) prove -v -e '' tests/system/7001-kill.sh

fresh: deps
	@tests/lib/fresh.sh

bench: deps all
	@BIN=$(abspath $(O)) tests/bench/run.sh

demo: deps
	@$(MAKE) --no-print-directory O=$(O) all
	@BIN=$(abspath $(O)) tests/demo.sh

# ---- style ----

lint:
	@tests/lib/lint.sh
format:
	clang-format -i $(SOURCES)

# ---- install ----

BINDIR := $(DESTDIR)$(PREFIX)/bin
SBINDIR := $(DESTDIR)/sbin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
COMPLETION := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
MANPAGES := $(patsubst tools/man/%.scd,$(O)/man/%,$(wildcard tools/man/*.scd))

man: $(MANPAGES)
$(MANPAGES): $(O)/man/%: tools/man/%.scd
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
