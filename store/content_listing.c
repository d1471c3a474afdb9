/* SPDX-License-Identifier: Apache-2.0
 * Lines of what counts, written and read. */
#include "store/content_listing.h"

#define HEAD     "layercache content 1\n"
#define HEAD_LEN (sizeof(HEAD) - 1)
#define HEX_LEN  (DIGEST_HEX_SIZE - 1)

static const char types[] = "023456";

int content_listing_start(struct buf *listing, struct err *err)
{
	buf_clear(listing);
	return buf_append(listing, HEAD, HEAD_LEN, err);
}

/* " LENGTH:BYTES" */
static int add_text(struct buf *out, const void *bytes, size_t len, struct err *err)
{
	int r = buf_printf(out, err, " %zu:", len);

	return r < 0 ? r : buf_append(out, bytes, len, err);
}

static int add_xattr(struct buf *out, const struct tar_xattr *x, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest value;
	int r = add_text(out, x->name, x->name_len, err);

	digest_of(x->value, x->value_len, &value);
	return r < 0 ? r : buf_printf(out, err, "=%s", digest_hex(&value, hex));
}

int content_listing_add(struct buf *listing, const struct content_entry *e,
			const struct xattr_list *xattrs, size_t *ret_digest,
			struct err *err)
{
	size_t start = listing->len;
	char hex[DIGEST_HEX_SIZE];
	int r;

	r = buf_printf(listing, err, "%s %c %o %u %u %llu %u %u",
		       digest_hex(&e->digest, hex), e->type, e->mode, e->uid, e->gid,
		       (unsigned long long)e->size, e->major, e->minor);
	if (r == 0)
		r = add_text(listing, e->path.at, e->path.len, err);
	if (r == 0)
		r = add_text(listing, e->link.at, e->link.len, err);
	for (size_t i = 0; i < xattrs->count && r == 0; i++)
		r = add_xattr(listing, &xattrs->items[i], err);
	if (r == 0)
		r = buf_append_u8(listing, '\n', err);
	if (r == 0)
		*ret_digest = start;
	return r;
}

void content_listing_set_digest(struct buf *listing, size_t at, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	memcpy(listing->data + at, digest_hex(d, hex), HEX_LEN);
}

/* ---- reading ---- */

static int corrupt(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "a listing of files is damaged");
}

int content_listing_begin(const void *bytes, size_t len, struct cursor *ret,
			  struct err *err)
{
	struct cursor c = {bytes, len};
	const uint8_t *head;

	if (!cursor_bytes(&c, HEAD_LEN, &head) || memcmp(head, HEAD, HEAD_LEN) != 0)
		return corrupt(err);
	*ret = c;
	return 0;
}

static bool take_byte(struct cursor *c, char want)
{
	struct cursor back = *c;
	uint8_t b;

	if (cursor_u8(c, &b) && b == (uint8_t)want)
		return true;
	*c = back;
	return false;
}

/* Digits of BASE, without leading zeros. */
static bool take_number(struct cursor *c, unsigned base, uint64_t max, uint64_t *ret)
{
	const uint8_t *start = c->p;
	uint64_t v = 0;

	while (c->left && *c->p >= '0' && *c->p < '0' + base) {
		unsigned digit = *c->p - '0';

		if (v > (max - digit) / base)
			return false;
		v = v * base + digit;
		c->p++;
		c->left--;
	}
	if (c->p == start || (*start == '0' && c->p != start + 1))
		return false;
	*ret = v;
	return true;
}

static bool take_u32(struct cursor *c, unsigned base, uint32_t max, uint32_t *ret)
{
	uint64_t v;

	if (!take_byte(c, ' ') || !take_number(c, base, max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool take_text(struct cursor *c, struct content_text *ret)
{
	const uint8_t *bytes;
	uint64_t len;

	if (!take_byte(c, ' ') || !take_number(c, 10, SIZE_MAX / 2, &len) ||
	    !take_byte(c, ':') || !cursor_bytes(c, (size_t)len, &bytes))
		return false;
	*ret = (struct content_text){(const char *)bytes, (size_t)len};
	return true;
}

static bool take_digest(struct cursor *c, struct digest *ret)
{
	const uint8_t *hex;

	return cursor_bytes(c, HEX_LEN, &hex) &&
	       digest_parse_hex((const char *)hex, HEX_LEN, ret, NULL) == 0;
}

static bool take_xattr(struct cursor *c, struct content_text *ret_name,
		       struct digest *ret_value)
{
	return take_text(c, ret_name) && take_byte(c, '=') && take_digest(c, ret_value);
}

static bool take_xattrs(struct cursor *c, struct content_text *ret)
{
	const uint8_t *start = c->p;
	struct content_text name;
	struct digest value;

	while (c->left && *c->p == ' ')
		if (!take_xattr(c, &name, &value))
			return false;
	*ret = (struct content_text){(const char *)start, (size_t)(c->p - start)};
	return true;
}

static bool take_entry(struct cursor *c, struct content_entry *e)
{
	uint8_t type;

	if (!take_digest(c, &e->digest) || !take_byte(c, ' ') || !cursor_u8(c, &type) ||
	    !memchr(types, type, sizeof(types) - 1))
		return false;
	e->type = (char)type;
	return take_u32(c, 8, 07777, &e->mode) && take_u32(c, 10, UINT32_MAX, &e->uid) &&
	       take_u32(c, 10, UINT32_MAX, &e->gid) && take_byte(c, ' ') &&
	       take_number(c, 10, INT64_MAX, &e->size) &&
	       take_u32(c, 10, UINT32_MAX, &e->major) &&
	       take_u32(c, 10, UINT32_MAX, &e->minor) && take_text(c, &e->path) &&
	       take_text(c, &e->link) && take_xattrs(c, &e->xattrs) && take_byte(c, '\n');
}

int content_listing_next(struct cursor *c, struct content_entry *ret, bool *ret_more,
			 struct err *err)
{
	struct content_entry e;

	if (c->left == 0) {
		*ret_more = false;
		return 0;
	}
	if (!take_entry(c, &e))
		return corrupt(err);
	*ret = e;
	*ret_more = true;
	return 0;
}

bool content_listing_xattr(struct content_text *at, struct content_text *ret_name,
			   struct digest *ret_value)
{
	struct cursor c = {(const uint8_t *)at->at, at->len};

	if (!take_xattr(&c, ret_name, ret_value))
		return false;
	*at = (struct content_text){(const char *)c.p, c.left};
	return true;
}

/* '/' ends a part, so it comes before every other byte. */
int content_listing_cmp(const struct content_text *a, const struct content_text *b)
{
	size_t n = a->len < b->len ? a->len : b->len;

	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)a->at[i], y = (unsigned char)b->at[i];

		if (x == y)
			continue;
		if (x == '/' || y == '/')
			return x == '/' ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return (a->len > b->len) - (a->len < b->len);
}
