/* SPDX-License-Identifier: Apache-2.0
 * Collects extended attributes. bsdtar writes each twice, in two spellings. */
#include "store/tar_attr.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "store/tar_acl.h"

/* A PAX header of 1 MiB holds no more than that. */
#define LIST_MAX (16u << 20)
#define ACL_MAX  (1u << 20)

void tar_attr_init(struct tar_attr *a)
{
	buf_init(&a->list, LIST_MAX);
	buf_init(&a->access, ACL_MAX);
	buf_init(&a->defaults, ACL_MAX);
}

void tar_attr_release(struct tar_attr *a)
{
	buf_release(&a->list);
	buf_release(&a->access);
	buf_release(&a->defaults);
}

static int add(struct tar_attr *a, const char *name, const void *value, size_t len,
	       struct err *err)
{
	const struct tar_xattr x = {name, strlen(name), value, len};

	if (x.name_len == 0)
		return err_set(err, ERR_INVALID, "an xattr has no name");
	return buf_append(&a->list, &x, sizeof(x), err);
}

static int cmp(const void *a, const void *b)
{
	return strcmp(((const struct tar_xattr *)a)->name,
		      ((const struct tar_xattr *)b)->name);
}

static int sort(struct tar_attr *a, struct err *err)
{
	struct tar_xattr *x = (struct tar_xattr *)(void *)a->list.data;
	size_t count = a->list.len / sizeof(*x), kept = 0;

	if (count > 1)
		qsort(x, count, sizeof(*x), cmp);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || cmp(&x[kept - 1], &x[i]) != 0)
			x[kept++] = x[i];
		else if (x[kept - 1].value_len != x[i].value_len ||
			 memcmp(x[kept - 1].value, x[i].value, x[i].value_len) != 0)
			return err_set(err, ERR_INVALID, "two values of its xattr '%s'",
				       x[i].name);
	}
	a->list.len = kept * sizeof(*x);
	return 0;
}

static bool has(const struct tar_attr *a, const char *name)
{
	const struct tar_xattr key = {.name = name};

	return a->list.len > 0 &&
	       bsearch(&key, a->list.data, a->list.len / sizeof(key), sizeof(key), cmp);
}

/* An ACL that is an xattr in the tar already is exact, so it goes before its text. */
static int add_acl(struct tar_attr *a, struct archive_entry *entry, bool defaults,
		   struct err *err)
{
	const char *name =
		defaults ? "system.posix_acl_default" : "system.posix_acl_access";
	struct buf *value = defaults ? &a->defaults : &a->access;
	uint32_t mode;
	int r;

	if (has(a, name))
		return 0;
	r = tar_acl_value(entry, defaults, value, &mode, err);
	if (r < 0 || value->len == 0)
		return r;
	if (!defaults) {
		a->has_mode = true;
		a->mode = mode;
	}
	r = add(a, name, value->data, value->len, err);
	return r < 0 ? r : sort(a, err);
}

int tar_attr_read(struct tar_attr *a, struct archive_entry *entry, struct err *err)
{
	int r = 0;

	buf_clear(&a->list);
	a->has_mode = false;
	if (archive_entry_xattr_reset(entry) > 0) {
		const char *name;
		const void *value;
		size_t len;

		while (r == 0 &&
		       archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK)
			r = add(a, name, value, len, err);
		if (r == 0)
			r = sort(a, err);
	}
	if (r < 0 || archive_entry_acl_types(entry) == 0)
		return r;
	r = add_acl(a, entry, false, err);
	return r < 0 ? r : add_acl(a, entry, true, err);
}
