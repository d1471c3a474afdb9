/* SPDX-License-Identifier: Apache-2.0
 * HTTP requests: driving libcurl so that bodies are streams. */
#include "tools/registry/transfer.h"

#include <string.h>
#include <time.h>

#include "store/base/stream.h"
#include "tools/registry/transfer_private.h"

#define POLL_MS 1000

static uint64_t now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* ---- called by libcurl ---- */

/* A status line begins a new answer: what came before was provisional. */
static size_t on_header(char *data, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	size_t end = len;
	long status = 0;

	(void)one;
	t->moved_at = now_seconds();
	while (end && (data[end - 1] == '\r' || data[end - 1] == '\n'))
		end--;
	if (end > 5 && memcmp(data, "HTTP/", 5) == 0)
		buf_clear(&t->headers);
	if (end == 0) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		t->answered = status >= 200;
		return len;
	}
	if (memchr(data, '\0', end) || buf_append(&t->headers, data, end, NULL) ||
	    buf_append_u8(&t->headers, 0, NULL))
		return 0;
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	size_t direct = t->want_cap - t->want_len;

	(void)one;
	t->moved_at = now_seconds();
	if (direct == 0) {
		t->receiving_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (direct > len)
		direct = len;
	memcpy(t->want + t->want_len, data, direct);
	t->want_len += direct;
	return buf_append(&t->spill, data + direct, len - direct, NULL) ? 0 : len;
}

static size_t on_send(char *data, size_t one, size_t cap, void *arg)
{
	struct transfer *t = arg;
	size_t len = t->give_len < cap ? t->give_len : cap;

	(void)one;
	t->moved_at = now_seconds();
	if (len == 0 && !t->give_end) {
		t->sending_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (len)
		memcpy(data, t->give, len);
	t->give += len;
	t->give_len -= len;
	return len;
}

/* ---- driving it ---- */

static bool may_pass(const struct transfer *t)
{
	switch (t->result) {
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* What went wrong; the address without what it may carry of secrets. */
static int failure(const struct transfer *t, struct err *err)
{
	const char *url = (const char *)t->url.data;
	const char *why = *t->curl_error ? t->curl_error : curl_easy_strerror(t->result);

	return err_set(err, may_pass(t) ? ERR_AGAIN : ERR_SYSTEM, "'%.*s': %.160s",
		       (int)strcspn(url, "?"), url, why);
}

static void note_end(struct transfer *t)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(t->multi, &left)))
		if (message->msg == CURLMSG_DONE) {
			t->finished = true;
			t->answered = t->answered || message->data.result == CURLE_OK;
			t->result = message->data.result;
		}
}

/* Lets libcurl do what it can, and waits if that was nothing. */
static int step(struct transfer *t, bool wait, struct err *err)
{
	struct curl_waitfd interrupt = {stream_interrupt(), CURL_WAIT_POLLIN, 0};
	unsigned limit = transfer_idle_seconds(t->owner);
	int running;
	CURLMcode rc;

	if (wait) {
		rc = curl_multi_poll(t->multi, &interrupt, interrupt.fd >= 0 ? 1 : 0,
				     POLL_MS, NULL);
		if (rc)
			return err_set(err, ERR_FAILED, "HTTP: %s",
				       curl_multi_strerror(rc));
		if (interrupt.revents)
			return err_set(err, ERR_CANCELED, "the transfer was given up");
	}
	rc = curl_multi_perform(t->multi, &running);
	if (rc)
		return err_set(err, ERR_FAILED, "HTTP: %s", curl_multi_strerror(rc));
	note_end(t);
	if (!t->finished && now_seconds() - t->moved_at >= limit)
		return err_set(err, ERR_AGAIN, "'%.*s': no byte for %u seconds",
			       (int)strcspn((const char *)t->url.data, "?"),
			       (const char *)t->url.data, limit);
	return 0;
}

static int wait_for_answer(struct transfer *t, struct err *err)
{
	int rc = step(t, false, err);

	while (!rc && !t->answered && !t->finished)
		rc = step(t, true, err);
	return !rc && !t->answered ? failure(t, err) : rc;
}

static int resume(struct transfer *t, bool *paused, struct err *err)
{
	CURLcode rc;

	if (!*paused)
		return 0;
	*paused = false;
	t->moved_at = now_seconds();
	rc = curl_easy_pause(t->easy, CURLPAUSE_CONT);
	if (rc == CURLE_OK)
		return 0;
	t->finished = true;
	t->result = rc;
	return failure(t, err);
}

