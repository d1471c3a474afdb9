/* SPDX-License-Identifier: Apache-2.0
 * What the tests of sessions share: a store of their own, content by number. */
#ifndef TESTS_SESSION_FIXTURE_H
#define TESTS_SESSION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>

#include "store/chunk.h"
#include "store/object.h"
#include "store/session.h"

struct fixture {
	char dir[64];
	struct store *store;
};

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int make_store(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	snprintf(f->dir, sizeof(f->dir), "/tmp/layercache-session-XXXXXX");
	if (!mkdtemp(f->dir) || store_open(f->dir, STORE_CREATE, &f->store, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static inline int remove_store(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* ---- material ---- */

/* Content NUMBER, always the same: text that compresses, with a part that does not. */
static inline uint8_t *content(uint32_t number, size_t len, struct digest *ret)
{
	uint8_t *data = malloc(len + 1);
	uint64_t seed = number * 2654435761u + 1;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		data[i] = (i >> 12) % 3 ? (uint8_t)('a' + (seed >> 61))
					: (uint8_t)(seed >> 56);
	}
	digest_of(data, len, ret);
	return data;
}

static inline uint64_t put(struct session *s, uint32_t number, size_t len,
			   struct digest *ret)
{
	auto_free uint8_t *data = content(number, len, ret);
	uint64_t fresh = 0;
	struct err err;

	if (session_put_object(s, ret, data, len, "name.txt", &fresh, &err) < 0)
		fail_msg("%s", err.msg);
	return fresh;
}

static inline struct session *begin(struct fixture *f)
{
	struct session *s = NULL;
	struct err err;

	if (session_begin(f->store, NULL, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static inline void add_image(struct session *s, uint32_t number)
{
	struct record_item item = {.type = RECORD_IMAGE};
	struct err err;

	digest_of(&number, sizeof(number), &item.image.manifest);
	if (session_add(s, &item, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A commit needs something to say. */
static inline void commit(struct session *s, uint32_t image)
{
	struct err err;

	add_image(s, image);
	if (session_commit(s, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void expect_content(struct fixture *f, uint32_t number, size_t len)
{
	auto_objects struct objects *o = NULL;
	struct digest d;
	auto_free uint8_t *data = content(number, len, &d);
	auto_buf struct buf buf;
	struct err err;

	buf_init(&buf, len);
	assert_int_equal(objects_new(f->store, 1 << 20, &o, &err), 0);
	if (objects_read_all(o, &d, &buf, &err) < 0)
		fail_msg("content %u: %s", number, err.msg);
	assert_int_equal(buf.len, len);
	if (len)
		assert_memory_equal(buf.data, data, len);
}

static uint64_t packs_total __attribute__((unused));

static inline int add_size(const char *path, const struct stat *st, int type,
			   struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F)
		packs_total += (uint64_t)st->st_size;
	return 0;
}

static inline uint64_t packs_bytes(struct fixture *f)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/packs", f->dir);
	packs_total = 0;
	nftw(path, add_size, 16, FTW_PHYS);
	return packs_total;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, remove_store)

#endif
