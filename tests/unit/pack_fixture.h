/* SPDX-License-Identifier: Apache-2.0
 * What the tests of packs share: a directory of packs, frames by number. */
#ifndef TESTS_UNIT_PACK_FIXTURE_H
#define TESTS_UNIT_PACK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "store/base/io.h"
#include "store/pack.h"
#include "tests/unit/scratch.h"

static int pack_dirfd = -1;
static struct packs *packs;

static inline int pack_setup(void **state)
{
	(void)state;
	scratch_make();
	pack_dirfd = open(scratch_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return packs_new(pack_dirfd, &packs, NULL);
}

static inline int pack_teardown(void **state)
{
	(void)state;
	packs_free(packs);
	close(pack_dirfd);
	scratch_remove();
	return 0;
}

#define PACK_TEST(name) cmocka_unit_test_setup_teardown(name, pack_setup, pack_teardown)

static inline struct pack_writer *pack_open(uint32_t number, uint64_t committed)
{
	struct pack_writer *w = NULL;
	struct err err;

	if (pack_writer_open(pack_dirfd, number, committed, true, &w, &err) < 0)
		fail_msg("%s", err.msg);
	return w;
}

/* Body of frame N: its length differs from frame to frame. */
static inline uint32_t pack_body(uint32_t n, uint8_t body[2000])
{
	uint32_t len = 100 + n * 37 % 1900;

	for (uint32_t i = 0; i < len; i++)
		body[i] = (uint8_t)(n * 7 + i * (n + 3));
	return len;
}

/* Frame N has two objects: the first half of its body and the rest. */
static inline int pack_try_put(struct pack_writer *w, uint32_t n, struct pack_place *ret,
			       struct err *err)
{
	uint8_t body[2000];
	uint32_t len = pack_body(n, body);
	struct pack_entry table[2] = {{.off = 0, .len = len / 2},
				      {.off = len / 2, .len = len - len / 2}};

	for (unsigned i = 0; i < 2; i++)
		digest_of(body + table[i].off, table[i].len, &table[i].digest);
	return pack_append(w, PACK_DATA, CODEC_RAW, table, 2, body, len, len, ret, err);
}

static inline void pack_put(struct pack_writer *w, uint32_t n, struct pack_place *ret)
{
	struct err err;

	if (pack_try_put(w, n, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void pack_expect(const struct pack_place *at, uint32_t n)
{
	auto_buf struct buf buf;
	struct pack_frame f;
	struct pack_entry e;
	struct digest d;
	uint8_t body[2000];
	uint32_t len = pack_body(n, body);
	struct err err;

	buf_init(&buf, 1 << 20);
	if (pack_read(packs, at, &buf, &f, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(f.type, PACK_DATA);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.raw_len, len);
	assert_memory_equal(f.body, body, len);
	for (uint32_t i = 0; i < 2; i++) {
		pack_frame_entry(&f, i, &e);
		digest_of(body + e.off, e.len, &d);
		assert_true(digest_equal(&d, &e.digest));
	}
}

static inline void pack_flip(uint32_t number, uint64_t off, uint8_t bits)
{
	char name[32];
	uint8_t byte;
	auto_fd int fd = -1;

	snprintf(name, sizeof(name), "%08x.pack", number);
	fd = openat(pack_dirfd, name, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= bits;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
}

#endif
