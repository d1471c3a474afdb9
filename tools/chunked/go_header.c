/* SPDX-License-Identifier: Apache-2.0
 * Header blocks as Go's archive/tar writes them. */
#include "tools/chunked/go_header.h"

#include <string.h>

#include "tools/buildkit/base64.h"

#define BLOCK       512u
#define NAME_SIZE   100u
#define PREFIX_SIZE 155u
#define OWNER_SIZE  32u
#define PAX_MAX     (1u << 20)
#define ID_MAX      07777777u
#define SIZE_MAX_12 077777777777ull

enum format {
	USTAR,
	PAX,
	GNU,
};

/* ---- blocks ---- */

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* As much as fits, ended by NUL only if there is room. */
static void put_text(uint8_t *field, size_t size, const char *text, size_t len)
{
	memcpy(field, text, len < size ? len : size);
	if (len <= size || field[size - 1] != '/')
		return;
	/* What was cut may not look like a directory. */
	for (size--; size && field[size - 1] == '/'; size--)
		;
	field[size] = '\0';
}

/* Without what is not ASCII. */
static int put_ascii(uint8_t *field, size_t size, const char *text, struct err *err)
{
	auto_buf struct buf plain;
	int rc = 0;

	buf_init(&plain, PAX_MAX);
	for (; *text && !rc; text++)
		if ((unsigned char)*text < 0x80)
			rc = buf_append_u8(&plain, (uint8_t)*text, err);
	if (!rc && plain.len)
		put_text(field, size, (const char *)plain.data, plain.len);
	return rc;
}

/* A number that does not fit is 0: a record says it then. */
static void put_octal(uint8_t *field, size_t size, uint64_t v)
{
	char text[24];

	if (v >> (3 * (size - 1)))
		v = 0;
	snprintf(text, sizeof(text), "%0*jo", (int)size - 1, (uintmax_t)v);
	memcpy(field, text, size);
}

/* Binary where octal digits are too few, as GNU tar has it. */
static void put_binary(uint8_t *field, size_t size, uint64_t v)
{
	if (!(v >> (3 * (size - 1)))) {
		put_octal(field, size, v);
		return;
	}
	for (size_t i = size; i--; v >>= 8)
		field[i] = (uint8_t)v;
	field[0] |= 0x80;
}