/* ---- a request ---- */

static int add_line(struct transfer *t, const char *name, const char *value,
		    struct err *err)
{
	auto_free char *line = NULL;
	struct curl_slist *lines;

	if (!value)
		return 0;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return err_nomem(err);
	}
	lines = curl_slist_append(t->lines, line);
	if (!lines)
		return err_nomem(err);
	t->lines = lines;
	return 0;
}

static int set_lines(struct transfer *t, const struct transfer_request *r,
		     struct err *err)
{
	int rc = add_line(t, "Authorization", r->authorization, err);

	if (!rc)
		rc = add_line(t, "Accept", r->accept, err);
	/* Without it libcurl would call every body a form. */
	if (!rc)
		rc = add_line(t, "Content-Type", r->content_type ?: "", err);
	/* Half a second is lost where the server does not know of this. */
	if (!rc)
		rc = add_line(t, "Expect", "", err);
	return rc;
}

static CURLcode set_body(CURL *easy, const struct transfer_request *r)
{
	curl_off_t size = r->streamed_size == TRANSFER_SIZE_UNKNOWN
				  ? -1
				  : (curl_off_t)r->streamed_size;
	CURLcode rc;

	if (r->streamed) {
		rc = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1l);
		return rc ? rc : curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, size);
	}
	if (strcmp(r->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1l);
	if (strcmp(r->method, "GET") == 0)
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1l);
	rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	return rc ? rc : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body ?: "");
}

static CURLcode set_range(CURL *easy, const struct transfer_request *r)
{
	char range[48];

	if (r->until)
		snprintf(range, sizeof(range), "%ju-%ju", (uintmax_t)r->from,
			 (uintmax_t)(r->until - 1));
	else
		snprintf(range, sizeof(range), "%ju-", (uintmax_t)r->from);
	return curl_easy_setopt(easy, CURLOPT_RANGE, range);
}

static CURLcode set_request(struct transfer *t, const struct transfer_request *r)
{
	const char *url = (const char *)t->url.data;
	CURL *easy = t->easy;
	CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, url);

	if (!rc)
		rc = set_body(easy, r);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->lines);
	if (!rc && transfer_is_loopback(url))
		rc = curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (!rc && (r->from || r->until))
		rc = set_range(easy, r);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_READDATA, t);
	return rc;
}

static void forget_answer(struct transfer *t)
{
	if (t->added)
		curl_multi_remove_handle(t->multi, t->easy);
	t->added = false;
	curl_slist_free_all(t->lines);
	t->lines = NULL;
	buf_clear(&t->headers);
	buf_clear(&t->spill);
	t->spill_at = 0;
	t->want = NULL;
	t->want_cap = t->want_len = 0;
	t->give_len = 0;
	t->answered = t->finished = t->give_end = false;
	t->receiving_paused = t->sending_paused = false;
	t->result = CURLE_OK;
	*t->curl_error = '\0';
}

static int run(struct transfer *t, const struct transfer_request *r, struct err *err)
{
	CURLcode rc;
	int result;

	forget_answer(t);
	result = set_lines(t, r, err);
	if (result)
		return result;
	rc = set_request(t, r);
	if (rc || curl_multi_add_handle(t->multi, t->easy))
		return err_set(err, ERR_FAILED, "cannot set up HTTP: %s",
			       curl_easy_strerror(rc));
	t->added = true;
	t->moved_at = now_seconds();
	return r->streamed ? 0 : wait_for_answer(t, err);
}

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
	       status == 308;
}

/* Replaces the address by the one the answer names. */
static int redirect(struct transfer *t, struct transfer_request *r, struct err *err)
{
	const char *location = transfer_header(t, "Location", 0);
	const char *url = (const char *)t->url.data;
	struct buf to;
	int rc;

	buf_init(&to, TRANSFER_URL_MAX);
	rc = transfer_resolve(url, location, &to, err);
	if (!rc && strncmp(url, "https:", 6) == 0 &&
	    strncmp((const char *)to.data, "https:", 6) != 0)
		rc = err_set(err, ERR_FAILED, "'%.200s' sends us to plain HTTP", url);
	if (rc) {
		buf_release(&to);
		return rc;
	}
	/* Once gone elsewhere it stays away, even if the way leads back. */
	if (!transfer_same_origin(url, (const char *)to.data))
		r->authorization = NULL;
	buf_release(&t->url);
	t->url = to;
	return 0;
}

