/* SPDX-License-Identifier: Apache-2.0
 * What the tests of verify and repair share: images in a scratch store, damage to its files,
 * and what is said of it. */
#ifndef TESTS_UNIT_CHECK_FIXTURE_H
#define TESTS_UNIT_CHECK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/base/io.h"
#include "store/check.h"
#include "store/layer.h"
#include "store/tar_write.h"
#include "tests/unit/scratch_store.h"

/* ---- images ---- */

/* Text that compresses and differs with SEED. */
static inline void fill(uint8_t *data, size_t len, uint64_t seed)
{
	seed = seed * 2654435761u + 1;
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		data[i] = (uint8_t)('a' + (seed >> 60));
	}
}

static inline void tar_file(struct buf *tar, const char *path, size_t len, uint64_t seed)
{
	struct tar_entry e = {
		.type = TAR_FILE,
		.path = path,
		.path_len = strlen(path),
		.link = "",
		.mode = 0644,
		.mtime = 1700000000,
		.size = len,
	};

	assert_ok(tar_write_entry(tar, &e, err));
	assert_ok(buf_append_zeros(tar, len + tar_write_padding(len), err));
	fill(tar->data + tar->len - len - tar_write_padding(len), len, seed);
}

/* FILES small files, one large one (cut into chunks), one that all layers share. */
static inline void make_tar(struct buf *tar, unsigned files, uint64_t seed)
{
	char path[32];

	buf_init(tar, 64 << 20);
	for (unsigned i = 0; i < files; i++) {
		snprintf(path, sizeof(path), "dir%u/file%u.txt", i % 5, i);
		tar_file(tar, path, 700 + 13 * i, seed * 1000 + i);
	}
	tar_file(tar, "large.bin", 900000, seed);
	tar_file(tar, "shared.bin", 500000, 4711);
	assert_ok(tar_write_end(tar, err));
}

struct image {
	struct digest layers[2], chain, manifest;
};

static inline void put_layer(struct session *s, uint64_t seed, struct digest *ret)
{
	struct stream *in = NULL;
	auto_buf struct buf tar;
	struct layer layer;

	make_tar(&tar, 40, seed);
	assert_ok(stream_from_bytes(tar.data, tar.len, &in, err));
	assert_ok(layer_ingest(s, in, "layer", NULL, NULL, NULL, NULL, &layer, err));
	*ret = layer.record.diffid;
	layer_release(&layer);
}

static inline void put_chain(struct session *s, struct image *image)
{
	struct record_item item = {.type = RECORD_CHAIN};

	for (unsigned i = 0; i < 2; i++) {
		item.chain.parent = image->chain;
		item.chain.diffid = image->layers[i];
		digest_chain(&item.chain.parent, &item.chain.diffid, &image->chain);
		item.chain.chainid = image->chain;
		assert_ok(session_add(s, &item, err));
	}
}

/* What an import does. A layer that the store has whole is not read again. */
static inline void import_image(const char *name, uint64_t seed, struct image *ret)
{
	struct record_ref_target target = {.platform = "linux/amd64"};
	struct record_item image = {.type = RECORD_IMAGE}, ref = {.type = RECORD_REF};
	struct record_item key = {.type = RECORD_KEY, .key.scope = "test"};
	struct session *s = NULL;
	char text[64];

	*ret = (struct image){0};
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	for (unsigned i = 0; i < 2; i++) {
		struct record_layer layer;
		struct digest diffid;
		auto_buf struct buf tar;

		make_tar(&tar, 40, seed + i);
		digest_of(tar.data, tar.len, &diffid);
		ret->layers[i] = diffid;
		if (session_layer_get(s, &diffid, &layer, NULL) == 0 &&
		    !(layer.flags & LAYER_DAMAGED))
			continue;
		put_layer(s, seed + i, &ret->layers[i]);
		assert_true(digest_equal(&ret->layers[i], &diffid));
	}
	put_chain(s, ret);
	snprintf(text, sizeof(text), "config %llu", (unsigned long long)seed);
	assert_ok(session_put_document(s, text, strlen(text), &image.image.config, err));
	snprintf(text, sizeof(text), "manifest %llu", (unsigned long long)seed);
	assert_ok(
		session_put_document(s, text, strlen(text), &image.image.manifest, err));
	image.image.chainid = ret->chain;
	strcpy(image.image.platform, "linux/amd64");
	assert_ok(session_add(s, &image, err));
	ret->manifest = target.manifest = image.image.manifest;
	ref.ref = (struct record_ref){.name = name, .count = 1, .targets = &target};
	assert_ok(session_add(s, &ref, err));
	key.key.chainid = ret->chain;
	key.key.manifest = ret->manifest;
	digest_of(name, strlen(name), &key.key.key);
	assert_ok(session_add(s, &key, err));
	session_replace_keys(s); /* the name is imported again with other content */
	assert_ok(session_commit(s, err));
}

