/* SPDX-License-Identifier: Apache-2.0
 * Strings as Go's encoding/json writes them. */
#include "tools/buildkit/go_json.h"

#include <string.h>

/* The length of the UTF-8 sequence at P as Go takes it; 0: there is none. */
static size_t sequence(const unsigned char *p)
{
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	size_t more = p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

static int put_ascii(struct buf *ret, unsigned char c, struct err *err)
{
	static const char named[] = "\"\"\\\\\nn\rr\tt";

	for (const char *n = named; *n; n += 2)
		if (c == (unsigned char)n[0])
			return buf_printf(ret, err, "\\%c", n[1]);
	if (c < 0x20 || strchr("<>&", c))
		return buf_printf(ret, err, "\\u%04x", c);
	return buf_append_u8(ret, c, err);
}

int go_json_string(struct buf *ret, const char *text, struct err *err)
{
	const unsigned char *p = (const unsigned char *)text;
	int rc = buf_append_u8(ret, '"', err);

	while (*p && !rc) {
		size_t len = sequence(p);

		if (len == 1)
			rc = put_ascii(ret, *p, err);
		else if (len == 0)
			rc = buf_printf(ret, err, "\\ufffd");
		else if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 &&
			 (p[2] & 0xfe) == 0xa8)
			rc = buf_printf(ret, err, "\\u202%c", p[2] == 0xa8 ? '8' : '9');
		else
			rc = buf_append(ret, p, len, err);
		p += len ? len : 1;
	}
	return rc ? rc : buf_append_u8(ret, '"', err);
}

int go_json_strings(struct buf *ret, const char *const *list, struct err *err)
{
	int rc = buf_append_u8(ret, '[', err);

	for (size_t i = 0; list[i] && !rc; i++) {
		if (i)
			rc = buf_append_u8(ret, ',', err);
		if (!rc)
			rc = go_json_string(ret, list[i], err);
	}
	return rc ? rc : buf_append_u8(ret, ']', err);
}
