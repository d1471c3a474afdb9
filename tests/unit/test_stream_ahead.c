/* SPDX-License-Identifier: Apache-2.0
 * store/stream_ahead: order of bytes and errors, bounds, ending early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "tests/unit/inflate_fixture.h"

static void bytes_come_in_order_whatever_the_sizes(void **state)
{
	static const size_t steps[] = {1, 1000, 1 << 20};
	static const size_t sizes[] = {1, 100, 64 << 10};
	static const size_t caps[] = {1, 777, 1 << 20};
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 20000);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < 27; i++) {
		unsigned count = 2 + (unsigned)i % 4;
		struct drip d = drip_of(&content, steps[i % 3]);
		struct stream *s;

		assert_int_equal(stream_ahead(&d.base, sizes[i / 3 % 3], count, &s, NULL),
				 0);
		buf_clear(&out);
		assert_int_equal(fixture_read_all(s, caps[i / 9], &out, NULL), 0);
		assert_int_equal(out.len, content.len);
		assert_memory_equal(out.data, content.data, out.len);
		stream_close(s);
		assert_int_equal(d.closed, 1);
	}
}

static void nothing_gives_nothing(void **state)
{
	struct buf none = {0};
	struct drip d = drip_of(&none, 1);
	struct stream *s;
	size_t n = 1;
	char c;

	(void)state;
	assert_int_equal(stream_ahead(&d.base, 100, 2, &s, NULL), 0);
	assert_int_equal(s->read(s, &c, 1, &n, NULL), 0);
	assert_int_equal(n, 0);
	stream_close(s);
	assert_int_equal(d.closed, 1);
}

static void an_error_comes_behind_the_bytes(void **state)
{
	static const size_t lens[] = {0, 1, 100, 5000};
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 5000);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct err err = {0};
		struct stream *s;
		struct drip d;

		content.len = lens[i];
		d = drip_of(&content, 70);
		d.fails = true;
		assert_int_equal(stream_ahead(&d.base, 100, 3, &s, NULL), 0);
		buf_clear(&out);
		assert_int_equal(fixture_read_all(s, 64, &out, &err), -ERR_BUSY);
		assert_string_equal(err.msg, "the source fails");
		assert_int_equal(out.len, lens[i]);
		if (out.len)
			assert_memory_equal(out.data, content.data, out.len);
		stream_close(s);
		assert_int_equal(d.closed, 1);
	}
}

/* ---- a source that can be watched ---- */

struct endless {
	struct stream base;
	_Atomic size_t given;
	_Atomic bool signals_are_blocked;
};

static int endless_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	struct endless *e = (struct endless *)s;
	sigset_t mask;

	(void)err;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	e->signals_are_blocked =
		sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT);
	memset(data, 'x', cap);
	e->given += cap;
	*ret_len = cap;
	return 0;
}

static void endless_close(struct stream *s)
{
	(void)s;
}

static void nap(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static void no_more_is_read_ahead_than_the_ring_holds(void **state)
{
	struct endless e = {.base = {endless_read, endless_close}};
	struct stream *s;
	char data[1000];
	size_t n, read = 0;

	(void)state;
	assert_int_equal(stream_ahead(&e.base, 1000, 4, &s, NULL), 0);
	for (int i = 0; i < 1000 && e.given < 4000; i++)
		nap();
	assert_int_equal(e.given, 4000);
	assert_true(e.signals_are_blocked);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(s->read(s, data, sizeof(data), &n, NULL), 0);
		read += n;
		assert_true(e.given <= read + 4000);
	}
	/* The thread waits for room, or fills it. */
	stream_close(s);
}

static void closing_ends_a_thread_that_never_was_read_from(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct endless e = {.base = {endless_read, endless_close}};
		struct stream *s;

		assert_int_equal(stream_ahead(&e.base, 4096, 2, &s, NULL), 0);
		stream_close(s);
	}
}

static void bytes_that_trickle_in_are_handed_on(void **state)
{
	struct stream *pipe_stream, *s;
	char data[100];
	int fds[2];
	size_t n;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(stream_from_pipe(fds[0], "pipe", &pipe_stream, NULL), 0);
	assert_int_equal(stream_ahead(pipe_stream, 1 << 20, 2, &s, NULL), 0);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	close(fds[1]);
	for (size_t got = 0; got < 3; got += n) {
		assert_int_equal(s->read(s, data + got, sizeof(data) - got, &n, NULL), 0);
		assert_true(n > 0);
	}
	assert_memory_equal(data, "abc", 3);
	assert_int_equal(s->read(s, data, sizeof(data), &n, NULL), 0);
	assert_int_equal(n, 0);
	stream_close(s);
	close(fds[0]);
}

/* The writer neither writes nor goes: without a way out this would hang. */
static void closing_does_not_wait_for_a_silent_pipe(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct stream *pipe_stream, *decoded, *s;
		auto_buf struct buf bytes;
		enum inflate_kind kind;
		int fds[2];

		buf_init(&bytes, FIXTURE_MAX);
		fixture_gzip(&bytes, "hello", 5);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		assert_int_equal(write(fds[1], bytes.data, bytes.len - 1), bytes.len - 1);
		assert_int_equal(stream_from_pipe(fds[0], "pipe", &pipe_stream, NULL), 0);
		assert_int_equal(inflate_open(pipe_stream, true, &kind, &decoded, NULL),
				 0);
		assert_int_equal(kind, INFLATE_GZIP);
		assert_int_equal(stream_ahead(decoded, 1 << 16, 2, &s, NULL), 0);
		if (i % 2)
			nap();
		stream_close(s);
		close(fds[0]);
		close(fds[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_in_order_whatever_the_sizes),
		cmocka_unit_test(nothing_gives_nothing),
		cmocka_unit_test(an_error_comes_behind_the_bytes),
		cmocka_unit_test(no_more_is_read_ahead_than_the_ring_holds),
		cmocka_unit_test(closing_ends_a_thread_that_never_was_read_from),
		cmocka_unit_test(bytes_that_trickle_in_are_handed_on),
		cmocka_unit_test(closing_does_not_wait_for_a_silent_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
