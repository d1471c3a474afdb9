/* SPDX-License-Identifier: Apache-2.0
 * Digests of operations against those that BuildKit computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/build_op.h"
#include "tools/buildkit/go_json.h"

#include <string.h>

static const struct platform amd64 = {"linux", "amd64", ""};

static void is(const struct digest *d, const char *want)
{
	char text[DIGEST_TEXT_SIZE];

	assert_string_equal(digest_format(d, text), want);
}

static void a_command_is_what_docker_26_says(void **state)
{
	static const char *const args[] = {"/bin/sh", "-c",
					   "echo hi > /hi && rm /etc/passwd", NULL};
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		NULL};
	const struct build_op_exec op = {.args = args,
					 .env = env,
					 .cwd = "/",
					 .user = "",
					 .network = BUILD_OP_NETWORK_NONE,
					 .stubs = true,
					 .platform = &amd64};
	struct digest d;

	(void)state;
	assert_int_equal(build_op_exec(&op, &d, NULL), 0);
	is(&d, "sha256:1d0b575f458f71c473f3e501acf8fa38c5cb1b3b401e9a63bef74c376e31c44f");
}

static void a_command_is_what_docker_20_says(void **state)
{
	static const char *const args[] = {"/bin/mk", "/system-packages", NULL};
	static const char *const env[] = {"PATH=/bin", NULL};
	const struct build_op_exec op = {.args = args,
					 .env = env,
					 .cwd = "/",
					 .user = "",
					 .network = BUILD_OP_NETWORK_HOST,
					 .platform = &amd64};
	struct digest d;

	(void)state;
	assert_int_equal(build_op_exec(&op, &d, NULL), 0);
	is(&d, "sha256:641bf52c5d3d835dbde0a97a40f130b2ea3c05f9637d002ebe8543e816854add");
}

static void a_copy_is_what_buildkit_says(void **state)
{
	const struct build_op_copy copy = {"main.txt", "/main.txt", -1, -1, -1, false};
	struct build_op_files op = {.copies = &copy, .count = 1};
	struct digest d;

	(void)state;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:ec2f8f0d05d90df5b92c9aaf59d4bc14c43e909c2dc8870c0938a2e6fc27ccfb");
	op.scratch = true;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:b388a122c85c28f396ee25dac46b3e3fe51125b96493a156b39e255e146d9a30");
}

static void three_copies_number_their_inputs(void **state)
{
	const struct build_op_copy copies[] = {
		{"a", "/three", -1, -1, -1, false},
		{"b", "/three", -1, -1, -1, false},
		{"c.txt", "/three", -1, -1, -1, false},
	};
	const struct build_op_files op = {.copies = copies, .count = 3};
	struct digest d;

	(void)state;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:03858f3e84b6fbb03d81332b8a4675d809b48494aaa90b5288c6ac33741567a7");
}

static void owners_and_modes_are_what_buildkit_says(void **state)
{
	const struct build_op_copy one = {"a", "/own7", -1, 7, -1, false};
	const struct build_op_copy both = {"a", "/own78", 0640, 7, 8, false};
	const struct build_op_copy add = {"a", "/added", -1, -1, -1, true};
	struct build_op_files op = {.copies = &one, .count = 1};
	struct digest d, newer;

	(void)state;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:9db2b105db01c7bbd3bfb724489f18137ba2967a129f3139312db10cda476459");
	op.copies = &both;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:b9f102d4f05a208d94a1c031d8711d159fded3148526b5e02729d6c1de72edad");
	op.by_id_new = true;
	assert_int_equal(build_op_files(&op, &newer, NULL), 0);
	assert_false(digest_equal(&d, &newer));
	op.copies = &add;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:2c4404261d80662a0f7e28606d53bf957c0bac139923f73101446e5da8f62cb3");
}

static void directories_are_what_buildkit_says(void **state)
{
	struct build_op_files op = {.dir = "/usr/src/app", .uid = -1};
	struct digest d;

	(void)state;
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:20b76f2f676467e80a3cb2cdd8c01befa8de5b35c48c7c455615ca4b3013c02f");
	op = (struct build_op_files){.dir = "/s", .uid = -1, .scratch = true};
	assert_int_equal(build_op_files(&op, &d, NULL), 0);
	is(&d, "sha256:41f389f68e4caf6144b41938b14a67e726673daffd4c96e3a4b171b85a00a878");
}

static void selectors_are_what_buildkit_says(void **state)
{
	static const char *const out[] = {"/out.txt"}, *const root[] = {"/"};
	static const char *const two[] = {"/b", "/a", "/b"};
	static const char *const sorted[] = {"/a", "/b"};
	struct digest d, other;

	(void)state;
	assert_int_equal(build_op_selector(out, 1, &d, NULL), 0);
	is(&d, "sha256:d94cf21446be603dd1ac6b7ad9bf235eed9b9117fc1d9f320d046494d4352bfc");
	assert_int_equal(build_op_selector(root, 1, &d, NULL), 0);
	is(&d, "sha256:8a5edab282632443219e051e4ade2d1d5bbc671c781051bf1437897cbdfea0f1");
	assert_int_equal(build_op_selector(two, 3, &d, NULL), 0);
	assert_int_equal(build_op_selector(sorted, 2, &other, NULL), 0);
	assert_true(digest_equal(&d, &other));
}

static void strings_are_what_go_writes(void **state)
{
	static const char *const cases[][2] = {
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"<&>", "\"\\u003c\\u0026\\u003e\""},
		{"\n\r\t\x01", "\"\\n\\r\\t\\u0001\""},
		{"\xc3\xa9\xe2\x80\xa8\xe2\x80\xa9\xf0\x9f\x98\x80",
		 "\"\xc3\xa9\\u2028\\u2029\xf0\x9f\x98\x80\""},
		{"\xff\xc3(", "\"\\ufffd\\ufffd(\""},
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
	};
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&out);
		assert_int_equal(go_json_string(&out, cases[i][0], NULL), 0);
		assert_int_equal(buf_append_u8(&out, 0, NULL), 0);
		assert_string_equal((char *)out.data, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_what_docker_26_says),
		cmocka_unit_test(a_command_is_what_docker_20_says),
		cmocka_unit_test(a_copy_is_what_buildkit_says),
		cmocka_unit_test(three_copies_number_their_inputs),
		cmocka_unit_test(owners_and_modes_are_what_buildkit_says),
		cmocka_unit_test(directories_are_what_buildkit_says),
		cmocka_unit_test(selectors_are_what_buildkit_says),
		cmocka_unit_test(strings_are_what_go_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