int transfer_begin(struct transfers *all, const struct transfer_request *request,
		   struct transfer **ret, struct err *err)
{
	auto_transfer struct transfer *t = NULL;
	struct transfer_request r = *request;
	int rc = transfer_take(all, &t, err);

	if (rc)
		return rc;
	buf_clear(&t->url);
	rc = buf_append(&t->url, r.url, strlen(r.url) + 1, err);
	if (!rc)
		rc = run(t, &r, err);
	for (unsigned i = 0;
	     !rc && !r.streamed && !r.body && is_redirect(transfer_status(t)) &&
	     transfer_header(t, "Location", 0);
	     i++) {
		if (i == TRANSFER_REDIRECTS)
			return err_set(err, ERR_FAILED, "'%.200s': too many redirects",
				       request->url);
		rc = redirect(t, &r, err);
		if (!rc)
			rc = run(t, &r, err);
	}
	if (!rc)
		*ret = steal_ptr(&t);
	return rc;
}

void transfer_end(struct transfer *t)
{
	if (!t)
		return;
	forget_answer(t);
	transfer_give_back(t);
}

/* ---- what goes ---- */

int transfer_write(struct transfer *t, const void *data, size_t len, bool *ret_answered,
		   struct err *err)
{
	int rc;

	t->give = data;
	t->give_len = len;
	rc = resume(t, &t->sending_paused, err);
	if (!rc)
		rc = step(t, false, err);
	while (!rc && t->give_len && !t->answered && !t->finished)
		rc = step(t, true, err);
	/* After the last byte of a body whose size was told, an answer is in time. */
	*ret_answered = t->answered && t->give_len;
	t->give_len = 0;
	if (!rc && t->finished && !t->answered)
		return failure(t, err);
	return rc;
}

int transfer_written(struct transfer *t, struct err *err)
{
	int rc;

	t->give_end = true;
	rc = resume(t, &t->sending_paused, err);
	return rc ? rc : wait_for_answer(t, err);
}

/* ---- what comes ---- */

unsigned transfer_status(const struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return (unsigned)status;
}

const char *transfer_header(const struct transfer *t, const char *name, size_t nth)
{
	const char *line = (const char *)t->headers.data;
	const char *end = line + t->headers.len;
	size_t len = strlen(name);

	for (; line < end; line += strlen(line) + 1) {
		const char *value = line + len + 1;

		if (strncasecmp(line, name, len) != 0 || line[len] != ':' || nth--)
			continue;
		return value + strspn(value, " \t");
	}
	return NULL;
}

uint64_t transfer_size(const struct transfer *t)
{
	curl_off_t size = -1;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
	return size < 0 ? TRANSFER_SIZE_UNKNOWN : (uint64_t)size;
}

const char *transfer_url(const struct transfer *t)
{
	return (const char *)t->url.data;
}

static size_t take_spill(struct transfer *t, void *data, size_t cap)
{
	size_t len = t->spill.len - t->spill_at;

	if (len > cap)
		len = cap;
	if (len)
		memcpy(data, t->spill.data + t->spill_at, len);
	t->spill_at += len;
	if (t->spill_at == t->spill.len) {
		t->spill_at = 0;
		buf_clear(&t->spill);
	}
	return len;
}

int transfer_read(struct transfer *t, void *data, size_t cap, size_t *ret_len,
		  struct err *err)
{
	size_t len = take_spill(t, data, cap);
	bool wait = false;
	int rc = 0;

	if (len) {
		*ret_len = len;
		return 0;
	}
	t->want = data;
	t->want_cap = cap;
	t->want_len = 0;
	rc = resume(t, &t->receiving_paused, err);
	for (; !rc && !t->want_len && !t->finished; wait = true)
		rc = step(t, wait, err);
	len = t->want_len;
	t->want = NULL;
	t->want_cap = t->want_len = 0;
	if (!rc && len == 0 && t->result != CURLE_OK)
		return failure(t, err);
	if (!rc)
		*ret_len = len;
	return rc;
}

int transfer_read_all(struct transfer *t, struct buf *buf, struct err *err)
{
	size_t len = 1;
	int rc = 0;

	while (!rc && len) {
		size_t room = buf->max - buf->len;

		if (room > (64u << 10))
			room = 64u << 10;
		if (room == 0)
			return err_set(err, ERR_LIMIT,
				       "'%.200s': more than %zu bytes of it",
				       transfer_url(t), buf->max);
		rc = buf_reserve(buf, room, err);
		if (!rc)
			rc = transfer_read(t, buf->data + buf->len, room, &len, err);
		if (!rc)
			buf->len += len;
	}
	return rc;
}
