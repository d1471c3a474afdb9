/* SPDX-License-Identifier: Apache-2.0
 * What tree_read.c (inodes), tree_dir.c (directories) and tree_check.c share: checked views
 * of the bytes of an image. Included by these only.
 */
#ifndef STORE_TREE_READ_PRIVATE_H
#define STORE_TREE_READ_PRIVATE_H

#include "store/base/endian.h"
#include "store/tree_format.h"
#include "store/tree_read.h"

int tree_damaged(uint64_t nid, const char *what, struct err *err);

/* An inode whose core and xattr area lie inside the image. */
struct tree_stored {
	uint64_t nid;
	const uint8_t *core, *xattrs, *behind;
	uint64_t room; /* bytes of the image from `behind` on */
	uint64_t size;
	uint32_t xattr_len;
	uint32_t mode, flags;
	enum tree_layout layout;
};

int tree_stored_open(const struct tree *t, uint64_t nid, struct tree_stored *ret,
		     struct err *err) MUST_CHECK;

static inline bool tree_stored_is(const struct tree_stored *i, uint32_t type)
{
	return (i->mode & 0170000) == type;
}

/* The data of a directory or symlink, all inside the image. */
struct tree_data {
	const uint8_t *blocks, *tail;
	uint64_t size;
	uint64_t whole; /* how many bytes of it are in blocks */
};

int tree_data_open(const struct tree *t, const struct tree_stored *i,
		   struct tree_data *ret, struct err *err) MUST_CHECK;

/* One block of a directory. */
struct tree_block {
	const uint8_t *bytes;
	uint32_t len, count;
};

static inline uint64_t tree_data_blocks(const struct tree_data *d)
{
	return d->size / TREE_BLOCK + (d->size % TREE_BLOCK != 0);
}

/* NUMBER is less than tree_data_blocks. False: damage. */
bool tree_block_open(const struct tree_data *d, uint64_t number, struct tree_block *ret);

struct tree_dirent {
	const char *name;
	uint32_t len; /* 1 to 255 */
	uint64_t nid;
	uint8_t type;
};

/* I is less than count. False: damage. */
bool tree_block_entry(const struct tree_block *b, uint32_t i, struct tree_dirent *ret);

/* As memcmp, the shorter first. */
int tree_name_cmp(const char *a, size_t a_len, const char *b, size_t b_len);

/* S_IFMT bits of a directory entry's type; 0: there is no such type. */
uint32_t tree_type_mode(uint8_t type);

#endif
