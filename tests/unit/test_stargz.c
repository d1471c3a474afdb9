/* SPDX-License-Identifier: Apache-2.0
 * eStargz: footers, headers as Go writes them, stretches of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/chunked/go_header.h"
#include "tools/chunked/stargz_footer.h"
#include "tools/chunked/stargz_toc.h"

#define DIGEST   "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define TEXT_MAX (1u << 20)
#define END      1000u

/* ---- footers ---- */

#define HEAD "\x1f\x8b\x08\x04\0\0\0\0\0\xff"
#define REST "\x01\0\0\xff\xff\0\0\0\0\0\0\0\0"

static void both_footers_tell_where_the_table_is(void **state)
{
	static const char new[] = HEAD "\x1a\0SG\x16\0"
				       "00000000000abcdeSTARGZ" REST;
	static const char old[] = "xxxx" HEAD "\x16\0"
				  "00000000000abcdeSTARGZ" REST;
	uint64_t at = 0;
	size_t len = 0;

	(void)state;
	assert_true(stargz_footer_parse((const uint8_t *)new, 51, &at, &len));
	assert_int_equal(at, 0xabcde);
	assert_int_equal(len, 51);
	at = 0;
	assert_true(stargz_footer_parse((const uint8_t *)old, 51, &at, &len));
	assert_int_equal(at, 0xabcde);
	assert_int_equal(len, 47);
	assert_true(stargz_footer_parse((const uint8_t *)old + 4, 47, &at, &len));
}

static void what_is_no_footer_is_none(void **state)
{
	uint8_t bytes[51] = HEAD "\x1a\0SG\x16\0"
				 "00000000000abcdeSTARGZ" REST;
	static const uint8_t changed[] = {0, 3, 10, 12, 16, 31, 32, 37};
	uint64_t at;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
		bytes[changed[i]] ^= 0x40;
		assert_false(stargz_footer_parse(bytes, sizeof(bytes), &at, &len));
		bytes[changed[i]] ^= 0x40;
	}
	assert_true(stargz_footer_parse(bytes, sizeof(bytes), &at, &len));
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_false(stargz_footer_parse(bytes, n, &at, &len));
}

/* ---- headers ---- */

static struct go_header plain_header(const char *name)
{
	return (struct go_header){.type = '0',
				  .name = name,
				  .link = "",
				  .user = "root",
				  .group = "",
				  .mode = 0644,
				  .size = 5,
				  .time = 1700000000};
}

static void a_header_is_as_go_writes_it(void **state)
{
	const struct go_header h = plain_header("f");
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_int_equal(go_header_append(&out, &h, NULL), 0);
	assert_int_equal(out.len, 512);
	assert_memory_equal(out.data, "f\0", 2);
	assert_memory_equal(out.data + 100,
			    "0000644\0"
			    "0000000\0"
			    "0000000\0"
			    "00000000005\0"
			    "14524770400\0",
			    48);
	assert_memory_equal(out.data + 154, "\0 0", 3);
	assert_memory_equal(out.data + 257,
			    "ustar\0"
			    "00root\0",
			    13);
	assert_memory_equal(out.data + 329,
			    "0000000\0"
			    "0000000\0",
			    17);
}

static void what_is_too_long_goes_where_go_puts_it(void **state)
{
	char split[140], whole[140];
	struct go_header h = plain_header(split);
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	memset(split, 'd', 60);
	memset(split + 60, 'e', sizeof(split) - 60);
	split[60] = '/';
	split[139] = '\0';
	memset(whole, 'n', sizeof(whole));
	whole[139] = '\0';
	assert_int_equal(go_header_append(&out, &h, NULL), 0);
	assert_int_equal(out.len, 512);
	assert_memory_equal(out.data + 345, split, 60);
	assert_memory_equal(out.data, split + 61, 79);

	buf_clear(&out);
	h.name = whole;
	assert_int_equal(go_header_append(&out, &h, NULL), 0);
	assert_int_equal(out.len, 3 * 512);
	assert_memory_equal(out.data, "PaxHeaders.0/nnn", 16);
	assert_memory_equal(out.data + 512, "149 path=nnn", 12);

	buf_clear(&out);
	h.gnu = true;
	h.uid = 3000000;
	assert_int_equal(go_header_append(&out, &h, NULL), 0);
	assert_int_equal(out.len, 3 * 512);
	assert_memory_equal(out.data, "././@LongLink\0", 14);
	assert_int_equal(out.data[156], 'L');
	assert_memory_equal(out.data + 1024 + 108, "\x80\0\0\0\0\x2d\xc6\xc0", 8);
}

