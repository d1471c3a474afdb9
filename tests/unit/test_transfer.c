/* SPDX-License-Identifier: Apache-2.0
 * Unit tests: a body that is pushed, and answers that come before one expects them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/registry/transfer.h"

/* A server for one request: it answers as soon as it has read UNTIL bytes of the body. */
struct server {
	int listening;
	char url[64];
	size_t until;
	pthread_t thread;
};

static const char ANSWER[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

static void *serve(void *arg)
{
	struct server *s = arg;
	char text[8192];
	const char *body = NULL;
	size_t len = 0;
	int fd = accept(s->listening, NULL, NULL);

	while (fd >= 0 && len < sizeof(text) - 1) {
		ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		if (!body)
			body = strstr(text, "\r\n\r\n");
		if (body && len - (size_t)(body + 4 - text) >= s->until)
			break;
	}
	if (write(fd, ANSWER, strlen(ANSWER)) > 0)
		(void)!read(fd, text, sizeof(text)); /* until the other end closes */
	close(fd);
	return NULL;
}

static void server_start(struct server *s, size_t until)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	s->until = until;
	s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listening, 1), 0);
	assert_int_equal(getsockname(s->listening, (struct sockaddr *)&at, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/up", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listening);
}

/* Writes 1000 of SIZE bytes, and then nothing until the answer must have come. */
static void push(struct server *s, uint64_t size, bool *ret_answered)
{
	const struct transfers_options options = {0};
	const struct transfer_request request = {
		.method = "PUT", .url = s->url, .streamed = true, .streamed_size = size};
	const struct timespec while_it_comes = {0, 200000000};
	struct transfers *all = NULL;
	struct transfer *t = NULL;
	struct err err = {0};
	static char data[1000];

	assert_int_equal(transfers_new(&options, &all, &err), 0);
	assert_int_equal(transfer_begin(all, &request, &t, &err), 0);
	assert_int_equal(transfer_write(t, data, sizeof(data), ret_answered, &err), 0);
	assert_false(*ret_answered);
	for (int i = 0; i < 5 && !*ret_answered; i++) {
		nanosleep(&while_it_comes, NULL);
		if (size > sizeof(data))
			assert_int_equal(transfer_write(t, data, 1, ret_answered, &err),
					 0);
		else
			assert_int_equal(transfer_write(t, data, 0, ret_answered, &err),
					 0);
	}
	assert_int_equal(transfer_written(t, &err), 0);
	assert_int_equal(transfer_status(t), 201);
	transfer_end(t);
	transfers_free(all);
}

static void an_answer_after_the_last_byte_is_in_time(void **state)
{
	struct server s;
	bool answered = false;

	(void)state;
	server_start(&s, 1000);
	push(&s, 1000, &answered);
	assert_false(answered);
	server_end(&s);
}

static void an_answer_in_the_middle_is_told(void **state)
{
	struct server s;
	bool answered = false;

	(void)state;
	server_start(&s, 500);
	push(&s, 1 << 20, &answered);
	assert_true(answered);
	server_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_after_the_last_byte_is_in_time),
		cmocka_unit_test(an_answer_in_the_middle_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
