/* SPDX-License-Identifier: Apache-2.0
 * The xattr area of an inode: checked, sorted, encoded. */
#include "store/tree_xattr_area.h"

#include <linux/limits.h>
#include <sys/stat.h>

#include "store/tree_format.h"

static const struct {
	const char *text;
	uint8_t len, prefix;
	bool whole; /* the name is nothing more */
} prefixes[] = {
	{"user.", 5, TREE_PREFIX_USER, false},
	{"trusted.", 8, TREE_PREFIX_TRUSTED, false},
	{"security.", 9, TREE_PREFIX_SECURITY, false},
	{"system.posix_acl_access", 23, TREE_PREFIX_ACL_ACCESS, true},
	{"system.posix_acl_default", 24, TREE_PREFIX_ACL_DEFAULT, true},
};

void tree_xattr_area_init(struct tree_xattr_area *x)
{
	*x = (struct tree_xattr_area){0};
	buf_init(&x->items, SIZE_MAX / 4);
}

void tree_xattr_area_release(struct tree_xattr_area *x)
{
	buf_release(&x->items);
}

static struct tree_xattr_area_item *items_of(const struct tree_xattr_area *x,
					     size_t *ret_count)
{
	*ret_count = x->items.len / sizeof(struct tree_xattr_area_item);
	return (struct tree_xattr_area_item *)(void *)x->items.data;
}

static bool has_content(const struct tree_attr *a)
{
	return S_ISREG(a->mode) && a->size > 0;
}

/* ---- checks ---- */

static bool split(const char *name, size_t len, struct tree_xattr_area_item *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = prefixes[i].len;

		if (len < n || memcmp(name, prefixes[i].text, n) != 0 ||
		    (len == n) != prefixes[i].whole)
			continue;
		ret->name = name + n;
		ret->name_len = (uint8_t)(len - n);
		ret->prefix = prefixes[i].prefix;
		return true;
	}
	return false;
}

/* An instruction to overlayfs: only the tree itself may give these. */
static bool is_instruction(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 &&
	       strncmp(name + 16, "overlay.", 8) != 0;
}

static int item_add(struct tree_xattr_area *x, const struct tree_xattr *from,
		    struct err *err)
{
	struct tree_xattr_area_item item = {.from = from};
	size_t len = strlen(from->name);

	if (len > XATTR_NAME_MAX)
		return err_set(err, ERR_LIMIT, "xattr name of %zu bytes", len);
	if (!split(from->name, len, &item))
		return err_set(err, ERR_LIMIT, "no place for xattr '%s'", from->name);
	if (from->value_len > TREE_XATTR_VALUE_MAX)
		return err_set(err, ERR_LIMIT,
			       "xattr '%s' has %u bytes, %u are the limit", from->name,
			       from->value_len, TREE_XATTR_VALUE_MAX);
	if (is_instruction(from->name))
		return err_set(err, ERR_INVALID, "xattr '%s' is for overlayfs",
			       from->name);
	return buf_append(&x->items, &item, sizeof(item), err);
}

static int compare_items(const void *left, const void *right)
{
	const struct tree_xattr_area_item *a = left, *b = right;
	int c = strcmp(a->from->name, b->from->name);

	return c ? c : (a->from > b->from) - (a->from < b->from);
}

static void sort(struct tree_xattr_area *x)
{
	size_t count, kept = 0;
	struct tree_xattr_area_item *items = items_of(x, &count);

	if (count < 2)
		return;
	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count ||
		    strcmp(items[i].from->name, items[i + 1].from->name) != 0)
			items[kept++] = items[i];
	x->items.len = kept * sizeof(*items);
}

/* ---- what the tree keeps for itself ---- */

static uint32_t own_size(const struct tree_attr *a)
{
	uint32_t len = 0;

	if (has_content(a))
		len += tree_xattr_size(strlen(TREE_REDIRECT), TREE_REDIRECT_LENGTH) +
		       tree_xattr_size(strlen(TREE_METACOPY), 0);
	if (a->flags & TREE_OPAQUE)
		len += tree_xattr_size(strlen(TREE_OPAQUE_NAME),
				       strlen(TREE_OPAQUE_VALUE));
	if (a->flags & TREE_UNRESOLVED)
		len += tree_xattr_size(strlen(TREE_LINK_NAME), (uint32_t)strlen(a->link));
	return len;
}

static uint8_t *put(uint8_t *p, uint8_t prefix, const char *name, size_t name_len,
		    const void *value, size_t value_len)
{
	p[0] = (uint8_t)name_len;
	p[1] = prefix;
	put_le16(p + 2, (uint16_t)value_len);
	memcpy(p + TREE_XATTR_ENTRY, name, name_len);
	if (value_len)
		memcpy(p + TREE_XATTR_ENTRY + name_len, value, value_len);
	return p + tree_xattr_size((uint32_t)name_len, (uint32_t)value_len);
}

static uint8_t *put_own(uint8_t *p, const char *name, const void *value, size_t len)
{
	return put(p, TREE_PREFIX_TRUSTED, name, strlen(name), value, len);
}

static uint8_t *put_redirect(uint8_t *p, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE], value[TREE_REDIRECT_LENGTH];

	digest_hex(d, hex);
	value[0] = value[3] = '/';
	memcpy(value + 1, hex, 2);
	memcpy(value + 4, hex + 2, 62);
	return put_own(p, TREE_REDIRECT, value, sizeof(value));
}

/* ---- the area ---- */

int tree_xattr_area_take(struct tree_xattr_area *x, const struct tree_attr *attr,
			 uint32_t *ret_len, struct err *err)
{
	const struct tree_xattr_area_item *items;
	uint64_t len = own_size(attr);
	size_t count;
	int r;

	buf_clear(&x->items);
	x->attr = attr;
	for (uint32_t i = 0; i < attr->xattr_count; i++) {
		r = item_add(x, &attr->xattrs[i], err);
		if (r < 0)
			return r;
	}
	sort(x);
	items = items_of(x, &count);
	for (size_t i = 0; i < count; i++)
		len += tree_xattr_size(items[i].name_len, items[i].from->value_len);
	if (len)
		len += TREE_XATTR_HEADER;
	if (len > TREE_XATTR_AREA_MAX)
		return err_set(err, ERR_LIMIT, "%llu bytes of xattrs, %u are the limit",
			       (unsigned long long)len, TREE_XATTR_AREA_MAX);
	*ret_len = (uint32_t)len;
	return 0;
}

void tree_xattr_area_encode(const struct tree_xattr_area *x, uint8_t *area)
{
	const struct tree_attr *a = x->attr;
	uint8_t *p = area + TREE_XATTR_HEADER;
	const struct tree_xattr_area_item *items;
	size_t count;

	if (has_content(a)) {
		p = put_redirect(p, &a->digest);
		p = put_own(p, TREE_METACOPY, NULL, 0);
	}
	if (a->flags & TREE_OPAQUE)
		p = put_own(p, TREE_OPAQUE_NAME, TREE_OPAQUE_VALUE,
			    strlen(TREE_OPAQUE_VALUE));
	if (a->flags & TREE_UNRESOLVED)
		p = put_own(p, TREE_LINK_NAME, a->link, strlen(a->link));
	items = items_of(x, &count);
	for (size_t i = 0; i < count; i++)
		p = put(p, items[i].prefix, items[i].name, items[i].name_len,
			items[i].from->value, items[i].from->value_len);
}
