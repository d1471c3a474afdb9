/* SPDX-License-Identifier: Apache-2.0
 * The footer of an eStargz layer. */
#include "tools/chunked/stargz_footer.h"

#include <string.h>

#define HEAD    10u /* of a gzip member, up to its extra field */
#define OLD_LEN (STARGZ_FOOTER_MAX - 4)

static bool parse_hex(const uint8_t *p, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 16; i++) {
		uint8_t c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

/* EXTRA: what stands before the text, the length of the field first. */
static bool parse(const uint8_t *p, const char *extra, size_t extra_len, uint64_t *ret)
{
	static const uint8_t member[] = {0x1f, 0x8b, 8, 4}; /* deflate, an extra field */
	const uint8_t *text = p + HEAD + extra_len;

	return memcmp(p, member, sizeof(member)) == 0 &&
	       memcmp(p + HEAD, extra, extra_len) == 0 &&
	       memcmp(text + 16, "STARGZ", 6) == 0 && parse_hex(text, ret);
}

bool stargz_footer_parse(const uint8_t *data, size_t len, uint64_t *ret_toc_at,
			 size_t *ret_len)
{
	if (len >= STARGZ_FOOTER_MAX &&
	    parse(data + len - STARGZ_FOOTER_MAX, "\x1a\0SG\x16\0", 6, ret_toc_at)) {
		*ret_len = STARGZ_FOOTER_MAX;
		return true;
	}
	if (len >= OLD_LEN && parse(data + len - OLD_LEN, "\x16\0", 2, ret_toc_at)) {
		*ret_len = OLD_LEN;
		return true;
	}
	return false;
}
