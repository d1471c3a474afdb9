/* SPDX-License-Identifier: Apache-2.0
 * The xattr area of an inode: checked, measured, encoded. */
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

/* An xattr as EROFS has it. */
struct stored {
	const char *name; /* without its prefix */
	uint8_t prefix;   /* enum tree_xattr_prefix */
	uint8_t name_len;
};

static bool has_content(const struct tree_attr *a)
{
	return S_ISREG(a->mode) && a->size > 0;
}

/* ---- checks ---- */

static bool split(const char *name, size_t len, struct stored *ret)
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

static int check(const struct tree_xattr *x, struct stored *ret, struct err *err)
{
	size_t len = strlen(x->name);

	if (len > XATTR_NAME_MAX)
		return err_set(err, ERR_LIMIT, "xattr name of %zu bytes", len);
	if (!split(x->name, len, ret))
		return err_set(err, ERR_LIMIT, "no place for xattr '%s'", x->name);
	if (x->value_len > TREE_XATTR_VALUE_MAX)
		return err_set(err, ERR_LIMIT,
			       "xattr '%s' has %u bytes, %u are the limit", x->name,
			       x->value_len, TREE_XATTR_VALUE_MAX);
	if (is_instruction(x->name))
		return err_set(err, ERR_INVALID, "xattr '%s' is for overlayfs", x->name);
	return 0;
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

int tree_xattr_area_size(const struct tree_attr *attr, uint32_t *ret, struct err *err)
{
	uint64_t len = own_size(attr);

	for (uint32_t i = 0; i < attr->xattr_count; i++) {
		struct stored stored;
		int r = check(&attr->xattrs[i], &stored, err);

		if (r < 0)
			return r;
		len += tree_xattr_size(stored.name_len, attr->xattrs[i].value_len);
	}
	if (len)
		len += TREE_XATTR_HEADER;
	if (len > TREE_XATTR_AREA_MAX)
		return err_set(err, ERR_LIMIT, "%llu bytes of xattrs, %u are the limit",
			       (unsigned long long)len, TREE_XATTR_AREA_MAX);
	*ret = (uint32_t)len;
	return 0;
}

void tree_xattr_area_encode(const struct tree_attr *a, uint8_t *area)
{
	uint8_t *p = area + TREE_XATTR_HEADER;

	if (has_content(a)) {
		p = put_redirect(p, &a->digest);
		p = put_own(p, TREE_METACOPY, NULL, 0);
	}
	if (a->flags & TREE_OPAQUE)
		p = put_own(p, TREE_OPAQUE_NAME, TREE_OPAQUE_VALUE,
			    strlen(TREE_OPAQUE_VALUE));
	if (a->flags & TREE_UNRESOLVED)
		p = put_own(p, TREE_LINK_NAME, a->link, strlen(a->link));
	for (uint32_t i = 0; i < a->xattr_count; i++) {
		const struct tree_xattr *x = &a->xattrs[i];
		struct stored stored = {0};

		if (split(x->name, strlen(x->name), &stored))
			p = put(p, stored.prefix, stored.name, stored.name_len, x->value,
				x->value_len);
	}
}
