/* SPDX-License-Identifier: Apache-2.0
 * Lists and reads xattrs of a file that may change meanwhile. */
#include "store/xattr_list.h"

#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

/* What Linux allows: a list of 64 KiB, values of 64 KiB. */
#define BYTES_MAX (64u << 20)

struct source {
	int fd;
	const char *path;
	const char *what;
};

void xattr_list_init(struct xattr_list *l)
{
	*l = (struct xattr_list){0};
	buf_init(&l->bytes, BYTES_MAX);
}

void xattr_list_release(struct xattr_list *l)
{
	buf_release(&l->bytes);
	free(l->items);
	l->items = NULL;
	l->count = 0;
}

static int fail(const struct source *s, int errnum, struct err *err)
{
	if (errnum == ENOENT)
		return err_set(err, ERR_NOTFOUND, "'%s' is gone", s->what);
	return err_sys(err, errnum, "cannot read the xattrs of '%s'", s->what);
}

static bool wanted(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
	       strcmp(name, "security.capability") == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/* Reads the names to the front of NAMES; *ret_len 0: there are none. */
static int names_read(const struct source *s, char names[XATTR_LIST_MAX], size_t *ret_len,
		      struct err *err)
{
	ssize_t n = s->fd >= 0 ? flistxattr(s->fd, names, XATTR_LIST_MAX)
			       : llistxattr(s->path, names, XATTR_LIST_MAX);

	if (n < 0 && errno != ENOTSUP)
		return fail(s, errno, err);
	*ret_len = n < 0 ? 0 : (size_t)n;
	return 0;
}

/* Appends the value; *ret_found false: the xattr is gone. */
static int value_read(const struct source *s, const char *name, struct buf *bytes,
		      size_t *ret_len, bool *ret_found, struct err *err)
{
	ssize_t n;
	int r = buf_reserve(bytes, XATTR_SIZE_MAX, err);

	if (r < 0)
		return r;
	n = s->fd >= 0
		    ? fgetxattr(s->fd, name, bytes->data + bytes->len, XATTR_SIZE_MAX)
		    : lgetxattr(s->path, name, bytes->data + bytes->len, XATTR_SIZE_MAX);
	*ret_found = n >= 0;
	if (n < 0)
		return errno == ENODATA ? 0 : fail(s, errno, err);
	bytes->len += (size_t)n;
	*ret_len = (size_t)n;
	return 0;
}

static int item_push(struct xattr_list *l, size_t name_len, size_t value_len,
		     struct err *err)
{
	struct tar_xattr *items = reallocarray(l->items, l->count + 1, sizeof(*items));

	if (!items)
		return err_nomem(err);
	l->items = items;
	l->items[l->count++] =
		(struct tar_xattr){.name_len = name_len, .value_len = value_len};
	return 0;
}

static int item_add(struct xattr_list *l, const struct source *s, const char *name,
		    struct err *err)
{
	size_t len = strlen(name), value_len = 0, start = l->bytes.len;
	bool found = false;
	int r = buf_append(&l->bytes, name, len, err);

	if (r == 0)
		r = value_read(s, name, &l->bytes, &value_len, &found, err);
	if (r < 0)
		return r;
	if (!found) {
		l->bytes.len = start;
		return 0;
	}
	return item_push(l, len, value_len, err);
}

/* The buffer has stopped moving: now there can be pointers into it. */
static void point(struct xattr_list *l)
{
	const uint8_t *p = l->bytes.data;

	for (size_t i = 0; i < l->count; i++) {
		struct tar_xattr *x = &l->items[i];

		x->name = (const char *)p;
		x->value = p + x->name_len;
		p += x->name_len + x->value_len;
	}
}

static int item_cmp(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, n);

	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

int xattr_list_read(struct xattr_list *l, int fd, const char *path, const char *what,
		    struct err *err)
{
	const struct source s = {fd, path, what};
	char names[XATTR_LIST_MAX];
	size_t len = 0;
	int r = names_read(&s, names, &len, err);

	buf_clear(&l->bytes);
	l->count = 0;
	for (size_t at = 0; r == 0 && at < len; at += strlen(names + at) + 1)
		if (wanted(names + at))
			r = item_add(l, &s, names + at, err);
	if (r < 0)
		return r;
	xattr_list_finish(l);
	return 0;
}

void xattr_list_clear(struct xattr_list *l)
{
	buf_clear(&l->bytes);
	l->count = 0;
}

int xattr_list_append(struct xattr_list *l, const char *prefix, const char *name,
		      size_t name_len, const void *value, size_t value_len,
		      struct err *err)
{
	size_t prefix_len = strlen(prefix);
	int r = buf_append(&l->bytes, prefix, prefix_len, err);

	if (r == 0)
		r = buf_append(&l->bytes, name, name_len, err);
	if (r == 0)
		r = buf_append(&l->bytes, value, value_len, err);
	return r < 0 ? r : item_push(l, prefix_len + name_len, value_len, err);
}

void xattr_list_sort(struct xattr_list *l)
{
	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), item_cmp);
}

void xattr_list_finish(struct xattr_list *l)
{
	point(l);
	xattr_list_sort(l);
}

void xattr_list_remove(struct xattr_list *l, size_t i)
{
	l->count--;
	memmove(&l->items[i], &l->items[i + 1], (l->count - i) * sizeof(*l->items));
}

bool xattr_list_equal(const struct xattr_list *a, const struct xattr_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct tar_xattr *x = &a->items[i], *y = &b->items[i];

		if (item_cmp(x, y) != 0 || x->value_len != y->value_len ||
		    memcmp(x->value, y->value, x->value_len) != 0)
			return false;
	}
	return true;
}

int xattr_list_digest(const struct xattr_list *l, struct digest *ret, struct err *err)
{
	auto_hasher struct hasher *h = NULL;
	int r;

	*ret = (struct digest){0};
	if (l->count == 0)
		return 0;
	r = hasher_new(&h, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->count; i++) {
		const struct tar_xattr *x = &l->items[i];
		const uint64_t lengths[] = {x->name_len, x->value_len};

		hasher_update(h, lengths, sizeof(lengths));
		hasher_update(h, x->name, x->name_len);
		hasher_update(h, x->value, x->value_len);
	}
	hasher_final(h, ret);
	return 0;
}
