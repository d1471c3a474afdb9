/* SPDX-License-Identifier: Apache-2.0
 * Addresses: what a relative one means, and who is meant by one. */
#include <string.h>

#include "tools/registry/transfer_private.h"

static inline void free_url(CURLU *u)
{
	curl_url_cleanup(u);
}
AUTO_DEFINE(url, CURLU, free_url)

static inline void free_text(char *text)
{
	curl_free(text);
}
AUTO_DEFINE(curl_text, char, free_text)

static CURLU *parse(const char *text)
{
	CURLU *u = curl_url();

	if (u && curl_url_set(u, CURLUPART_URL, text, 0)) {
		curl_url_cleanup(u);
		return NULL;
	}
	return u;
}

int transfer_resolve(const char *base, const char *location, struct buf *ret,
		     struct err *err)
{
	AUTO(url) CURLU *u = parse(base);
	AUTO(curl_text) char *text = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, location, 0) ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) ||
	    (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0))
		return err_set(err, ERR_INVALID, "bad address '%.200s'", location);
	return buf_append(ret, text, strlen(text) + 1, err);
}

/* Whether the part is in both and the same. */
static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
	AUTO(curl_text) char *x = NULL;
	AUTO(curl_text) char *y = NULL;

	return !curl_url_get(a, part, &x, flags) && !curl_url_get(b, part, &y, flags) &&
	       strcasecmp(x, y) == 0;
}

bool transfer_same_origin(const char *a, const char *b)
{
	AUTO(url) CURLU *x = parse(a);
	AUTO(url) CURLU *y = parse(b);

	return x && y && same_part(x, y, CURLUPART_SCHEME, 0) &&
	       same_part(x, y, CURLUPART_HOST, 0) &&
	       same_part(x, y, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

bool transfer_is_loopback(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len;

	host = host ? host + 3 : url;
	if (strncmp(host, "[::1]", 5) == 0)
		return true;
	len = strcspn(host, ":/?#");
	if (len == 9 && strncasecmp(host, "localhost", 9) == 0)
		return true;
	/* "127." and nothing but numbers behind it: 127.example.org is somebody else. */
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len;
}
