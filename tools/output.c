/* SPDX-License-Identifier: Apache-2.0
 * Lines, quoting, sizes and JSON for stdout.
 */
#include "tools/output.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

void output_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

int output_quote(struct buf *out, const char *text, struct err *err)
{
	int rc = 0;

	for (const char *p = text; *p && !rc; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\\')
			rc = buf_append(out, "\\\\", 2, err);
		else if (c == '\n')
			rc = buf_append(out, "\\n", 2, err);
		else if (c == '\t')
			rc = buf_append(out, "\\t", 2, err);
		else if (c < 0x20 || c == 0x7f)
			rc = buf_printf(out, err, "\\%03o", c);
		else
			rc = buf_append_u8(out, c, err);
	}
	return rc;
}

const char *output_digest(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	if (!d || digest_is_zero(d))
		return memcpy(text, "-", 2);
	return digest_format(d, text);
}

const char *output_size(uint64_t bytes, char text[OUTPUT_SIZE_TEXT])
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	unsigned unit = 0;

	/* 1023.95 would be printed as 1024.0 */
	for (; v >= (unit ? 1023.95 : 1024) && unit + 1 < ARRAY_LEN(units); unit++)
		v /= 1024;
	snprintf(text, OUTPUT_SIZE_TEXT, "%.*f %s", unit ? 1 : 0, v, units[unit]);
	return text;
}

const char *output_time(int64_t seconds, char text[OUTPUT_TIME_TEXT])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(text, OUTPUT_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return memcpy(text, "-", 2);
	return text;
}

int output_json(json_t *value, struct err *err)
{
	auto_json json_t *v = value;

	if (!v)
		return err_nomem(err);
	if (json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0 &&
	    !ferror(stdout))
		return err_nomem(err);
	putchar('\n');
	return 0;
}

json_t *output_json_digest(const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	if (!d || digest_is_zero(d))
		return json_null();
	return json_string(digest_format(d, text));
}

json_t *output_json_u64(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

int output_json_set(json_t *object, const char *key, json_t *value, struct err *err)
{
	return json_object_set_new(object, key, value) ? err_nomem(err) : 0;
}

/* Length of the UTF-8 sequence at P as JSON allows it (no surrogates, nothing overlong);
 * 0 if there is none. */
static size_t utf8_length(const unsigned char *p)
{
	/* How many bytes follow the first one, and what the second may be. */
	size_t follow = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (follow && (p[0] < 0xc2 || p[0] > 0xf4 || p[1] < low || p[1] > high))
		return 0;
	for (size_t i = 2; i <= follow; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return follow + 1;
}

/* READABLE gets the text as UTF-8, HEX its bytes; *ret_clean if they say the same. */
static int to_utf8(const char *text, struct buf *readable, struct buf *hex,
		   bool *ret_clean, struct err *err)
{
	const unsigned char *p = (const unsigned char *)text;
	bool clean = true;
	int rc = 0;

	for (const unsigned char *q = p; *q && !rc; q++)
		rc = buf_printf(hex, err, "%02x", *q);
	while (*p && !rc) {
		size_t n = utf8_length(p);

		if (n) {
			rc = buf_append(readable, p, n, err);
			p += n;
		} else {
			rc = buf_append(readable, "\xef\xbf\xbd", 3, err);
			clean = false;
			p++;
		}
	}
	if (!rc)
		rc = buf_append_u8(readable, 0, err);
	if (!rc)
		rc = buf_append_u8(hex, 0, err);
	if (!rc)
		*ret_clean = clean;
	return rc;
}

int output_json_set_text(json_t *object, const char *key, const char *text,
			 struct err *err)
{
	json_t *value = json_string(text); /* NULL if not UTF-8 */
	auto_buf struct buf readable, hex, key_hex;
	bool clean;
	int rc;

	buf_init(&readable, 1u << 20);
	buf_init(&hex, 1u << 20);
	buf_init(&key_hex, 256);
	if (value)
		return output_json_set(object, key, value, err);
	rc = to_utf8(text, &readable, &hex, &clean, err);
	if (!rc)
		rc = buf_printf(&key_hex, err, "%s_hex%c", key, 0);
	if (rc)
		return rc;
	if (json_object_set_new(object, key, json_string((char *)readable.data)) ||
	    (!clean && json_object_set_new(object, (char *)key_hex.data,
					   json_string((char *)hex.data))))
		return err_nomem(err);
	return 0;
}

void output_notice(bool quiet, const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	fputs("layercache: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

bool output_failed(void)
{
	return ferror(stdout) != 0;
}

int output_finish(struct err *err)
{
	bool failed = ferror(stdout) != 0;
	int saved = 0;

	/* stdio forgets the errno of a write that failed earlier: another try finds it */
	errno = 0;
	if (fflush(stdout) != 0 || fclose(stdout) != 0)
		saved = errno;
	if (saved)
		return err_sys(err, saved, "cannot write to standard output");
	if (failed)
		return err_set(err, ERR_SYSTEM, "cannot write to standard output");
	return 0;
}
