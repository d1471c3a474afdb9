/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of how two keys differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/content_listing.h"
#include "store/step_explain.h"

static const struct digest one = {{1}}, two = {{2}}, three = {{3}};

/* A step that can be changed. */
struct made {
	struct step_key step;
	struct step_key_input input;
	const char *command[2], *env[2];
};

static void make(struct made *m)
{
	*m = (struct made){
		.command = {"make", "all"},
		.env = {"A=1", "B=2"},
		.input = {"/app", one, one},
	};
	m->step = (struct step_key){
		.command = {m->command, 2},
		.env = {m->env, 2},
		.network = "host",
		.inputs = &m->input,
		.input_count = 1,
	};
}

/* What the digests of listings lead to. */
static struct buf listings[3];

static int load(void *arg, const struct digest *d, struct buf *ret, struct err *err)
{
	unsigned i = d->bytes[0];

	(void)arg;
	if (i < 1 || i > 2 || !listings[i].len)
		return err_set(err, ERR_NOTFOUND, "no listing");
	return buf_append(ret, listings[i].data, listings[i].len, err);
}

static void explain(const struct made *a, const struct made *b, struct step_explain *ret)
{
	struct step_key_document doc_a = {0}, doc_b = {0};
	struct buf bytes_a = {0}, bytes_b = {0};
	struct err err;

	assert_int_equal(step_key_encode(&a->step, &bytes_a, NULL), 0);
	assert_int_equal(step_key_encode(&b->step, &bytes_b, NULL), 0);
	assert_int_equal(step_key_decode(bytes_a.data, bytes_a.len, &doc_a, NULL), 0);
	assert_int_equal(step_key_decode(bytes_b.data, bytes_b.len, &doc_b, NULL), 0);
	if (step_explain(&doc_a, &doc_b, load, NULL, ret, &err) != 0)
		fail_msg("%s", err.msg);
	step_key_document_release(&doc_a);
	step_key_document_release(&doc_b);
	buf_release(&bytes_a);
	buf_release(&bytes_b);
}

static void assert_text(const struct buf *b, bool has, const char *want)
{
	if (!want) {
		assert_false(has);
		return;
	}
	assert_true(has);
	assert_int_equal(b->len, strlen(want));
	if (b->len)
		assert_memory_equal(b->data, want, b->len);
}

static void expect(const struct made *a, const struct made *b, const char *what,
		   const char *name, const char *attribute, const char *want_a,
		   const char *want_b)
{
	struct step_explain e;

	explain(a, b, &e);
	if (!what)
		assert_null(e.what);
	else
		assert_string_equal(e.what, what);
	if (what) {
		assert_text(&e.name, true, name);
		assert_text(&e.attribute, true, attribute);
		assert_text(&e.a, e.has_a, want_a);
		assert_text(&e.b, e.has_b, want_b);
	}
	step_explain_release(&e);
}

static void the_first_field_that_differs_is_named(void **state)
{
	struct made a, b;

	(void)state;
	make(&a);
	make(&b);
	expect(&a, &b, NULL, NULL, NULL, NULL, NULL);
	b.env[0] = "A=2";
	expect(&a, &b, "env", "A", "", "1", "2");
	b.env[0] = "C=";
	expect(&a, &b, "env", "A", "", "1", NULL);
	expect(&b, &a, "env", "A", "", NULL, "1");
	make(&b);
	b.env[1] = "B2=2";
	expect(&a, &b, "env", "B", "", "2", NULL);
	b.step.user = "root";
	expect(&a, &b, "user", "", "", "", "root");
	b.command[1] = "check";
	expect(&a, &b, "command", "2", "", "all", "check");
	b.step.command.count = 1;
	expect(&a, &b, "command", "2", "", "all", NULL);
	b.step.instruction = "RUN make";
	expect(&a, &b, "instruction", "", "", "", "RUN make");
	b.step.parent_kind = STEP_KEY_PARENT_CHAIN;
	b.step.parent = one;
	expect(&a, &b, "parent", "", "", "none",
	       "chain sha256:01"
	       "00000000000000000000000000000000000000000000000000000000000"
	       "000");
}

static void put_entry(struct buf *b, const char *path, char type, uint32_t mode,
		      uint32_t uid, uint64_t size, const struct digest *d,
		      const char *xattr)
{
	const struct content_entry e = {
		.digest = *d,
		.type = type,
		.mode = mode,
		.uid = uid,
		.size = size,
		.path = {path, strlen(path)},
		.link = {"", 0},
	};
	struct xattr_list x;
	size_t at;

	xattr_list_init(&x);
	if (xattr)
		assert_int_equal(
			xattr_list_append(&x, "", xattr, strlen(xattr), "v", 1, NULL), 0);
	xattr_list_finish(&x);
	assert_int_equal(content_listing_add(b, &e, &x, &at, NULL), 0);
	xattr_list_release(&x);
}