/* A name of LEN bytes: without a directory, with many, with one, not ASCII. */
static void make_name(char *name, size_t len, int shape)
{
	memset(name, 'k', len);
	name[len] = '\0';
	for (size_t i = 9; shape == 1 && i + 1 < len; i += 10)
		name[i] = '/';
	if (shape >= 2)
		name[len / (size_t)shape] = '/';
	if (shape == 3)
		memcpy(name, "\xc3\xa9", 2);
}

/* The digests are those of what archive/tar of Go 1.19 wrote for the same entries. */
static void headers_of_all_shapes_are_those_of_go(void **state)
{
	static const char *const want[] = {
		"sha256:67c139b585257a2f61a45bdf5881ec19f3e51381cf787e872cd14504b0b1ca61",
		"sha256:9889eb4ebf3eb5a7cf66b8575dd24a38842b9e712656e73a0e4e4aee1593db09",
		"sha256:933405f44883f5d46e6d56ef62de029692f51838092193ddb7ce7a30f1d1a3fe",
		"sha256:75fbfc9341c93b7d9484648734e3ce4f5de6b8ba9f8a902576495c7e0ea6a4ad",
		"sha256:e6d32726719f58e6b81c42c4e67726366a15def50196ecdda75ee5b1509cfd43",
		"sha256:4a10b25c163d9404c8b5e270f8301abcf7cdbd6348f431f5978516551e4b130f",
		"sha256:24ca784c54abfba0ca331e38dae8c714947329eb3e3839e196ccb9ff7074edeb"};
	static const size_t lengths[] = {6,   99,  100, 101, 102, 155, 156,
					 157, 158, 200, 255, 256, 257, 300};
	json_t *xattrs = json_pack("{s:s, s:s}", "user.b", "AA==", "user.a", "aGk=");

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(want); v++) {
		char name[301], text[DIGEST_TEXT_SIZE];
		auto_buf struct buf out;
		struct digest is;

		buf_init(&out, TEXT_MAX);
		for (size_t i = 0; i < 4 * ARRAY_LEN(lengths); i++) {
			struct go_header h = plain_header(name);

			make_name(name, lengths[i / 4], (int)(i % 4));
			h.mode = 0755;
			h.uid = v >= 5 ? 3000000 : 1;
			h.gid = 2;
			h.size = 0;
			h.user = "user";
			h.group = "group";
			h.gnu = v == 1 || v == 4 || v == 6;
			h.xattrs = v == 2 ? xattrs : NULL;
			h.type = v == 3 || v == 4 ? '2' : '0';
			h.link = h.type == '2' ? name : "";
			assert_int_equal(go_header_append(&out, &h, NULL), 0);
		}
		digest_of(out.data, out.len, &is);
		assert_string_equal(digest_format(&is, text), want[v]);
	}
	json_decref(xattrs);
}

static void xattrs_are_records_in_order(void **state)
{
	static const char want[] = "26 SCHILY.xattr.user.a=hi\n"
				   "25 SCHILY.xattr.user.b=\0\n"
				   "15 gid=3000000\n";
	json_t *xattrs = json_pack("{s:s, s:s}", "user.b", "AA==", "user.a", "aGk=");
	struct go_header h = plain_header("./a//b");
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	h.xattrs = xattrs;
	h.gid = 3000000;
	assert_int_equal(go_header_append(&out, &h, NULL), 0);
	json_decref(xattrs);
	assert_memory_equal(out.data, "a/PaxHeaders.0/b\0", 17);
	assert_memory_equal(out.data + 512, want, sizeof(want));
}

