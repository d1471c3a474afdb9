/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of blobs on their way in: who may write, what becomes a blob, what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/scratch.h"
#include "tools/serve/uploads.h"

static struct uploads *uploads;
static int tmp;
static struct err err[1];

static int setup(void **state)
{
	(void)state;
	tmp = open(P_tmpdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return uploads_new(tmp, 60, &uploads, NULL);
}

static int teardown(void **state)
{
	(void)state;
	uploads_free(uploads);
	return close(tmp);
}

static struct digest send(const char *text)
{
	struct upload *up = NULL;
	struct digest d;

	digest_of(text, strlen(text), &d);
	assert_int_equal(uploads_start(uploads, &up, err), 0);
	assert_int_equal(upload_write(up, text, strlen(text), err), 0);
	assert_int_equal(uploads_finish(uploads, up, &d, err), 0);
	return d;
}

static void a_blob_stays_while_it_is_used(void **state)
{
	struct digest d = send("hello");
	struct spooled *b = uploads_find(uploads, &d), *again;
	struct stream *in = NULL;
	char text[8];
	size_t len;

	(void)state;
	assert_non_null(b);
	assert_int_equal(spooled_size(b), 5);
	again = uploads_find(uploads, &d);
	assert_true(uploads_forget(uploads, &d));
	assert_null(uploads_find(uploads, &d));
	assert_false(uploads_forget(uploads, &d));
	uploads_release(uploads, again);
	assert_int_equal(spooled_open(b, 1, &in, err), 0);
	assert_int_equal(stream_read_full(in, text, sizeof(text), &len, err), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(text, "ello", 4);
	stream_close(in);
	uploads_release(uploads, b);
	/* Sent again, it is there again; twice is once. */
	send("hello");
	send("hello");
	assert_true(uploads_forget(uploads, &d));
	assert_false(uploads_forget(uploads, &d));
}

static void one_request_at_a_time_sends_to_an_upload(void **state)
{
	struct upload *up = NULL, *other = NULL;
	char id[UPLOADS_ID_SIZE];

	(void)state;
	assert_int_equal(uploads_start(uploads, &up, err), 0);
	snprintf(id, sizeof(id), "%s", upload_id(up));
	assert_int_equal(uploads_take(uploads, id, &other, err), -ERR_BUSY);
	uploads_put_back(uploads, up);
	assert_int_equal(uploads_take(uploads, id, &other, err), 0);
	assert_ptr_equal(up, other);
	uploads_drop(uploads, other);
	assert_int_equal(uploads_take(uploads, id, &other, err), -ERR_NOTFOUND);
}

static void another_digest_leaves_nothing(void **state)
{
	struct digest said, sent;
	struct upload *up = NULL;

	(void)state;
	digest_of("said", 4, &said);
	digest_of("sent", 4, &sent);
	assert_int_equal(uploads_start(uploads, &up, err), 0);
	assert_int_equal(upload_write(up, "sent", 4, err), 0);
	assert_int_equal(uploads_finish(uploads, up, &said, err), -ERR_INVALID);
	assert_null(uploads_find(uploads, &said));
	assert_null(uploads_find(uploads, &sent));
}

static void there_is_a_most(void **state)
{
	struct upload *up = NULL;

	(void)state;
	for (unsigned i = 0; i < UPLOADS_MAX; i++) {
		int rc = uploads_start(uploads, &up, err);

		if (rc) /* as many as this process may have files */
			assert_int_equal(rc, -ERR_SYSTEM);
	}
	assert_true(uploads_start(uploads, &up, err) < 0);
}

static void what_waits_too_long_goes(void **state)
{
	struct uploads *brief = NULL;
	struct upload *up = NULL, *other = NULL;
	char id[UPLOADS_ID_SIZE];

	(void)state;
	assert_int_equal(uploads_new(tmp, 0, &brief, err), 0);
	assert_int_equal(uploads_start(brief, &up, err), 0);
	snprintf(id, sizeof(id), "%s", upload_id(up));
	uploads_put_back(brief, up);
	sleep(1);
	usleep(100000);
	assert_int_equal(uploads_take(brief, id, &other, err), -ERR_NOTFOUND);
	uploads_free(brief);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_blob_stays_while_it_is_used),
		CASE(one_request_at_a_time_sends_to_an_upload),
		CASE(another_digest_leaves_nothing),
		CASE(there_is_a_most),
		CASE(what_waits_too_long_goes),
	};

	return cmocka_run_group_tests_name("uploads", tests, NULL, NULL);
}
