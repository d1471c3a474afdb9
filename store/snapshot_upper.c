/* SPDX-License-Identifier: Apache-2.0
 * What overlayfs leaves in an upper directory, as xattrs of what it has there. */
#include "store/snapshot_private.h"

#include <string.h>
#include <sys/stat.h>

#define TRUSTED "trusted.overlay."
#define USER    "user.overlay."
#define AGAIN   "overlay." /* an escaped name has this behind the prefix */

static bool starts(const struct tar_xattr *x, const char *with)
{
	size_t n = strlen(with);

	return x->name_len >= n && memcmp(x->name, with, n) == 0;
}

static bool is(const char *s, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(s, what, len) == 0;
}

static int foreign(const struct walk_entry *e, const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID,
		       "'%s' is %s that the parent does not have: this is not the upper "
		       "directory of an overlay over it",
		       e->path, what);
}

/* ---- xattrs ---- */

static bool has_trusted(const struct xattr_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (starts(&l->items[i], TRUSTED))
			return true;
	return false;
}

/* Whether the parent has just the same: then it was copied up as data. */
static bool in_parent(const struct xattr_list *others, const struct tar_xattr *x)
{
	for (size_t i = 0; i < others->count; i++) {
		const struct tar_xattr *o = &others->items[i];

		if (o->name_len == x->name_len && o->value_len == x->value_len &&
		    memcmp(o->name, x->name, x->name_len) == 0 &&
		    memcmp(o->value, x->value, x->value_len) == 0)
			return true;
	}
	return false;
}

/* "<class>.overlay.overlay.X" becomes "<class>.overlay.X", in place. */
static void unescape(struct xattr_list *l, struct tar_xattr *x)
{
	size_t skip = strlen(AGAIN);
	size_t at = (size_t)((const uint8_t *)x->name - l->bytes.data);
	size_t class =
		(size_t)((const char *)memchr(x->name, '.', x->name_len) - x->name) + 1;

	memmove(l->bytes.data + at + skip, l->bytes.data + at, class);
	x->name += skip;
	x->name_len -= skip;
}

static int take_redirect(const struct tar_xattr *x, struct snapshot_upper *u,
			 struct err *err)
{
	if (x->value_len == 0 || x->value_len >= sizeof(u->redirect) ||
	    memchr(x->value, '\0', x->value_len))
		return err_set(err, ERR_INVALID, "an overlay redirect is damaged");
	memcpy(u->redirect, x->value, x->value_len);
	u->redirect[x->value_len] = '\0';
	u->redirect_len = x->value_len;
	return 0;
}

/* What is not named here is bookkeeping: origin, impure, nlink, uuid, protattr, upper ... */
static int take(const struct tar_xattr *x, size_t prefix, struct snapshot_upper *u,
		struct err *err)
{
	const char *name = x->name + prefix;
	size_t len = x->name_len - prefix;

	if (is(name, len, "opaque"))
		u->opaque = u->opaque || is(x->value, x->value_len, "y");
	else if (is(name, len, "whiteout"))
		u->whiteout = true;
	else if (is(name, len, "metacopy"))
		u->metacopy = true;
	else if (is(name, len, "redirect"))
		return take_redirect(x, u, err);
	return 0;
}

int snapshot_upper_sort(struct snapshot *s, const struct snapshot_place *p,
			struct snapshot_upper *u, struct err *err)
{
	struct xattr_list *l = &s->xattrs;
	bool trusted = has_trusted(l), escaped = false;
	int r = 0;

	*u = (struct snapshot_upper){0};
	xattr_list_clear(&s->others);
	if (p->lower && l->count)
		r = snapshot_other_xattrs(s, p->lower, err);
	for (size_t i = 0; r == 0 && i < l->count;) {
		struct tar_xattr *x = &l->items[i];
		size_t prefix = starts(x, TRUSTED) ? strlen(TRUSTED)
				: starts(x, USER)  ? strlen(USER)
						   : 0;

		if (prefix == 0 ||
		    (x->name[0] == 'u' && (trusted || in_parent(&s->others, x)))) {
			i++;
		} else if (x->name_len > prefix + strlen(AGAIN) &&
			   memcmp(x->name + prefix, AGAIN, strlen(AGAIN)) == 0) {
			unescape(l, x);
			escaped = true;
			i++;
		} else {
			r = take(x, prefix, u, err);
			xattr_list_remove(l, i);
		}
	}
	if (escaped)
		xattr_list_sort(l);
	return r;
}

/* ---- redirects ---- */