static void headers_that_cannot_be_told_are_refused(void **state)
{
	struct go_header h = plain_header("");
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_int_equal(go_header_append(&out, &h, NULL), -ERR_INVALID);
	h = plain_header("f");
	h.mode = 1u << 21;
	assert_int_equal(go_header_append(&out, &h, NULL), -ERR_INVALID);
	h = plain_header("f");
	h.user = "a name of more than thirty-two bytes";
	assert_int_equal(go_header_append(&out, &h, NULL), -ERR_INVALID);
	h = plain_header("../f");
	h.uid = 3000000;
	assert_int_equal(go_header_append(&out, &h, NULL), -ERR_INVALID);
}

/* ---- tables ---- */

static void open_table(const char *rows, struct buf *text, struct stargz_toc **ret)
{
	struct stream *in;

	buf_init(text, TEXT_MAX);
	assert_int_equal(buf_printf(text, NULL, "{\"version\":1,\"entries\":[%s]}", rows),
			 0);
	assert_int_equal(stream_from_bytes(text->data, text->len, &in, NULL), 0);
	assert_int_equal(stargz_toc_open(in, text->len, END, ret, NULL), 0);
}

#define REG(name, more) "{\"name\":\"" name "\",\"type\":\"reg\"," more "}"

static void a_stretch_ends_where_the_next_content_begins(void **state)
{
	auto_stargz_toc struct stargz_toc *t = NULL;
	const struct stargz_stretch *s;
	auto_buf struct buf text;

	(void)state;
	open_table(
		REG(".no.prefetch.landmark", "\"size\":1,\"offset\":50") ",{\"name\":\"d/\",\"type\":\"dir\",\"userName\":\"root\"}," REG(
			"f",
			"\"size\":700,\"offset\":90,\"chunkSize\":600,"
			"\"chunkDigest\":\"" DIGEST
			"\"") ",{\"name\":\"f\",\"type\":\"chunk\",\"offset\":300,"
			      "\"chunkOffset\":600},{\"name\":\"e\",\"type\":\"fifo\"}",
		&text, &t);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_int_equal(s->count, 0);
	assert_int_equal(s->end, 50);
	assert_int_equal(s->len, 512);
	assert_int_equal(s->header, 512);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_int_equal(s->count, 1);
	assert_int_equal(s->end, 90);
	assert_int_equal(s->pieces[0].framing, 511 + 2 * 512);
	assert_int_equal(s->header, 512);
	/* The table has a name once, the headers have it each. */
	assert_string_equal((const char *)s->framing->data + 511 + 512 + 265, "root");
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_int_equal(s->pieces[0].len, 600);
	assert_int_equal(s->pieces[0].framing, 0);
	assert_false(s->last);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_int_equal(s->pieces[0].off, 600);
	assert_int_equal(s->pieces[0].len, 100);
	assert_int_equal(s->pieces[0].framing, 324 + 512);
	assert_int_equal(s->end, END);
	assert_true(s->last);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_null(s);
}

static void files_may_share_a_member(void **state)
{
	auto_stargz_toc struct stargz_toc *t = NULL;
	const struct stargz_stretch *s;
	auto_buf struct buf text;

	(void)state;
	open_table(REG("a", "\"size\":1,\"offset\":50") "," REG(
			   "b", "\"size\":2,\"offset\":50,\"innerOffset\":1024"),
		   &text, &t);
	assert_int_equal(stargz_toc_next(t, true, &s, NULL), 0);
	assert_int_equal(stargz_toc_next(t, true, &s, NULL), 0);
	assert_int_equal(s->count, 2);
	assert_int_equal(s->len, 1536);
	assert_memory_equal(s->framing->data + 511 + 257, "ustar  \0", 8);
}

static int first_error(const char *rows)
{
	auto_stargz_toc struct stargz_toc *t = NULL;
	const struct stargz_stretch *s;
	auto_buf struct buf text;
	int rc;

	open_table(rows, &text, &t);
	do
		rc = stargz_toc_next(t, false, &s, NULL);
	while (!rc && s);
	return rc;
}

