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

static int item_add(struct xattr_list *l, const struct source *s, const char *name,
		    struct err *err)
{
	size_t len = strlen(name), value_len = 0, start = l->bytes.len;
	struct tar_xattr *items;
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
	items = reallocarray(l->items, l->count + 1, sizeof(*items));
	if (!items)
		return err_nomem(err);
	l->items = items;
	l->items[l->count++] =
		(struct tar_xattr){.name_len = len, .value_len = value_len};
	return 0;
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
	point(l);
	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), item_cmp);
	return 0;
}
