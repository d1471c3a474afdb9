/* SPDX-License-Identifier: Apache-2.0
 * Names lie behind each other, in the order in which they came. */
#include "store/tree_xattrs.h"

#include <string.h>

#include "store/tree_model.h"

#define NAMES_MAX (64u << 20)
#define COUNT_MAX (1u << 22)

void tree_xattrs_init(struct tree_xattrs *x)
{
	*x = (struct tree_xattrs){0};
	buf_init(&x->names, NAMES_MAX);
}

void tree_xattrs_release(struct tree_xattrs *x)
{
	free(x->items);
	buf_release(&x->names);
	tree_xattrs_init(x);
}

static int item_room(struct tree_xattrs *x, struct err *err)
{
	uint32_t cap = x->cap ? 2 * x->cap : 16;
	struct tree_xattr *items;

	if (x->count < x->cap)
		return 0;
	if (x->count >= COUNT_MAX)
		return err_set(err, ERR_LIMIT, "too many xattrs");
	items = reallocarray(x->items, cap, sizeof(*items));
	if (!items)
		return err_nomem(err);
	x->items = items;
	x->cap = cap;
	return 0;
}

int tree_xattrs_add(struct tree_xattrs *x, const char *prefix, const char *name,
		    size_t name_len, const void *value, size_t value_len, struct err *err)
{
	int r = item_room(x, err);

	if (r < 0)
		return r;
	if (memchr(name, '\0', name_len))
		return err_set(err, ERR_INVALID, "an xattr has a NUL in its name");
	if (value_len > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "an xattr's value is too long");
	r = buf_append(&x->names, prefix, strlen(prefix), err);
	if (r == 0)
		r = buf_append(&x->names, name, name_len, err);
	if (r == 0)
		r = buf_append_u8(&x->names, 0, err);
	if (r == 0)
		x->items[x->count++] = (struct tree_xattr){
			.value = value, .value_len = (uint32_t)value_len};
	return r;
}

static int item_cmp(const void *a, const void *b)
{
	const struct tree_xattr *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	/* Of equal names the one that came first lies in front. */
	return c ? c : (x->name > y->name) - (x->name < y->name);
}

void tree_xattrs_finish(struct tree_xattrs *x)
{
	const char *name = (const char *)x->names.data;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < x->count; i++) {
		x->items[i].name = name;
		name += strlen(name) + 1;
	}
	if (x->count < 2)
		return;
	qsort(x->items, x->count, sizeof(*x->items), item_cmp);
	for (uint32_t i = 0; i < x->count; i++) {
		if (kept && strcmp(x->items[kept - 1].name, x->items[i].name) == 0)
			kept--;
		x->items[kept++] = x->items[i];
	}
	x->count = kept;
}
