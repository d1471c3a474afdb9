/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of key documents: golden bytes, and what is no document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/step_key.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

/* The first vector of FORMAT.md. */
#define GOLDEN \
	"layercache step 1\n" \
	"scope 4:main\n" \
	"parent 77:chain sha256:" HEX_A "\n" \
	"instruction 0:\n" \
	"command 7:/bin/sh\n" \
	"command 2:-c\n" \
	"command 4:make\n" \
	"env 3:A=2\n" \
	"env 4:AB=1\n" \
	"env 9:PATH=/bin\n" \
	"arg 3:V=\n\n" \
	"workdir 4:/src\n" \
	"user 0:\n" \
	"network 4:none\n" \
	"platform 11:linux/amd64\n" \
	"input 148:sha256:" HEX_B " sha256:" HEX_C " /src\n" \
	"input 77:sha256:" HEX_B " - a b\n"
#define GOLDEN_KEY "7c6b0339e76a76cd797c7480419369a1094d496107bf99ebffa0709f8d71e588"

static struct digest digest(const char *hex)
{
	struct digest d;

	assert_int_equal(digest_parse_hex(hex, 64, &d, NULL), 0);
	return d;
}

static void encode_golden(struct buf *out)
{
	static const char *const command[] = {"/bin/sh", "-c", "make"};
	static const char *const env[] = {"PATH=/bin", "A=1", "AB=1", "A=2"};
	static const char *const args[] = {"V=\n"};
	const struct step_key_input inputs[] = {
		{"/src", digest(HEX_B), digest(HEX_C)},
		{"a b", digest(HEX_B), {{0}}},
	};
	const struct step_key s = {
		.parent_kind = STEP_KEY_PARENT_CHAIN,
		.parent = digest(HEX_A),
		.scope = "main",
		.command = {command, 3},
		.env = {env, 4},
		.args = {args, 1},
		.workdir = "/src",
		.network = "none",
		.platform = "linux/amd64",
		.inputs = inputs,
		.input_count = 2,
	};

	assert_int_equal(step_key_encode(&s, out, NULL), 0);
}

static void steps_are_written_as_documented(void **state)
{
	auto_buf struct buf out = {0};
	char hex[DIGEST_HEX_SIZE];
	struct digest key;

	(void)state;
	encode_golden(&out);
	assert_int_equal(out.len, sizeof(GOLDEN) - 1);
	assert_memory_equal(out.data, GOLDEN, out.len);
	digest_of(out.data, out.len, &key);
	assert_string_equal(digest_hex(&key, hex), GOLDEN_KEY);
}

static void own_keys_are_written_as_documented(void **state)
{
	static const char want[] =
		"layercache own key 1\nscope 2:ci\nkey 9:npm-1\n2\n3\n";
	auto_buf struct buf out = {0};

	(void)state;
	assert_int_equal(step_key_own("ci", "npm-1\n2\n3", &out, NULL), 0);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, out.len);
	assert_int_equal(step_key_own(NULL, "", &out, NULL), 0);
	assert_int_equal(out.len, strlen("layercache own key 1\nscope 0:\nkey 0:\n"));
}

static void documents_are_read_back(void **state)
{
	auto_step_key_document struct step_key_document d = {0};
	struct digest parent, content, listing;
	enum step_key_parent kind;
	auto_buf struct buf out = {0};
	const char *dest;
	size_t len;

	(void)state;
	encode_golden(&out);
	assert_int_equal(step_key_decode(out.data, out.len, &d, NULL), 0);
	assert_int_equal(d.kind, STEP_KEY_OF_STEP);
	assert_int_equal(d.count, 16);
	assert_int_equal(d.values[9].field, STEP_KEY_ARG);
	assert_int_equal(d.values[9].len, 3);
	assert_memory_equal(d.values[9].text, "V=\n", 3);
	assert_int_equal(step_key_parent_of(&d.values[1], &kind, &parent, NULL), 0);
	assert_int_equal(kind, STEP_KEY_PARENT_CHAIN);
	assert_int_equal(parent.bytes[31], 0xaa);
	assert_int_equal(
		step_key_input_of(&d.values[14], &content, &listing, &dest, &len, NULL),
		0);
	assert_int_equal(content.bytes[0], 0xbb);
	assert_int_equal(listing.bytes[0], 0xcc);
	assert_int_equal(len, 4);
	assert_memory_equal(dest, "/src", 4);
	assert_int_equal(
		step_key_input_of(&d.values[15], &content, &listing, &dest, &len, NULL),
		0);
	assert_true(digest_is_zero(&listing));
	assert_memory_equal(dest, "a b", 3);
}