static void start(unsigned i)
{
	buf_init(&listings[i], CONTENT_LISTING_MAX);
	assert_int_equal(content_listing_start(&listings[i], NULL), 0);
	put_entry(&listings[i], "", '5', 0755, 0, 0, i == 1 ? &one : &two, NULL);
	put_entry(&listings[i], "a", '5', 0755, 0, 0, i == 1 ? &one : &two, NULL);
}

static void expect_file(const char *name, const char *attribute, const char *a,
			const char *b)
{
	struct made ma, mb;

	make(&ma);
	make(&mb);
	mb.input.content = two;
	mb.input.listing = two;
	expect(&ma, &mb, "file", name, attribute, a, b);
	buf_release(&listings[1]);
	buf_release(&listings[2]);
}

static void of_an_input_the_file_and_attribute_is_named(void **state)
{
	(void)state;
	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &three, NULL);
	put_entry(&listings[2], "a/x", '0', 0755, 0, 3, &three, NULL);
	expect_file("/app/a/x", "mode", "0644", "0755");

	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &three, NULL);
	put_entry(&listings[2], "a/x", '0', 0644, 5, 3, &three, NULL);
	expect_file("/app/a/x", "owner", "0:0", "5:0");

	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &three, NULL);
	put_entry(&listings[2], "a/x", '2', 0644, 0, 0, &three, NULL);
	expect_file("/app/a/x", "type", "file", "link");

	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &three, NULL);
	put_entry(&listings[2], "a/x", '0', 0644, 0, 3, &three, "user.k");
	expect_file(
		"/app/a/x", "xattr user.k", NULL,
		"sha256:4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080");

	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &three, NULL);
	put_entry(&listings[2], "a.txt", '0', 0644, 0, 3, &three, NULL);
	expect_file("/app/a/x", "", "file", NULL);

	start(1);
	start(2);
	put_entry(&listings[2], "b", '5', 0755, 0, 0, &three, NULL);
	expect_file("/app/b", "", NULL, "directory");
}

static void content_is_named_with_its_size(void **state)
{
	char text[2][128], d[DIGEST_TEXT_SIZE];

	(void)state;
	start(1);
	start(2);
	put_entry(&listings[1], "a/x", '0', 0644, 0, 3, &two, NULL);
	put_entry(&listings[2], "a/x", '0', 0644, 0, 4, &three, NULL);
	snprintf(text[0], sizeof(text[0]), "3 bytes %s", digest_format(&two, d));
	snprintf(text[1], sizeof(text[1]), "4 bytes %s", digest_format(&three, d));
	expect_file("/app/a/x", "content", text[0], text[1]);
}

static void without_listings_the_input_is_named(void **state)
{
	char text[2][DIGEST_TEXT_SIZE];
	struct made a, b;

	(void)state;
	make(&a);
	make(&b);
	b.input.content = three;
	b.input.listing = three;
	expect(&a, &b, "input", "/app", "", digest_format(&one, text[0]),
	       digest_format(&three, text[1]));
	b.input.dest = "/other";
	expect(&a, &b, "input", "", "", "/app", "/other");
	b.step.input_count = 0;
	expect(&a, &b, "input", "", "", "/app", NULL);
	expect(&b, &a, "input", "", "", NULL, "/app");
}

static void a_damaged_listing_is_an_error(void **state)
{
	struct step_key_document doc_a = {0}, doc_b = {0};
	auto_buf struct buf bytes_a = {0}, bytes_b = {0};
	struct step_explain e;
	struct made a, b;

	(void)state;
	make(&a);
	make(&b);
	b.input.content = two;
	b.input.listing = two;
	start(1);
	start(2);
	listings[2].data[listings[2].len - 1] = 'x';
	assert_int_equal(step_key_encode(&a.step, &bytes_a, NULL), 0);
	assert_int_equal(step_key_encode(&b.step, &bytes_b, NULL), 0);
	assert_int_equal(step_key_decode(bytes_a.data, bytes_a.len, &doc_a, NULL), 0);
	assert_int_equal(step_key_decode(bytes_b.data, bytes_b.len, &doc_b, NULL), 0);
	assert_int_equal(step_explain(&doc_a, &doc_b, load, NULL, &e, NULL),
			 -ERR_CORRUPT);
	step_explain_release(&e);
	step_key_document_release(&doc_a);
	step_key_document_release(&doc_b);
	buf_release(&listings[1]);
	buf_release(&listings[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_field_that_differs_is_named),
		cmocka_unit_test(of_an_input_the_file_and_attribute_is_named),
		cmocka_unit_test(content_is_named_with_its_size),
		cmocka_unit_test(without_listings_the_input_is_named),
		cmocka_unit_test(a_damaged_listing_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
