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
ALL_CFLAGS = -std=gnu17 $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) $(CPPFLAGS) \
	$(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g')
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -llmdb -pthread

STORE_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard store/*.c store/base/*.c))
APP_OBJS := $(patsubst %.c,$(O)/%.o,$(filter-out tools/main.c,$(wildcard fs/*.c tools/*.c tools/*/*.c)))
MAIN_OBJ := $(O)/tools/main.o
UNITS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))

all: $(O)/layercache

$(O)/layercache: $(MAIN_OBJ) $(O)/libapp.a $(O)/libstore.a
	$(Q)echo "  LINK $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(O)/libstore.a: $(STORE_OBJS)
$(O)/libapp.a: $(APP_OBJS)
$(O)/%.a:
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)echo "  CC $<"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

units: $(UNITS)
$(UNITS): $(O)/tests/%: $(O)/tests/unit/%.o $(O)/libapp.a $(O)/libstore.a
	$(Q)echo "  LINK $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY: $(UNITS:$(O)/tests/%=$(O)/tests/unit/%.o)
.PHONY: all units