/* ---- verify ---- */

struct told {
	unsigned count;
	bool loud;
	char text[100][800];
};

static struct told told;

static inline void on_told(void *arg, const char *text)
{
	struct told *t = arg;

	if (t->loud)
		fprintf(stderr, "told: %s\n", text);
	if (t->count < 100)
		snprintf(t->text[t->count], sizeof(t->text[0]), "%s", text);
	t->count++;
}

static inline bool was_told(const char *part)
{
	for (unsigned i = 0; i < told.count && i < 100; i++)
		if (strstr(told.text[i], part))
			return true;
	return false;
}

static inline uint64_t verify(unsigned sample, struct check_result *ret)
{
	const struct check_options o = {.sample = sample};
	struct check_result result;

	told = (struct told){.loud = getenv("LOUD") != NULL};
	assert_ok(check_verify(scratch_store, &o, on_told, &told, &result, err));
	assert_int_equal(result.problems, told.count);
	if (ret)
		*ret = result;
	return result.problems;
}

static inline void expect_clean(void)
{
	if (verify(100, NULL))
		fail_msg("%u problems: %s", told.count, told.text[0]);
}

/* ---- the store and its files ---- */

static inline void close_store(void)
{
	objects_free(scratch_objects);
	store_close(scratch_store);
	scratch_objects = NULL;
	scratch_store = NULL;
}

static inline void open_store(unsigned flags)
{
	assert_ok(store_open(scratch_path("store"), flags, &scratch_store, err));
}

static inline void reopen_store(unsigned flags)
{
	close_store();
	open_store(flags);
}

static inline void remove_below(const char *name)
{
	assert_int_equal(
		nftw(scratch_path(name), scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS),
		0);
}

static inline uint64_t file_size(const char *name)
{
	struct stat st;

	assert_int_equal(stat(scratch_path(name), &st), 0);
	return (uint64_t)st.st_size;
}

static inline void flip(const char *name, uint64_t off)
{
	int fd = open(scratch_path(name), O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	close(fd);
}

#define PACK_ONE "store/packs/00000001.pack"

/* Place of the first object of a kind. */
struct wanted {
	enum pack_frame_type type;
	unsigned skip;
	struct pack_place at;
	bool found;
};

static inline int look_for_frame(void *arg, const struct pack_place *at,
				 const struct pack_frame *f, struct err *err)
{
	struct wanted *w = arg;

	(void)err;
	if (f->type == w->type && !w->found && w->skip-- == 0) {
		w->at = *at;
		w->found = true;
	}
	return 0;
}

/* The frame number SKIP of its type in the first pack. */
static inline struct pack_place frame_of(enum pack_frame_type type, unsigned skip)
{
	struct wanted w = {.type = type, .skip = skip};

	assert_ok(pack_scan(store_packs(scratch_store), 1, 0, file_size(PACK_ONE), false,
			    false, look_for_frame, NULL, &w, err));
	assert_true(w.found);
	return w.at;
}

static inline int count_frame(void *arg, const struct pack_place *at,
			      const struct pack_frame *f, struct err *err)
{
	struct wanted *w = arg;

	(void)at;
	(void)err;
	w->skip += f->type == w->type;
	return 0;
}

/* How many frames of a type the first pack has. */
static inline unsigned frame_count(enum pack_frame_type type)
{
	struct wanted w = {.type = type};

	assert_ok(pack_scan(store_packs(scratch_store), 1, 0, file_size(PACK_ONE), false,
			    false, count_frame, NULL, &w, err));
	assert_true(w.skip > 0);
	return w.skip;
}

/* Changes a byte of the body's last quarter. */
static inline void damage_frame(enum pack_frame_type type, unsigned skip)
{
	struct pack_place at = frame_of(type, skip);

	flip(PACK_ONE, at.off + at.len - 2);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)

/* The layer's tar has its DiffID. */
static inline void expect_layer(const struct digest *diffid)
{
	auto_hasher struct hasher *h = NULL;
	struct stream *in = NULL;
	static uint8_t block[65536];
	struct digest d;
	size_t n;

	assert_ok(hasher_new(&h, err));
	assert_ok(layer_open(scratch_store, scratch_objects, diffid, &in, NULL, err));
	do {
		assert_ok(in->read(in, block, sizeof(block), &n, err));
		hasher_update(h, block, n);
	} while (n);
	stream_close(in);
	hasher_final(h, &d);
	assert_true(digest_equal(&d, diffid));
}

#endif
