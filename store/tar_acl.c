/* SPDX-License-Identifier: Apache-2.0
 * libarchive's parsed ACLs in the kernel's form: a version, then entries in a fixed order. */
#include "store/tar_acl.h"

#include <archive.h>
#include <archive_entry.h>

#define ACL_VERSION 2u
#define NO_ID       UINT32_MAX

/* Tags of the kernel, in the order of entries. */
enum tag {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32,
};

struct item {
	uint32_t tag, perm, id;
};

static uint32_t tag_of(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return USER_OBJ;
	case ARCHIVE_ENTRY_ACL_USER:
		return USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return GROUP_OBJ;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return MASK;
	case ARCHIVE_ENTRY_ACL_OTHER:
		return OTHER;
	default:
		return 0;
	}
}

static int item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Collects the items; *ret_valid is false if one of them makes no sense here. */
static int collect(struct archive_entry *entry, int type, struct buf *items,
		   bool *ret_valid, struct err *err)
{
	int got_type, perm, tag, id, r = 0;
	const char *name;

	*ret_valid = true;
	while (r == 0 && archive_entry_acl_next(entry, type, &got_type, &perm, &tag, &id,
						&name) == ARCHIVE_OK) {
		struct item i = {tag_of(tag), (uint32_t)perm & 7, NO_ID};

		if (i.tag == USER || i.tag == GROUP) {
			/* The largest number is what libarchive makes of larger ones. */
			if (id < 0 || id == INT32_MAX)
				*ret_valid = false;
			i.id = (uint32_t)id;
		}
		if (i.tag == 0)
			*ret_valid = false;
		r = buf_append(items, &i, sizeof(i), err);
	}
	return r;
}

/* The kernel's rule: the three of the mode once, a mask if there are named owners. */
static bool is_valid(const struct item *items, size_t count)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < count; i++) {
		bool named = items[i].tag == USER || items[i].tag == GROUP;

		if (!named && seen & items[i].tag)
			return false;
		if (named && i > 0 && item_cmp(&items[i - 1], &items[i]) == 0)
			return false;
		seen |= items[i].tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER))
		return false;
	return seen & MASK || !(seen & (USER | GROUP));
}

static int encode(const struct item *items, size_t count, struct buf *out,
		  struct err *err)
{
	int r = buf_append_le32(out, ACL_VERSION, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		r = buf_append_le16(out, (uint16_t)items[i].tag, err);
		if (r == 0)
			r = buf_append_le16(out, (uint16_t)items[i].perm, err);
		if (r == 0)
			r = buf_append_le32(out, items[i].id, err);
	}
	return r;
}

/* The mask stands where the group's permissions were. */
static uint32_t mode_of(const struct item *items, size_t count)
{
	uint32_t mode = 0;

	for (size_t i = 0; i < count; i++) {
		if (items[i].tag == USER_OBJ)
			mode |= items[i].perm << 6;
		else if (items[i].tag == GROUP_OBJ)
			mode |= items[i].perm << 3;
		else if (items[i].tag == MASK)
			mode = (mode & ~070u) | items[i].perm << 3;
		else if (items[i].tag == OTHER)
			mode |= items[i].perm;
	}
	return mode;
}

int tar_acl_value(struct archive_entry *entry, bool defaults, struct buf *out,
		  uint32_t *ret_mode, struct err *err)
{
	int type =
		defaults ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	const struct item *list;
	auto_buf struct buf items;
	size_t count;
	bool valid;
	int r;

	buf_init(&items, 8u << 20);
	buf_clear(out);
	if (archive_entry_acl_reset(entry, type) <= 0)
		return 0;
	r = collect(entry, type, &items, &valid, err);
	if (r < 0 || !valid || items.len == 0)
		return r;
	count = items.len / sizeof(struct item);
	qsort(items.data, count, sizeof(struct item), item_cmp);
	list = (const struct item *)(const void *)items.data;
	if (!is_valid(list, count))
		return 0;
	*ret_mode = mode_of(list, count);
	return encode(list, count, out, err);
}
