/* SPDX-License-Identifier: Apache-2.0
 * Names of images: the grammar of Docker's references and its defaults. */
#include "tools/oci/reference.h"

#include <string.h>

#include "store/digest.h"

#define DEFAULT_HOST "docker.io"
#define LEGACY_HOST  "index.docker.io"
#define DEFAULT_PATH "library/"
#define DEFAULT_TAG  "latest"
#define STEM_MAX     200 /* of a name made from a file's */

/* A stretch of the text that is being taken apart. */
struct part {
	const char *text;
	size_t len;
};

static bool is_small(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_small(c) || (c >= 'A' && c <= 'Z');
}

static bool part_is(const struct part *p, const char *text)
{
	return p->len == strlen(text) && memcmp(p->text, text, p->len) == 0;
}

static bool part_has(const struct part *p, char c)
{
	return p->len && memchr(p->text, c, p->len);
}

/* ".", "_", "__" or any number of "-": what may stand between letters of a path. */
static size_t separator_len(const char *p, const char *end)
{
	size_t n = 0;

	if (*p == '.')
		return 1;
	if (*p == '_')
		return end - p > 1 && p[1] == '_' ? 2 : 1;
	while (p + n < end && p[n] == '-')
		n++;
	return n;
}

/* [a-z0-9]+ (separator [a-z0-9]+)* */
static bool is_component(const char *p, const char *end)
{
	for (;;) {
		size_t n;

		if (p == end || !is_small(*p))
			return false;
		while (p < end && is_small(*p))
			p++;
		if (p == end)
			return true;
		n = separator_len(p, end);
		if (n == 0)
			return false;
		p += n;
	}
}

static bool is_path(const struct part *path)
{
	const char *p = path->text, *end = p + path->len;

	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));

		if (!is_component(p, slash ? slash : end))
			return false;
		if (!slash)
			return true;
		p = slash + 1;
	}
}

/* One label of a host name: letters, digits, '-' inside. */
static bool is_label(const char *p, const char *end)
{
	if (p == end || !is_alnum(*p) || !is_alnum(end[-1]))
		return false;
	for (; p < end; p++)
		if (!is_alnum(*p) && *p != '-')
			return false;
	return true;
}

static bool is_host_name(const char *p, const char *end)
{
	for (;;) {
		const char *dot = memchr(p, '.', (size_t)(end - p));

		if (!is_label(p, dot ? dot : end))
			return false;
		if (!dot)
			return true;
		p = dot + 1;
	}
}

/* "[", hex digits, ':' and '.', "]". */
static bool is_ipv6(const char *p, const char *end)
{
	size_t len = (size_t)(end - p);

	return len > 2 && p[0] == '[' && end[-1] == ']' &&
	       strspn(p + 1, "0123456789abcdefABCDEF:.") == len - 2;
}

static bool is_host(const struct part *host)
{
	const char *end = host->text + host->len, *p = end;

	while (p > host->text && p[-1] >= '0' && p[-1] <= '9')
		p--;
	if (p < end && p > host->text && p[-1] == ':')
		end = p - 1;
	return is_ipv6(host->text, end) || is_host_name(host->text, end);
}

static bool is_tag(const struct part *tag)
{
	if (tag->len == 0 || tag->len > REFERENCE_TAG_MAX)
		return false;
	if (!is_alnum(tag->text[0]) && tag->text[0] != '_')
		return false;
	for (size_t i = 1; i < tag->len; i++)
		if (!is_alnum(tag->text[i]) && !strchr("_.-", tag->text[i]))
			return false;
	return true;
}

bool reference_is_tag(const char *text)
{
	return is_tag(&(struct part){text, strlen(text)});
}

static bool has_capital(const struct part *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (p->text[i] >= 'A' && p->text[i] <= 'Z')
			return true;
	return false;
}

/* Takes the tag, if any, from the end of NAME. */
static struct part cut_tag(struct part *name)
{
	const char *colon = memrchr(name->text, ':', name->len);
	struct part tag = {0};

	if (!colon || memchr(colon, '/', name->len - (size_t)(colon - name->text)))
		return tag;
	tag.text = colon + 1;
	tag.len = name->len - (size_t)(tag.text - name->text);
	name->len = (size_t)(colon - name->text);
	return tag;
}

/* Takes the host, if any, from the front of NAME. */
static struct part cut_host(struct part *name)
{
	const char *slash = memchr(name->text, '/', name->len);
	struct part host = {name->text, slash ? (size_t)(slash - name->text) : 0};