/* No part of the path may lead up or stay. */
static bool is_clean(const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || is(p, n, ".") || is(p, n, ".."))
			return false;
		p += n;
		if (*p == '/' && *++p == '\0')
			return false;
	}
	return *path != '\0';
}

/* The directory of the parent that the entry's own directory shows. */
static uint64_t lower_of_parent(const struct snapshot *s)
{
	const struct snapshot_level *levels =
		(const struct snapshot_level *)(const void *)s->levels.data;
	size_t depth = s->levels.len / sizeof(*levels);

	return depth ? levels[depth - 1].lower : SNAPSHOT_NOTHING;
}

/* What the redirect names in the parent; SNAPSHOT_NOTHING. */
static int resolve(struct snapshot *s, const struct walk_entry *e,
		   const struct snapshot_upper *u, uint64_t *ret, struct err *err)
{
	bool absolute = u->redirect[0] == '/';
	const char *path = u->redirect + absolute;
	uint64_t dir = lower_of_parent(s);
	struct err why;
	int r;

	*ret = SNAPSHOT_NOTHING;
	if (!is_clean(path) || (!absolute && strchr(path, '/')))
		return err_set(err, ERR_INVALID, "'%s' has the overlay redirect '%s'",
			       e->path, u->redirect);
	if (!s->options->parent || (!absolute && !dir))
		return 0;
	r = absolute
		    ? tree_path(s->options->parent, path, ret, &why)
		    : tree_lookup(s->options->parent, dir, path, strlen(path), ret, &why);
	if (r == 0)
		return 0;
	*ret = SNAPSHOT_NOTHING;
	/* A non-directory in the path: nothing is there either. */
	return r == -ERR_CORRUPT ? err_copy(err, &why) : 0;
}

int snapshot_upper_dir(struct snapshot *s, const struct walk_entry *e,
		       const struct snapshot_place *p, const struct snapshot_upper *u,
		       uint64_t *ret, struct err *err)
{
	struct tree_node node;
	uint64_t lower = p->lower;
	int r = 0;

	*ret = SNAPSHOT_NOTHING;
	if (e->depth && u->opaque)
		return 0;
	if (e->depth && u->redirect_len) {
		r = resolve(s, e, u, &lower, err);
		if (r < 0 || !lower)
			return r < 0 ? r : foreign(e, "a renamed directory", err);
	}
	if (!lower)
		return 0;
	r = tree_node(s->options->parent, lower, &node, err);
	if (r == 0 && S_ISDIR(node.mode))
		*ret = lower;
	else if (r == 0 && u->redirect_len)
		r = foreign(e, "a renamed directory", err);
	return r;
}

/* "/aa/<62 hex>": content itself, as data-only lowers have it. */
static bool is_object(const struct snapshot_upper *u, struct digest *ret)
{
	char hex[DIGEST_HEX_SIZE];

	if (u->redirect_len != 2 + DIGEST_HEX_SIZE - 1 || u->redirect[0] != '/' ||
	    u->redirect[3] != '/')
		return false;
	memcpy(hex, u->redirect + 1, 2);
	memcpy(hex + 2, u->redirect + 4, DIGEST_HEX_SIZE - 3);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
	return digest_parse_hex(hex, DIGEST_HEX_SIZE - 1, ret, NULL) == 0;
}

static int object_content(struct snapshot *s, const struct walk_entry *e, uint64_t size,
			  const struct digest *d, struct err *err)
{
	uint64_t found = 0;
	int r = objects_size(s->options->objects, d, &found, err);

	if (r == -ERR_NOTFOUND || (r == 0 && found != size))
		return foreign(e, "a file without data", err);
	return r;
}

int snapshot_upper_content(struct snapshot *s, const struct walk_entry *e, uint64_t size,
			   const struct snapshot_place *p, const struct snapshot_upper *u,
			   struct digest *ret, struct err *err)
{
	uint64_t lower = p->lower;
	struct tree_node node = {0};
	struct digest d = {0};
	int r = 0;

	if (u->redirect_len)
		r = resolve(s, e, u, &lower, err);
	if (r == 0 && lower)
		r = tree_node(s->options->parent, lower, &node, err);
	if (r < 0)
		return r;
	if (lower && S_ISREG(node.mode) && node.size == size)
		d = node.digest;
	else if (lower || !is_object(u, &d))
		return foreign(e, "a file without data", err);
	if (size)
		r = object_content(s, e, size, &d, err);
	if (r == 0)
		*ret = d;
	return r;
}