static void finish_block(uint8_t b[BLOCK], enum format format)
{
	unsigned sum = 8 * ' ';

	memcpy(b + 257, format == GNU ? "ustar  " : "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += b[i];
	put_octal(b + 148, 7, sum);
	b[155] = ' ';
}

static int append_main(struct buf *out, const struct go_header *h, enum format format,
		       const char *prefix, size_t prefix_len, struct err *err)
{
	const char *name = h->name + (prefix_len ? prefix_len + 1 : 0);
	void (*number)(uint8_t *, size_t, uint64_t) =
		format == GNU ? put_binary : put_octal;
	uint8_t b[BLOCK] = {0};
	int rc = 0;

	if (format == PAX) {
		rc = put_ascii(b, NAME_SIZE, name, err);
		if (!rc)
			rc = put_ascii(b + 157, NAME_SIZE, h->link, err);
	} else {
		put_text(b, NAME_SIZE, name, strlen(name));
		put_text(b + 157, NAME_SIZE, h->link, strlen(h->link));
	}
	if (rc)
		return rc;
	number(b + 100, 8, h->mode);
	number(b + 108, 8, h->uid);
	number(b + 116, 8, h->gid);
	number(b + 124, 12, h->size);
	number(b + 136, 12, h->time);
	b[156] = (uint8_t)h->type;
	put_text(b + 265, OWNER_SIZE, h->user, strlen(h->user));
	put_text(b + 297, OWNER_SIZE, h->group, strlen(h->group));
	number(b + 329, 8, h->major);
	number(b + 337, 8, h->minor);
	memcpy(b + 345, prefix, prefix_len);
	finish_block(b, format);
	return buf_append(out, b, sizeof(b), err);
}

/* An entry that says something of the one behind it. */
static int append_extra(struct buf *out, const char *name, char type, const void *data,
			size_t len, enum format format, struct err *err)
{
	uint8_t b[BLOCK] = {0};
	size_t name_len = strnlen(name, NAME_SIZE);
	int rc;

	while (name_len && name[name_len - 1] == '/')
		name_len--;
	memcpy(b, name, name_len);
	put_octal(b + 100, 8, 0);
	put_octal(b + 108, 8, 0);
	put_octal(b + 116, 8, 0);
	put_octal(b + 124, 12, len);
	put_octal(b + 136, 12, 0);
	b[156] = (uint8_t)type;
	finish_block(b, format);
	rc = buf_append(out, b, sizeof(b), err);
	if (!rc)
		rc = buf_append(out, data, len, err);
	return rc ?: buf_append_zeros(out, -len % BLOCK, err);
}

/* ---- ustar ---- */

/* Bytes of NAME that go into the field for a prefix; 0: it cannot be cut. */
static size_t prefix_of(const char *name)
{
	size_t len = strlen(name), end = len, i;

	if (len <= NAME_SIZE || !is_ascii(name))
		return 0;
	if (end > PREFIX_SIZE + 1)
		end = PREFIX_SIZE + 1;
	else if (name[end - 1] == '/')
		end--;
	for (i = end; i && name[i - 1] != '/'; i--)
		;
	if (i < 2 || len - i > NAME_SIZE || len == i || i - 1 > PREFIX_SIZE)
		return 0;
	return i - 1;
}

/* ---- PAX ---- */

/* "LENGTH KEY=VALUE", where the length counts itself. */
static int add_record(struct buf *out, const char *key, const void *value, size_t len,
		      struct err *err)
{
	size_t rest = strlen(key) + len + 3, total = rest + 1;
	int rc;

	while (total != rest + (size_t)snprintf(NULL, 0, "%zu", total))
		total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	rc = buf_printf(out, err, "%zu %s=", total, key);
	if (!rc)
		rc = buf_append(out, value, len, err);
	return rc ?: buf_append_u8(out, '\n', err);
}

static int add_text(struct buf *out, const char *key, const char *value, struct err *err)
{
	return add_record(out, key, value, strlen(value), err);
}

static int add_number(struct buf *out, const char *key, uint64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
	return add_text(out, key, text, err);
}

static int add_xattr(struct buf *out, const char *name, const json_t *value,
		     struct err *err)
{
	const char *text = json_string_value(value);
	auto_buf struct buf key, bytes;
	int rc;

	buf_init(&key, PAX_MAX);
	buf_init(&bytes, PAX_MAX);
	if (!text || !*name || strchr(name, '='))
		return err_set(err, ERR_INVALID, "an xattr that no tar can have");
	rc = base64_decode(text, strlen(text), &bytes, err);
	if (!rc)
		rc = buf_printf(&key, err, "SCHILY.xattr.%s", name);
	if (!rc)
		rc = buf_append_u8(&key, 0, err);
	return rc ?: add_record(out, (const char *)key.data, bytes.data, bytes.len, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_xattrs(struct buf *out, const json_t *xattrs, struct err *err)
{
	size_t count = json_object_size(xattrs), i = 0;
	auto_free const char **names = NULL;
	const char *name;
	json_t *value;
	int rc = 0;

	if (!count)
		return 0;
	names = calloc(count, sizeof(*names));
	if (!names)
		return err_nomem(err);
	json_object_foreach((json_t *)(uintptr_t)xattrs, name, value) names[i++] = name;
	qsort(names, count, sizeof(*names), by_name);
	for (i = 0; i < count && !rc; i++)
		rc = add_xattr(out, names[i], json_object_get(xattrs, names[i]), err);
	return rc;
}

static bool is_long(const char *text)
{
	return strlen(text) > NAME_SIZE || !is_ascii(text);
}

/* In the order of their keys. */
static int add_records(struct buf *out, const struct go_header *h, struct err *err)
{
	int rc = add_xattrs(out, h->xattrs, err);

	if (!rc && h->gid > ID_MAX)
		rc = add_number(out, "gid", h->gid, err);
	if (!rc && is_long(h->link))
		rc = add_text(out, "linkpath", h->link, err);
	if (!rc && is_long(h->name))
		rc = add_text(out, "path", h->name, err);
	if (!rc && h->uid > ID_MAX)
		rc = add_number(out, "uid", h->uid, err);
	return rc;
}

/* DIR "/PaxHeaders.0/" FILE, as Go joins paths: no "." and nothing empty; "..", which would
 * be resolved, is not there. */
static int records_name(const char *name, struct buf *out, struct err *err)
{
	const char *file = strrchr(name, '/');
	size_t dir_len = file ? (size_t)(file - name) : 0;
	int rc = 0;

	if (*name == '/')
		rc = buf_append_u8(out, '/', err);
	for (size_t i = 0; i < dir_len && !rc;) {
		size_t len = strcspn(name + i, "/");

		if (len > dir_len - i)
			len = dir_len - i;
		if (len == 2 && memcmp(name + i, "..", 2) == 0)
			return err_set(err, ERR_INVALID, "'..' in '%.200s'", name);
		if (len && !(len == 1 && name[i] == '.')) {
			rc = buf_append(out, name + i, len, err);
			if (!rc)
				rc = buf_append_u8(out, '/', err);
		}
		i += len + 1;
	}
	if (!rc)
		rc = buf_printf(out, err, "PaxHeaders.0/%s", file ? file + 1 : name);
	return rc ?: buf_append_u8(out, 0, err);
}

static int append_pax(struct buf *out, const struct go_header *h, struct err *err)
{
	char plain[NAME_SIZE + 1] = "";
	auto_buf struct buf records, name;
	int rc;

	buf_init(&records, PAX_MAX);
	buf_init(&name, PAX_MAX);
	rc = add_records(&records, h, err);
	if (!rc)
		rc = records_name(h->name, &name, err);
	if (!rc)
		rc = put_ascii((uint8_t *)plain, NAME_SIZE, (const char *)name.data, err);
	if (!rc)
		rc = append_extra(out, plain, 'x', records.data, records.len, PAX, err);
	return rc ?: append_main(out, h, PAX, "", 0, err);
}

/* ---- all ---- */

static int append_gnu(struct buf *out, const struct go_header *h, struct err *err)
{
	static const char extra[] = "././@LongLink";
	size_t name = strlen(h->name), link = strlen(h->link);
	int rc = 0;

	if (name > NAME_SIZE)
		rc = append_extra(out, extra, 'L', h->name, name + 1, GNU, err);
	if (!rc && link > NAME_SIZE)
		rc = append_extra(out, extra, 'K', h->link, link + 1, GNU, err);
	return rc ?: append_main(out, h, GNU, "", 0, err);
}

static bool can_be_told(const struct go_header *h)
{
	return *h->name && strlen(h->user) <= OWNER_SIZE && is_ascii(h->user) &&
	       strlen(h->group) <= OWNER_SIZE && is_ascii(h->group) &&
	       h->mode <= ID_MAX && h->uid <= UINT32_MAX && h->gid <= UINT32_MAX &&
	       h->size <= SIZE_MAX_12 && h->time <= SIZE_MAX_12 && h->major <= ID_MAX &&
	       h->minor <= ID_MAX;
}

int go_header_append(struct buf *out, const struct go_header *h, struct err *err)
{
	size_t prefix = prefix_of(h->name);

	if (!can_be_told(h))
		return err_set(err, ERR_INVALID, "the headers of '%.200s' cannot be told",
			       h->name);
	if (json_object_size(h->xattrs))
		return append_pax(out, h, err);
	if (h->gnu)
		return append_gnu(out, h, err);
	if ((is_long(h->name) && !prefix) || is_long(h->link) || h->uid > ID_MAX ||
	    h->gid > ID_MAX)
		return append_pax(out, h, err);
	return append_main(out, h, USTAR, h->name, prefix, err);
}