	if (!slash || !(part_has(&host, '.') || part_has(&host, ':') ||
			part_is(&host, "localhost")))
		return (struct part){0};
	name->len -= host.len + 1;
	name->text = slash + 1;
	return host;
}

static int check(const char *text, const struct part *host, const struct part *path,
		 const struct part *tag, struct err *err)
{
	struct digest d;

	if (host->text && !is_host(host))
		return err_set(err, ERR_INVALID, "bad name '%s': bad host", text);
	if (has_capital(path))
		return err_set(err, ERR_INVALID,
			       "bad name '%s': upper case letters before the tag", text);
	if (!is_path(path))
		return err_set(err, ERR_INVALID, "bad name '%s'", text);
	if (tag->text && !is_tag(tag))
		return err_set(err, ERR_INVALID, "bad name '%s': bad tag", text);
	if (!host->text && digest_parse_hex(path->text, path->len, &d, NULL) == 0)
		return err_set(err, ERR_INVALID,
			       "bad name '%s': 64 hex digits are a digest", text);
	return 0;
}

/* Puts defaults where parts are missing. LIBRARY is what goes before the path. */
static void complete(struct part *host, const struct part *path, struct part *tag,
		     const char **library)
{
	if (!host->text || part_is(host, LEGACY_HOST))
		*host = (struct part){DEFAULT_HOST, strlen(DEFAULT_HOST)};
	if (!tag->text)
		*tag = (struct part){DEFAULT_TAG, strlen(DEFAULT_TAG)};
	*library = "";
	if (part_is(host, DEFAULT_HOST) && !part_has(path, '/'))
		*library = DEFAULT_PATH;
}

int reference_normalize(const char *text, struct buf *ret, struct err *err)
{
	const char *at = strchr(text, '@'), *library;
	struct part path = {text, at ? (size_t)(at - text) : strlen(text)};
	struct part tag = cut_tag(&path), host = cut_host(&path);
	char digest_text[DIGEST_TEXT_SIZE];
	struct digest digest;
	int rc = check(text, &host, &path, &tag, err);

	if (rc)
		return rc;
	if (at && digest_parse(at + 1, strlen(at + 1), &digest, NULL) < 0)
		return err_set(err, ERR_INVALID, "bad name '%s': bad digest", text);
	complete(&host, &path, &tag, &library);
	if (host.len + 1 + strlen(library) + path.len > REFERENCE_NAME_MAX)
		return err_set(err, ERR_INVALID, "bad name '%.40s...': over %d bytes",
			       text, REFERENCE_NAME_MAX);
	rc = buf_printf(ret, err, "%.*s/%s%.*s", (int)host.len, host.text, library,
			(int)path.len, path.text);
	if (!rc && at)
		rc = buf_printf(ret, err, "@%s", digest_format(&digest, digest_text));
	else if (!rc)
		rc = buf_printf(ret, err, ":%.*s", (int)tag.len, tag.text);
	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* Appends STEM so that it is one component of a path: what cannot be in one becomes '-'
 * between letters; a lone '.' or '_' there may stay. */
static int append_component(const char *stem, struct buf *ret, struct err *err)
{
	size_t start = ret->len;
	char gap = '\0';
	int rc = 0;

	for (; *stem && ret->len - start < STEM_MAX && !rc; stem++) {
		char c = *stem;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!is_small(c)) {
			gap = (c == '.' || c == '_') && !gap ? c : '-';
			continue;
		}
		if (gap && ret->len > start)
			rc = buf_append_u8(ret, (uint8_t)gap, err);
		if (!rc)
			rc = buf_append_u8(ret, (uint8_t)c, err);
		gap = '\0';
	}
	return rc || ret->len > start ? rc : buf_printf(ret, err, "image");
}

int reference_local(const char *stem, const char *tag, struct buf *ret, struct err *err)
{
	int rc;

	if (tag && !reference_is_tag(tag))
		return err_set(err, ERR_INVALID, "bad tag '%s'", tag);
	rc = buf_printf(ret, err, "localhost/");
	if (!rc)
		rc = append_component(stem, ret, err);
	if (!rc)
		rc = buf_printf(ret, err, ":%s", tag ? tag : DEFAULT_TAG);
	return rc ? rc : buf_append_u8(ret, 0, err);
}