#define TAIL "instruction 0:\nworkdir 0:\nuser 0:\nnetwork 0:\nplatform 0:\n"

static void what_is_no_document_is_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} table[] = {
		{"", ERR_CORRUPT},
		{"layercache", ERR_CORRUPT},
		{"layercache step 2\nscope 0:\n", ERR_INVALID},
		{"layercache buildkit 1\n", ERR_INVALID},
		{"layercache step 1\n", ERR_CORRUPT},
		{"layercache step 1\nscope 0:\nparent 4:none\n", ERR_CORRUPT},
		{"layercache step 1\nparent 4:none\nscope 0:\n" TAIL, ERR_CORRUPT},
		{"layercache step 1\nscope 0:\nscope 0:\nparent 4:none\n" TAIL,
		 ERR_CORRUPT},
		{"layercache step 1\nscope 00:\nparent 4:none\n" TAIL, ERR_CORRUPT},
		{"layercache step 1\nscope 1:\nparent 4:none\n" TAIL, ERR_CORRUPT},
		{"layercache step 1\nscope 99999999999999999999999:\n" TAIL, ERR_CORRUPT},
		{"layercache step 1\nscope 0:\nparent 4:none\nkey 0:\n" TAIL,
		 ERR_CORRUPT},
		{"layercache step 1\nscope 0:\nparent 4:none\n" TAIL "x", ERR_CORRUPT},
		{"layercache own key 1\nscope 0:\nkey 0:\nkey 0:\n", ERR_CORRUPT},
		{"layercache own key 1\nscope 0:\nkey 5:a\n", ERR_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct step_key_document d;

		if (step_key_decode(table[i].text, strlen(table[i].text), &d, NULL) !=
		    -table[i].code)
			fail_msg("row %zu", i);
	}
}

static void values_that_are_none_are_refused(void **state)
{
	static const char *const parents[] = {
		"", "non", "key ", "key sha256:12", "chain " HEX_A, "nonee"};
	static const char *const inputs[] = {"",
					     "-",
					     "sha256:" HEX_A,
					     "sha256:" HEX_A " -",
					     "sha256:" HEX_A " x /a",
					     "sha256:" HEX_A " sha256:" HEX_B};
	enum step_key_parent kind;
	struct digest a, b;
	const char *dest;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
		const struct step_key_value v = {STEP_KEY_PARENT, parents[i],
						 strlen(parents[i])};

		assert_int_equal(step_key_parent_of(&v, &kind, &a, NULL), -ERR_CORRUPT);
	}
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		const struct step_key_value v = {STEP_KEY_INPUT, inputs[i],
						 strlen(inputs[i])};

		assert_int_equal(step_key_input_of(&v, &a, &b, &dest, &len, NULL),
				 -ERR_CORRUPT);
	}
}

static void every_cut_document_is_refused(void **state)
{
	auto_buf struct buf out = {0};

	(void)state;
	encode_golden(&out);
	for (size_t n = 0; n < out.len; n++) {
		auto_step_key_document struct step_key_document d = {0};
		/* Inputs come last: without them the rest is whole. */
		bool whole = n > 200 && out.data[n - 1] == '\n' &&
			     memcmp(out.data + n, "input ", 6) == 0;

		assert_int_equal(step_key_decode(out.data, n, &d, NULL) == 0, whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_written_as_documented),
		cmocka_unit_test(own_keys_are_written_as_documented),
		cmocka_unit_test(documents_are_read_back),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(values_that_are_none_are_refused),
		cmocka_unit_test(every_cut_document_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