static void headers_that_are_not_told_are_where_the_table_says(void **state)
{
	auto_stargz_toc struct stargz_toc *t = NULL;
	const struct stargz_stretch *s;
	auto_buf struct buf text;

	(void)state;
	open_table(
		REG("a",
		    "\"size\":5,\"offset\":50,\"headersOffset\":0,"
		    "\"modtime\":\"2023-11-14T22:13:20.5Z\"") "," REG("b",
								      "\"size\":5,"
								      "\"offset\":90,"
								      "\"headersOffset\":70,"
								      "\"xattrs\":{\"a=b\":"
								      "\"\"}") "," REG("c",
										       "\"size\":5,"
										       "\"offset\":200"),
		&text, &t);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_true(s->untold);
	assert_int_equal(s->headers_at, 0);
	assert_int_equal(s->end, 50);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_true(s->untold);
	assert_int_equal(s->headers_at, 70);
	assert_int_equal(s->count, 1);
	assert_int_equal(s->end, 90);
	assert_int_equal(stargz_toc_next(t, false, &s, NULL), 0);
	assert_false(s->untold);
	assert_int_equal(s->end, 200);
}

static void bad_tables_are_refused(void **state)
{
	static const char *const invalid[] = {
		REG("a", "\"size\":1"),
		REG("a", "\"size\":1,\"offset\":50,\"innerOffset\":9"),
		REG("a", "\"size\":1,\"offset\":1000"),
		REG("a", "\"size\":1,\"offset\":60") "," REG("b",
							     "\"size\":1,\"offset\":50"),
		REG("a", "\"size\":9,\"offset\":50,\"chunkSize\":10"),
		REG("a", "\"size\":9,\"offset\":50,\"chunkSize\":5"),
		REG("a", "\"size\":9,\"offset\":50,\"chunkOffset\":5"),
		REG("a", "\"size\":-1,\"offset\":50"),
		REG("a", "\"size\":1,\"offset\":50,\"digest\":\"x\""),
		REG("a", "\"modtime\":\"2023-11-14\""),
		REG("a", "\"modtime\":\"1960-01-01T00:00:00Z\""),
		REG("", "\"size\":0"),
		REG("a", "\"xattrs\":{\"a=b\":\"\"}"),
		REG("a", "\"xattrs\":{\"a\":\"?\"}"),
		REG("a", "\"xattrs\":{\"a\":1}"),
		"{\"name\":\"a\",\"type\":\"dir\",\"size\":5}",
		"{\"name\":\"a\",\"type\":\"chunk\"}",
		"{\"name\":\"a\"}",
		REG("a", "\"size\":1,\"offset\":50,\"headersOffset\":1"),
		REG("a", "\"size\":1,\"offset\":50") "," REG(
			"b", "\"size\":1,\"offset\":60,\"headersOffset\":50"),
		REG("a", "\"size\":1,\"offset\":50") "," REG(
			"b", "\"size\":1,\"offset\":60,\"headersOffset\":60"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		assert_int_equal(first_error(invalid[i]), -ERR_INVALID);
	assert_int_equal(first_error(REG("a", "\"size\":99999999,\"offset\":50")),
			 -ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_footers_tell_where_the_table_is),
		cmocka_unit_test(what_is_no_footer_is_none),
		cmocka_unit_test(a_header_is_as_go_writes_it),
		cmocka_unit_test(what_is_too_long_goes_where_go_puts_it),
		cmocka_unit_test(headers_of_all_shapes_are_those_of_go),
		cmocka_unit_test(xattrs_are_records_in_order),
		cmocka_unit_test(headers_that_cannot_be_told_are_refused),
		cmocka_unit_test(a_stretch_ends_where_the_next_content_begins),
		cmocka_unit_test(files_may_share_a_member),
		cmocka_unit_test(headers_that_are_not_told_are_where_the_table_says),
		cmocka_unit_test(bad_tables_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
